/**
 * The authentication dialogue of a login, or of a COM_CHANGE_USER, until the server's OK or ERR.
 *
 * Between equal legs every packet passes as it is. On unequal legs the password itself, when it is asked for, is put
 * into the form that the other leg expects. Where the proxy knows the password (see `opening.ts`), or has got it from
 * the client because client and server have no plugin in common, it answers the server in the client's place.
 */
import { isFastAuthSuccess } from '../auth/caching-sha2-password.js';
import type { Legs } from '../auth/leg-security.js';
import { NONCE_LENGTH, nonceIn } from '../auth/nonce.js';
import { answerWithPassword, type PasswordAnswer, passwordItself } from '../auth/password-answer.js';
import {
  asksForPassword,
  assertAnswerIsSafe,
  assertQuestionIsSafe,
  DIALOG,
  isToBeTranslated,
} from '../auth/password-exposure.js';
import { decodePublicKey, encryptPassword } from '../auth/rsa-exchange.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord } from '../observe/events.js';
import { type AuthReply, decodeAuthReply, encodeAuthMoreData } from '../wire/replies.js';
import { askForPassword, type ClientAbilities, canBeBridged, receivePassword } from './client-password.js';
import { decodeServerPacket } from './decoding.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import type { Route } from './route.js';

export interface Dialogue {
  readonly client: ClientLeg;
  readonly server: ServerLeg;
  readonly legs: Legs;
  readonly route: Route;
  readonly record: ConnectionRecord;
  /** 0x02 begins an AuthNextFactor rather than a plugin's own data. */
  readonly multiFactor: boolean;
  /** Deadline, shutdown, and the client's disappearance. */
  readonly signal: AbortSignal;
}

/** What the server has been told when it gets to ask. */
export interface Opening {
  /** The plugin of the auth response that it got. */
  readonly plugin: string;
  /** Data of the last switch, or the greeting's nonce. */
  readonly nonce: Buffer;
  readonly abilities: ClientAbilities;
  /** Known from the credentials file: the client is not asked any more. Overwritten after use. */
  readonly password: Buffer | undefined;
  /** What the client's plugin expects in front of OK. */
  readonly beforeOk: Buffer | undefined;
}

/** How the server decided; its OK or ERR has been passed on. */
export type Decision = { readonly accepted: true } | { readonly accepted: false; readonly errno: number };

/** Dialogues of Kerberos and PAM take under ten rounds; an endless one is a fault. */
const MAX_ROUNDS = 20;

/** Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason. */
export async function authenticate(opening: Opening, dialogue: Dialogue): Promise<Decision> {
  const { server, route, record, signal } = dialogue;
  let { plugin, nonce, password, beforeOk } = opening;
  let waitsForKey: Buffer | undefined;
  try {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { payload } = await server.port.read(signal);
      // PAM's prompts begin with 0x02 as well; where its answers may go out in clear there is nothing to guard.
      const multiFactor = dialogue.multiFactor && !(plugin === DIALOG && route.config.allowCleartext);
      const reply = decodeServerPacket(server.name, () => decodeAuthReply(payload, multiFactor));
      if (reply.kind === 'ok' || reply.kind === 'err') {
        const byFile = opening.password !== undefined && password !== undefined;
        return decide(reply, payload, byFile ? 'credentials file' : 'client', beforeOk, dialogue);
      }
      server.stage = 'asking';
      if (waitsForKey !== undefined) {
        sendEncrypted(reply, waitsForKey, nonce, server);
        waitsForKey = undefined;
        continue;
      }
      if (reply.kind === 'auth-switch' || reply.kind === 'next-factor') ({ plugin, data: nonce } = reply);
      if (reply.kind === 'old-auth-switch') plugin = 'mysql_old_password';
      record.serverPlugin = plugin;
      if (reply.kind === 'next-factor') {
        // The password was that of the first factor.
        password?.fill(0);
        password = undefined;
        // The client's plugin of the first factor waits for it, as it would in front of OK.
        if (beforeOk !== undefined) dialogue.client.port.write(encodeAuthMoreData(beforeOk));
        beforeOk = undefined;
      }
      if (
        password === undefined &&
        reply.kind === 'auth-switch' &&
        canBeBridged(plugin, opening.abilities, route)
      ) {
        record.authentication = 'bridged';
        password = await askForPassword(opening.abilities, nonce, dialogue);
      }
      waitsForKey =
        password === undefined
          ? await relayQuestion(reply, payload, plugin, nonce, dialogue)
          : await answerInstead(reply, plugin, nonce, password, dialogue);
    }
  } finally {
    password?.fill(0);
    waitsForKey?.fill(0);
  }
  throw new ProxyError(
    'authentication_too_long',
    `${server.name} asked for more than ${MAX_ROUNDS} answers with ${plugin}`,
  );
}

function decide(
  reply: Extract<AuthReply, { kind: 'ok' | 'err' }>,
  payload: Buffer,
  provedBy: 'credentials file' | 'client',
  beforeOk: Buffer | undefined,
  { client, server }: Dialogue,
): Decision {
  server.stage = 'decided';
  if (reply.kind === 'ok') {
    if (beforeOk !== undefined) client.port.write(encodeAuthMoreData(beforeOk));
    client.port.write(payload);
    return { accepted: true };
  }
  // The client's own password was right: it is the one in the file that is wrong.
  if (provedBy === 'credentials file' && DENIED.has(reply.errno)) {
    throw new ProxyError(
      'server_refused_credentials',
      `${server.name} refuses what the credentials file says: ${reply.message}`,
    );
  }
  client.port.write(payload);
  return { accepted: false, errno: reply.errno };
}

const ER_ACCESS_DENIED_ERROR = 1045;
const ER_ACCESS_DENIED_NO_PASSWORD_ERROR = 1698;
const DENIED: ReadonlySet<number> = new Set([ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR]);

/** Returns the password if it has to wait for the server's RSA key. */
async function relayQuestion(
  question: AuthReply,
  payload: Buffer,
  plugin: string,
  nonce: Buffer,
  dialogue: Dialogue,
): Promise<Buffer | undefined> {
  const { client, server, legs, route, record, signal } = dialogue;
  const policy = { legs, allowCleartext: route.config.allowCleartext };
  assertQuestionIsSafe(plugin, question, policy);
  client.port.write(payload);
  if (question.kind === 'auth-switch' || question.kind === 'next-factor')
    rememberNonce(client, question.data);
  if (isFastAuthSuccess(plugin, question)) {
    server.stage = 'login-sent';
    return undefined;
  }
  const { payload: answer } = await client.port.read(signal);
  if (!asksForPassword(plugin, question) || !isToBeTranslated(plugin, legs)) {
    assertAnswerIsSafe(plugin, answer, policy);
    server.port.writeSecret(answer);
    server.stage = 'login-sent';
    return undefined;
  }
  record.authentication = 'translated';
  const password = await receivePassword(answer, plugin, nonce, dialogue);
  const waits = send(passwordItself(plugin, password, legs.server), password, plugin, server);
  if (waits === undefined) password.fill(0);
  return waits;
}

/** MariaDB's own plugins have nonces of another length, and clients do not keep those. */
function rememberNonce(client: ClientLeg, switchData: Buffer): void {
  if (switchData.length === NONCE_LENGTH + 1) client.nonce = Buffer.from(nonceIn(switchData));
}

/** Returns the password if it has to wait for the server's RSA key. */
async function answerInstead(
  question: AuthReply,
  plugin: string,
  nonce: Buffer,
  password: Buffer,
  { server, legs }: Dialogue,
): Promise<Buffer | undefined> {
  const answer = await answerWithPassword(question, plugin, password, nonce, legs.server);
  return send(answer, password, plugin, server);
}

function send(
  answer: PasswordAnswer,
  password: Buffer,
  plugin: string,
  server: ServerLeg,
): Buffer | undefined {
  if (answer.kind === 'impossible') {
    throw new ProxyError(
      'server_plugin_unsupported',
      `${server.name} authenticates the account with ${plugin}, which the proxy can not answer for the client`,
    );
  }
  if (answer.kind === 'packet') server.port.writeSecret(answer.payload);
  if (answer.kind === 'key-needed') server.port.write(answer.request);
  server.stage = 'login-sent';
  return answer.kind === 'key-needed' ? Buffer.from(password) : undefined;
}

/** Answers the server's RSA key with the password, and overwrites it. */
function sendEncrypted(reply: AuthReply, password: Buffer, nonce: Buffer, server: ServerLeg): void {
  try {
    if (reply.kind !== 'auth-more-data') throw new Error(`it sent ${reply.kind} instead`);
    server.port.write(encryptPassword(decodePublicKey(reply.data), password, nonceIn(nonce)));
    server.stage = 'login-sent';
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ProxyError(
      'server_protocol_error',
      `the RSA public key of ${server.name} can not be used: ${why}`,
      {
        cause: error,
      },
    );
  } finally {
    password.fill(0);
  }
}
