/** Certificates and TLS peers for the tests of both legs. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import tls from 'node:tls';
import type { ClientLegConfig, ServerLegConfig } from '../../../src/config/model.js';
import {
  type ClientLegTls,
  createClientLegTls,
  createServerLegTls,
  type ServerLegTls,
} from '../../../src/tls/contexts.js';
import { acceptTls, connectTls, type Upgraded } from '../../../src/tls/upgrade.js';
import { unlessItHangs } from '../../support/cancellations.js';
import {
  type CertificateRequest,
  issueCertificate,
  loopbackNames,
  type SavedIdentity,
  saveIdentity,
} from '../../support/certificates.js';
import { openSocketPair, type SocketPair } from '../../support/chunked.js';
import { makeTemporaryFolder } from '../../support/clean-up.js';

export const folder = makeTemporaryFolder();
export const neverCancelled = unlessItHangs();
export const modern = ['TLSv1.2', 'TLSv1.3'] as const;
const dayMs = 24 * 60 * 60 * 1000;

let certificateCount = 0;

export function issue(request: CertificateRequest): SavedIdentity {
  certificateCount += 1;
  const base = path.join(folder, String(certificateCount));
  return saveIdentity(issueCertificate(request), `${base}-cert.pem`, `${base}-key.pem`);
}

export function fileWith(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

export const ca = issue({ commonName: 'Test CA', purpose: 'ca' });
export const otherCa = issue({ commonName: 'Other CA', purpose: 'ca' });
export const namesakeCa = issue({ commonName: 'Test CA', purpose: 'ca' });

export function serverCertificate(request: Partial<CertificateRequest> = {}): SavedIdentity {
  return issue({
    commonName: 'Test server',
    purpose: 'server',
    issuer: ca,
    names: loopbackNames,
    ...request,
  });
}

export function clientCertificate(request: Partial<CertificateRequest> = {}): SavedIdentity {
  return issue({ commonName: 'Test client', purpose: 'client', issuer: ca, ...request });
}

export function selfSignedCertificate(purpose: 'client' | 'server'): SavedIdentity {
  return issue({ commonName: 'Self-made', purpose, names: loopbackNames });
}

export const expired = {
  validFrom: new Date(Date.now() - 9 * dayMs),
  validTo: new Date(Date.now() - 2 * dayMs),
};
export const notYetValid = {
  validFrom: new Date(Date.now() + 2 * dayMs),
  validTo: new Date(Date.now() + 9 * dayMs),
};

export function clientLeg(identity: SavedIdentity, config: Partial<ClientLegConfig> = {}): ClientLegTls {
  const leg = createClientLegTls(
    {
      sslMode: 'PREFERRED',
      plaintextFrom: [],
      tlsProfile: 'intermediate',
      tlsVersion: modern,
      sslCert: [identity.certificateFile],
      sslKey: [identity.keyFile],
      ...config,
    },
    randomBytes(32),
  );
  if (leg === undefined) throw new Error('the leg has no TLS');
  return leg;
}

export function serverLeg(config: Partial<ServerLegConfig> = {}): ServerLegTls {
  const leg = createServerLegTls({
    sslMode: 'VERIFY_IDENTITY',
    proxyProtocol: 'off',
    tlsProfile: 'intermediate',
    tlsVersion: modern,
    sslCa: ca.certificateFile,
    ...config,
  });
  if (leg === undefined) throw new Error('the leg has no TLS');
  return leg;
}

export const keyPair = ({ certificateFile, keyFile }: SavedIdentity): Partial<ServerLegConfig> => ({
  sslCert: certificateFile,
  sslKey: keyFile,
});

export async function socketPair(t: TestContext): Promise<SocketPair> {
  const pair = await openSocketPair();
  t.after(pair.close);
  return pair;
}

/** A TLS server as MySQL is one: takes over sockets that are connected already, and says hello inside. */
export function tlsServer(identity: SavedIdentity, options: tls.TlsOptions = {}): tls.Server {
  const server = tls.createServer({ cert: identity.certificate, key: identity.key, ...options });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    socket.write('hello');
    // Whatever comes goes back.
    socket.pipe(socket);
  });
  server.on('tlsClientError', () => {});
  return server;
}

/** One connection of the server leg, until the server's hello and what is needed to resume the session have arrived. */
export async function reach(
  t: TestContext,
  leg: ServerLegTls,
  server: tls.Server,
  host = 'localhost',
  name = `${host}:3306`,
): Promise<Upgraded> {
  const { near, far } = await socketPair(t);
  server.emit('connection', far);
  const upgraded = await connectTls(near, leg, host, name, neverCancelled);
  upgraded.socket.on('error', () => {});
  const hello = once(upgraded.socket, 'data');
  const { version, resumed } = upgraded.description;
  // Up to TLS 1.2 it is part of the handshake, and Node's server gives out no other when a session is resumed.
  if (version === 'TLSv1.3' && !resumed) await once(upgraded.socket, 'session');
  await hello;
  return upgraded;
}

/** A client of the client leg, until the proxy's hello and what is needed to resume the session have arrived. */
export async function connectWith(
  t: TestContext,
  leg: ClientLegTls,
  options: tls.ConnectionOptions,
): Promise<{ upgraded: Upgraded; client: tls.TLSSocket; session: Buffer | undefined }> {
  const { near, far } = await socketPair(t);
  const client = tls.connect({ socket: far, servername: 'localhost', ca: ca.certificate, ...options });
  client.on('error', () => {});
  let session: Buffer | undefined;
  client.on('session', (newest: Buffer) => {
    session = newest;
  });
  const upgraded = await acceptTls(near, leg, neverCancelled);
  upgraded.socket.write('hello');
  await once(client, 'data');
  // A resumed session of TLS 1.2 brings no other.
  if (options.session === undefined) while (session === undefined) await nextTurn();
  return { upgraded, client, session };
}

export const resuming = (session: Buffer | undefined): tls.ConnectionOptions =>
  session === undefined ? {} : { session };

/** Both ends of a TLS connection: `near` is the server's. */
export async function acceptedPair(t: TestContext): Promise<{ near: tls.TLSSocket; far: tls.TLSSocket }> {
  const identity = serverCertificate();
  const { near: raw, far: clientRaw } = await socketPair(t);
  const leg = clientLeg(identity);
  const far = tls.connect({ socket: clientRaw, rejectUnauthorized: false });
  const [{ socket: near }] = await Promise.all([
    acceptTls(raw, leg, neverCancelled),
    once(far, 'secureConnect'),
  ]);
  t.after(() => {
    near.destroy();
    far.destroy();
  });
  return { near, far };
}
