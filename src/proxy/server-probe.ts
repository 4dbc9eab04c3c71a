/**
 * Whether a server's connections may serve one client after the other. Found out by trying, never by the version: each
 * COM_CHANGE_USER must be answered with a question that has a nonce of its own, even where it names the right plugin and
 * brings an answer. Servers that repeat the nonce, or take an answer to the old one, would let someone in who has seen
 * another client's answer on the wire (MySQL 5.6, MariaDB).
 */

import { NONCE_LENGTH } from '../auth/nonce.js';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import { CLIENT_DEPRECATE_EOF, CLIENT_QUERY_ATTRIBUTES, has } from '../wire/capabilities.js';
import { encodeChangeUser } from '../wire/change-user.js';
import { type AuthReply, decodeAuthReply, isErr } from '../wire/replies.js';
import { leaveServer, USER_OF_ABANDONED_LOGINS, wrongAnswer } from './leave-server.js';
import type { ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import { nonceKey, type ServerOrigin } from './server-origin.js';
import { timeLimit } from './time-limit.js';

export type ProbeResult =
  | { readonly verdict: 'safe' }
  /** `because`: what the server does, as a clause that begins with it. */
  | { readonly verdict: 'unsafe'; readonly because: string }
  /** It asked, but with another plugin than the one that was named: another connection is to try with that. */
  | { readonly verdict: 'ask again'; readonly plugin: string }
  /** It was gone before it said enough. */
  | { readonly verdict: 'undecided' };

const PATIENCE_MS = 5_000;

/** The server's part ends in good order, also when the proxy stops. */
const NO_HURRY = new Cancellation();

/** Any user may read it. A server runs it for each new connection, and not for a COM_CHANGE_USER. */
const INIT_CONNECT = 'SELECT @@init_connect';

/**
 * Uses the connection up, whose session is empty and waits for a command. `plugin`: to be named. `nonces`: those that may
 * not come again; gets the one that came. Never rejects.
 */
export async function probeServer(
  server: ServerLeg,
  { capabilities, greeting }: ServerOrigin,
  plugin: string,
  nonces: Set<string>,
  hurry: CancelSignal,
): Promise<ProbeResult> {
  const limit = timeLimit(PATIENCE_MS, () => new Error('the server did not answer the probe in time'), hurry);
  const { signal } = limit;
  try {
    const objection = await objectionToInitConnect(server, capabilities, signal);
    if (objection !== undefined) return objection;
    const identity = {
      user: Buffer.from(USER_OF_ABANDONED_LOGINS, 'latin1'),
      authResponse: wrongAnswer(),
      authPlugin: plugin,
    };
    beginCommand(server);
    server.stage = 'login-sent';
    server.port.write(encodeChangeUser(identity, capabilities, greeting.characterSet));
    const { payload } = await server.port.read(signal);
    const reply = decodeAuthReply(payload, false);
    server.stage = reply.kind === 'ok' || reply.kind === 'err' ? 'idle' : 'asking';
    return judge(reply, plugin, nonces);
  } catch (error) {
    return error instanceof ProxyError || signal.isCancelled
      ? { verdict: 'undecided' }
      : { verdict: 'unsafe', because: 'it answers in a way that is not known' };
  } finally {
    limit.clear();
    if (server.stage === 'idle') beginCommand(server);
    await leaveServer(server, NO_HURRY);
  }
}

function judge(reply: AuthReply, plugin: string, nonces: Set<string>): ProbeResult {
  if (reply.kind !== 'auth-switch') {
    return { verdict: 'unsafe', because: 'it decides on a change of user without a fresh question' };
  }
  if (reply.data.length !== NONCE_LENGTH + 1) {
    return { verdict: 'unsafe', because: 'it asks without a nonce at a change of user' };
  }
  const nonce = nonceKey(reply.data);
  if (nonces.has(nonce)) {
    return { verdict: 'unsafe', because: 'it repeats an old nonce at a change of user' };
  }
  nonces.add(nonce);
  return reply.plugin === plugin ? { verdict: 'safe' } : { verdict: 'ask again', plugin: reply.plugin };
}

/** Undefined where there is none. An ERR may be all about the user: one with a limit of questions, for one. */
async function objectionToInitConnect(
  server: ServerLeg,
  capabilities: number,
  signal: CancelSignal,
): Promise<ProbeResult | undefined> {
  beginCommand(server);
  // No attributes, in one set.
  const attributes = has(capabilities, CLIENT_QUERY_ATTRIBUTES) ? '\x00\x01' : '';
  server.port.write(Buffer.from(`\x03${attributes}${INIT_CONNECT}`, 'latin1'));
  const read = async () => (await server.port.read(signal)).payload;
  const count = await read();
  if (isErr(count) || count[0] !== 1) return { verdict: 'undecided' };
  const hasDefinitions = count.length === 1 || count[1] !== 0;
  const untilRow = Number(hasDefinitions) + Number(!has(capabilities, CLIENT_DEPRECATE_EOF));
  for (let packet = 0; packet < untilRow; packet++) await read();
  const row = await read();
  await read();
  const isEmpty = row.length === 1 && (row[0] === 0 || row[0] === 0xfb);
  const because = 'it has an init_connect, which it runs for new connections alone';
  return isEmpty ? undefined : { verdict: 'unsafe', because };
}

/** Sequence ids begin anew with each command. */
export function beginCommand(server: ServerLeg): void {
  const { bytes } = server.port;
  server.port = new PacketPort(server.port.release(), { leg: 'server', peer: server.name, bytes });
}
