/** Answers a server's questions with the password: in the place of a client, or for the proxy itself. */
import type { LegSecurity } from '../auth/leg-security.js';
import { nonceIn } from '../auth/nonce.js';
import { answerWithPassword, type PasswordAnswer } from '../auth/password-answer.js';
import { decodePublicKey, encryptPassword } from '../auth/rsa-exchange.js';
import { messageOf, ProxyError } from '../errors.js';
import type { AuthReply } from '../wire/replies.js';
import type { ServerLeg } from './legs.js';

/** Returns the password if it has to wait for the server's RSA key. Rejects with `server_plugin_unsupported`. */
export async function answerInstead(
  question: AuthReply,
  plugin: string,
  nonce: Buffer,
  password: Buffer,
  server: ServerLeg,
  security: LegSecurity,
): Promise<Buffer | undefined> {
  const answer = await answerWithPassword(question, plugin, password, nonce, security);
  return sendAnswer(answer, password, plugin, server);
}

/** The same for an answer that has been made. */
export function sendAnswer(
  answer: PasswordAnswer,
  password: Buffer,
  plugin: string,
  server: ServerLeg,
): Buffer | undefined {
  if (answer.kind === 'impossible') {
    throw new ProxyError(
      'server_plugin_unsupported',
      `${server.name} authenticates the account with ${plugin}, which the proxy can not answer${answer.because}`,
    );
  }
  if (answer.kind === 'packet') server.port.writeSecret(answer.payload);
  if (answer.kind === 'key-needed') server.port.write(answer.request);
  server.stage = 'login-sent';
  return answer.kind === 'key-needed' ? Buffer.from(password) : undefined;
}

/** Answers the server's RSA key with the password, and overwrites it. */
export function sendEncrypted(reply: AuthReply, password: Buffer, nonce: Buffer, server: ServerLeg): void {
  try {
    if (reply.kind !== 'auth-more-data') throw new Error(`it sent ${reply.kind} instead`);
    server.port.write(encryptPassword(decodePublicKey(reply.data), password, nonceIn(nonce)));
    server.stage = 'login-sent';
  } catch (error) {
    throw new ProxyError(
      'server_rsa_key_unusable',
      `the password can not be encrypted with the RSA public key of ${server.name}: ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    password.fill(0);
  }
}
