/**
 * The floor for a proxy in Node.js that puts TLS on the server leg: a relay that does the least that MySQL's handshake asks for,
 * and resumes TLS sessions. No checks, limits, log or metrics; whole packets are taken for granted, as they come on loopback.
 * `node tls-relay-main.js PORT SERVER_PORT CA_FILE`.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { withoutCertificate } from '../../src/tls/ticket.js';
import { forwardedToServer, offeredToClient } from '../../src/wire/capabilities.js';
import { encodePacket, HEADER_LENGTH, payloadLengthAt, sequenceIdAt } from '../../src/wire/framing.js';
import { decodeGreeting, withGreetingTerms } from '../../src/wire/greeting.js';
import {
  decodeClientFlags,
  decodeLogin,
  sslRequestFor,
  withLoginCapabilities,
} from '../../src/wire/login.js';
import { OK_HEADER } from '../../src/wire/replies.js';

const [port = '', serverPort = '', caFile = ''] = process.argv.slice(2);
const secureContext = tls.createSecureContext({ ca: readFileSync(caFile), ecdhCurve: 'P-256:X25519' });
let session: Buffer | undefined;

net
  .createServer({ noDelay: true }, (client) => {
    client.on('error', () => {});
    relay(client).catch(() => client.destroy());
  })
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 2048 });

async function relay(client: net.Socket): Promise<void> {
  const plain = net.connect({ host: '127.0.0.1', port: Number(serverPort), noDelay: true });
  plain.on('error', () => client.destroy());
  const greeting = decodeGreeting(await payloadFrom(plain));
  const offered = offeredToClient(greeting.capabilities, { offerTls: false, offerCompression: false });
  client.write(encodePacket(0, withGreetingTerms(greeting, offered, greeting.authPlugin)));
  const payload = await payloadFrom(client);
  const { capabilities } = decodeClientFlags(payload);
  const login = decodeLogin(payload, capabilities & offered);
  const forwarded = forwardedToServer(capabilities, offered, { useTls: true, logsInItself: false });
  plain.write(encodePacket(1, sslRequestFor(login, forwarded)));
  const server = tls.connect({
    socket: plain,
    secureContext,
    rejectUnauthorized: false,
    ...(session === undefined ? {} : { session }),
  });
  server.on('session', (ticket: Buffer) => {
    session = withoutCertificate(ticket);
  });
  server.on('error', () => client.destroy());
  await once(server, 'secureConnect');
  server.write(encodePacket(2, withLoginCapabilities(login, forwarded)));
  // The SSLRequest counts on the server leg alone.
  const onAnswer = (chunk: Buffer) => server.write(renumbered(chunk, 1));
  const onQuestion = (chunk: Buffer) => {
    const bytes = renumbered(chunk, -1);
    client.write(bytes);
    if (!headersOf(bytes).some((at) => bytes[at + HEADER_LENGTH] === OK_HEADER)) return;
    server.off('data', onQuestion).on('data', (more: Buffer) => client.write(more));
    client.off('data', onAnswer).on('data', (more: Buffer) => server.write(more));
  };
  server.on('data', onQuestion);
  client.on('data', onAnswer);
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
}

async function payloadFrom(socket: net.Socket): Promise<Buffer> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.subarray(HEADER_LENGTH);
}

/** In a copy. */
function renumbered(chunk: Buffer, by: 1 | -1): Buffer {
  const bytes = Buffer.from(chunk);
  for (const at of headersOf(bytes)) bytes[at + 3] = sequenceIdAt(bytes, at) + by;
  return bytes;
}

/** Where each packet begins. */
function headersOf(bytes: Buffer): number[] {
  const headers: number[] = [];
  for (let at = 0; at < bytes.length; at += HEADER_LENGTH + payloadLengthAt(bytes, at)) headers.push(at);
  return headers;
}
