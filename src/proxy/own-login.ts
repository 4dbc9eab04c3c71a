/** Logs in to a server with a password that the proxy has, for itself and not for a client. */
import type { KeyObject } from 'node:crypto';
import type { LegSecurity } from '../auth/leg-security.js';
import { scrambleOf } from '../auth/password-answer.js';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import type { Greeting } from '../wire/greeting.js';
import { encodeLogin41, NO_PLUGIN } from '../wire/login.js';
import { type AuthReply, decodeAuthReply, startsPlugin } from '../wire/replies.js';
import { decodeServerPacket } from './decoding.js';
import type { ServerLeg } from './legs.js';
import { takesScramble } from './login-request.js';
import { ownLoginHead } from './own-connection.js';
import { answerInstead, sendEncrypted } from './server-answers.js';

export interface OwnLogin {
  readonly user: string;
  readonly password: KeyObject;
}

type Refusal = Extract<AuthReply, { kind: 'err' }>;

/** Full authentication with an RSA key takes four. */
const MAX_ROUNDS = 8;

/**
 * The server's ERR; undefined where it let the proxy in, and waits for a command. Rejects with a ProxyError where the server
 * is gone, or asks for what can not be answered, or with the signal's reason.
 */
export async function logInOwn(
  server: ServerLeg,
  greeting: Greeting,
  login: OwnLogin,
  security: LegSecurity,
  signal: CancelSignal,
): Promise<Refusal | undefined> {
  const { name } = server;
  let plugin = takesScramble(greeting.authPlugin) ?? NO_PLUGIN;
  let { nonce } = greeting;
  const password = login.password.export();
  let waitsForKey: Buffer | undefined;
  try {
    const head = server.sslRequest ?? ownLoginHead(greeting);
    const authResponse = scrambleOf(plugin, password, nonce) ?? Buffer.alloc(0);
    server.port.writeSecret(
      decodeServerPacket(name, () =>
        encodeLogin41(head, { user: login.user, authResponse, authPlugin: plugin }),
      ),
    );
    server.stage = 'login-sent';
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { payload } = await server.port.read(signal);
      const reply = decodeServerPacket(name, () => decodeAuthReply(payload, false));
      if (reply.kind === 'ok' || reply.kind === 'err') {
        server.stage = reply.kind === 'ok' ? 'idle' : 'decided';
        return reply.kind === 'ok' ? undefined : reply;
      }
      server.stage = 'asking';
      if (waitsForKey !== undefined) {
        sendEncrypted(reply, waitsForKey, nonce, server);
        waitsForKey = undefined;
        continue;
      }
      if (startsPlugin(reply)) ({ plugin, data: nonce } = reply);
      if (reply.kind === 'old-auth-switch') plugin = 'mysql_old_password';
      waitsForKey = await answerInstead(reply, plugin, nonce, password, server, security);
    }
  } finally {
    password.fill(0);
    waitsForKey?.fill(0);
  }
  throw new ProxyError(
    'authentication_too_long',
    `${name} asked for more than ${MAX_ROUNDS} answers with ${plugin}`,
  );
}
