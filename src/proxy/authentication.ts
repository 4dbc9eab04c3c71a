/**
 * The authentication dialogue of a login, or of a COM_CHANGE_USER, until the server's OK or ERR.
 *
 * Between equal legs every packet passes as it is. On unequal legs the password itself, when it is asked for, is put
 * into the form that the other leg expects. Where the proxy knows the password (see `opening.ts`), or has got it from
 * the client because client and server have no plugin in common, it answers the server in the client's place.
 */
import { isFastAuthSuccess } from '../auth/caching-sha2-password.js';
import { legsAreEqual } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import { NONCE_LENGTH, nonceIn } from '../auth/nonce.js';
import { passwordItself } from '../auth/password-answer.js';
import { asksForPassword, assertAnswerIsSafe, assertQuestionIsSafe } from '../auth/password-exposure.js';
import { wellFormed } from '../auth/well-formed.js';
import { ProxyError } from '../errors.js';
import type { Packet } from '../wire/framing.js';
import { type AuthReply, decodeAuthReply, encodeAuthMoreData, startsPlugin } from '../wire/replies.js';
import { accessDenied } from './access-denied.js';
import { askForPassword, canBeBridged, receivePassword } from './client-password.js';
import { decodeServerPacket } from './decoding.js';
import type { ClientAbilities, Decision, Dialogue, Opening } from './dialogue.js';
import { type ClientLeg, smallCopy } from './legs.js';
import { answerInstead, sendAnswer, sendEncrypted } from './server-answers.js';
import { nonceKey } from './server-origin.js';

/** Dialogues of Kerberos and PAM take under ten rounds; an endless one is a fault. */
const MAX_ROUNDS = 20;

/**
 * `first`: the server's first packet, where it has been read. Rejects with a ProxyError that the client has not been told of
 * yet, or with the signal's reason.
 */
export async function authenticate(opening: Opening, dialogue: Dialogue, first?: Packet): Promise<Decision> {
  const { client, server, route, record, signal } = dialogue;
  const { abilities, storedPassword } = opening;
  let { plugin, beforeOk } = opening;
  let nonce: Buffer = opening.nonce;
  let password: Buffer | undefined = storedPassword?.export();
  let waitsForKey: Buffer | undefined;
  try {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { payload } = round === 0 && first !== undefined ? first : await server.port.read(signal);
      const reply = decodeServerPacket(server.name, () => decodeAuthReply(payload, dialogue.multiFactor));
      if (reply.kind === 'ok') return accept(payload, beforeOk, dialogue);
      if (reply.kind === 'err') {
        const isFileToBlame = storedPassword !== undefined && password !== undefined;
        return refuse(reply, payload, isFileToBlame, dialogue);
      }
      server.stage = 'asking';
      if (waitsForKey !== undefined) {
        sendEncrypted(reply, waitsForKey, nonce, server);
        waitsForKey = undefined;
        continue;
      }
      if (startsPlugin(reply)) {
        ({ plugin, data: nonce } = reply);
        server.nonces?.add(nonceKey(nonce));
      }
      if (reply.kind === 'old-auth-switch') plugin = 'mysql_old_password';
      record.serverPlugin = plugin;
      if (reply.kind === 'next-factor') {
        // The password was that of the first factor.
        password?.fill(0);
        password = undefined;
        // The client's plugin of the first factor waits for it, as it would in front of OK.
        if (beforeOk !== undefined) client.port.write(encodeAuthMoreData(beforeOk));
        beforeOk = undefined;
      }
      if (password === undefined && reply.kind === 'auth-switch' && canBeBridged(plugin, abilities, route)) {
        record.authentication = 'bridged';
        password = await askForPassword(abilities, nonce, dialogue);
      }
      waitsForKey =
        password === undefined
          ? await relayQuestion(reply, payload, { plugin, nonce, abilities }, dialogue)
          : await answerInstead(reply, plugin, nonce, password, server, dialogue.legs.server);
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

function accept(payload: Buffer, beforeOk: Buffer | undefined, { client, server }: Dialogue): Decision {
  server.stage = 'decided';
  if (beforeOk !== undefined) client.port.write(encodeAuthMoreData(beforeOk));
  client.port.write(payload);
  return { accepted: true };
}

/**
 * What a server says of an account that nobody can log in to with this password: 1045 and 1698 access denied, 1862
 * password expired, 3118 and 4151 (MariaDB) account locked, 3955 locked after too many wrong passwords.
 */
export const ACCOUNT_ERRORS: ReadonlySet<number> = new Set([1045, 1698, 1862, 3118, 3955, 4151]);

/** `isFileToBlame`: the client's own password was right, and the proxy logged in with the one in the file. */
function refuse(
  { errno, message }: Extract<AuthReply, { kind: 'err' }>,
  payload: Buffer,
  isFileToBlame: boolean,
  { client, server, record }: Dialogue,
): Decision {
  server.stage = 'decided';
  if (isFileToBlame && ACCOUNT_ERRORS.has(errno)) {
    throw new ProxyError(
      'server_refused_credentials',
      `${server.name} refuses what the credentials file has for ${record.user}: ${message} (${errno})`,
      // Whose account it is on the server, and where, is not for the client.
      { clientText: accessDenied(record.user, client, true) },
    );
  }
  client.port.write(payload);
  return { accepted: false, errno };
}

interface Challenge {
  readonly plugin: string;
  /** Data of the last switch, or the greeting's nonce. */
  readonly nonce: Buffer;
  readonly abilities: ClientAbilities;
}

/** Returns the password if it has to wait for the server's RSA key. */
async function relayQuestion(
  question: AuthReply,
  payload: Buffer,
  { plugin, nonce, abilities }: Challenge,
  dialogue: Dialogue,
): Promise<Buffer | undefined> {
  const { client, server, legs, route, record, signal } = dialogue;
  const policy = { legs, allowCleartext: route.config.allowCleartext };
  assertQuestionIsSafe(plugin, question, policy);
  if (startsPlugin(question)) {
    // The proxy itself has told the server that plugins are understood, for an earlier user of the session.
    if (!abilities.canSwitch) {
      throw new ProxyError(
        'client_can_not_switch',
        `${server.name} authenticates ${record.user} with ${plugin}`,
      );
    }
    rememberNonce(client, question);
  }
  client.port.write(payload);
  if (isFastAuthSuccess(plugin, question)) {
    server.stage = 'login-sent';
    return undefined;
  }
  const { payload: answer } = await client.port.read(signal);
  if (!asksForPassword(plugin, question) || legsAreEqual(legs, plugin)) {
    assertAnswerIsSafe(plugin, answer, policy);
    server.port.writeSecret(wellFormed(plugin, answer));
    server.stage = 'login-sent';
    return undefined;
  }
  record.authentication = 'translated';
  const password = await receivePassword(answer, plugin, nonce, dialogue);
  const waits = sendAnswer(passwordItself(plugin, password, legs.server), password, plugin, server);
  if (waits === undefined) password.fill(0);
  return waits;
}

function rememberNonce(
  client: ClientLeg,
  { plugin, data }: Extract<AuthReply, { kind: 'auth-switch' | 'next-factor' }>,
): void {
  if (plugin === NATIVE_PASSWORD && data.length === NONCE_LENGTH + 1) {
    client.nativeNonce = smallCopy(nonceIn(data));
  }
}
