/**
 * COM_CHANGE_USER: a client that is logged in becomes another user. It is an authentication like that of the login,
 * with the same dangers, on legs that are as they are. Both ports stand at the beginning of a command.
 */

import { isServerLegExposed } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import type { CancelSignal } from '../cancellation.js';
import { findUser } from '../config/model.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord } from '../observe/events.js';
import { MalformedPacketError } from '../wire/bytes.js';
import { CLIENT_PLUGIN_AUTH, has } from '../wire/capabilities.js';
import { type ChangeUser, decodeChangeUser, withChangeUserIdentity } from '../wire/change-user.js';
import { type Identity, withOtherTail } from '../wire/login.js';
import { authenticate } from './authentication.js';
import { clientProgramOf, tailForServer } from './connection-attributes.js';
import type { AuthenticationRequest, Decision, Opening, SessionTerms } from './dialogue.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { openAuthentication } from './opening.js';
import type { Route } from './route.js';

export interface ChangeUserContext {
  readonly route: Route;
  readonly record: ConnectionRecord;
  readonly signal: CancelSignal;
  /** The whole command has come. */
  readonly onRead: () => void;
}

/**
 * Reads the command from the client and has the server decide on it. Rejects with a ProxyError that the client has not
 * been told of yet, or with the signal's reason.
 */
export async function changeUser(
  client: ClientLeg,
  server: ServerLeg,
  terms: SessionTerms,
  { route, record, signal, onRead }: ChangeUserContext,
): Promise<Decision> {
  const { payload } = await client.port.read(signal);
  onRead();
  const command = decodeCommand(payload, terms.clientCapabilities);
  assertReadable(command, terms);
  const attributed = { tail: command.tail, capabilities: terms.clientCapabilities };
  const tail = tailForServer(attributed, { client, record, route });
  const request = changeUserRequest(command, terms, tail);
  Object.assign(record, {
    user: command.user,
    serverUser: '',
    authentication: 'relayed',
    clientPlugin: request.abilities.plugin,
    serverPlugin: '',
    // Who says nothing now is still the same program.
    clientProgram: clientProgramOf(attributed) || record.clientProgram,
  });
  const credential = findUser(route.users, command.user, route.config.name);
  const { legs, multiFactor } = terms;
  const dialogue = { client, server, legs, route, record, multiFactor, signal };
  let opening: Opening;
  try {
    opening = await openAuthentication(credential, request, dialogue);
    server.port.writeSecret(request.encode(opening.identity));
  } finally {
    // The auth response may be the password itself.
    for (const bytes of [payload, tail]) bytes.fill(0);
  }
  server.stage = 'login-sent';
  return authenticate(opening, dialogue);
}

/**
 * PHP's mysqlnd names a plugin, and answers for it, although none was agreed on: what it says may be the password then, and
 * be taken for a scramble.
 */
function assertReadable({ tail }: ChangeUser, { clientCapabilities, legs }: SessionTerms): void {
  if (tail.length === 0 || has(clientCapabilities, CLIENT_PLUGIN_AUTH) || !isServerLegExposed(legs)) return;
  throw new ProxyError(
    'unknown_exchange_refused',
    'the client names an authentication plugin although the server did not offer that',
  );
}

function decodeCommand(payload: Buffer, capabilities: number): ChangeUser {
  try {
    return decodeChangeUser(payload, capabilities);
  } catch (error) {
    if (!(error instanceof MalformedPacketError)) throw error;
    throw new ProxyError('client_malformed_command', `COM_CHANGE_USER can not be read: ${error.message}`);
  }
}

function changeUserRequest(command: ChangeUser, terms: SessionTerms, tail: Buffer): AuthenticationRequest {
  const { clientCapabilities, clientIsMariaDb, capabilities } = terms;
  const canSwitch = has(clientCapabilities, CLIENT_PLUGIN_AUTH);
  return {
    user: command.user,
    userBytes: command.userBytes,
    authResponse: command.authResponse,
    abilities: {
      plugin: command.authPlugin === '' ? NATIVE_PASSWORD : command.authPlugin,
      canSwitch,
      isMariaDb: clientIsMariaDb,
    },
    // Servers ask in any case.
    expectsSwitch: false,
    serverPlugin: undefined,
    encode: (identity) =>
      identity === undefined && canSwitch === has(capabilities, CLIENT_PLUGIN_AUTH)
        ? withOtherTail(command, tail)
        : withChangeUserIdentity(command, capabilities, identity ?? unchanged(command), tail),
  };
}

/** For a server with which the proxy, not the client, agreed on plugins. */
function unchanged({ userBytes, authResponse }: ChangeUser): Identity {
  return { user: userBytes, authResponse, authPlugin: NATIVE_PASSWORD };
}
