/** Logins of recorded clients: decoded with their attributes, and passed on with other capability flags. */
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_PLUGIN_AUTH,
  forwardedToServer,
  has,
} from '../../src/wire/capabilities.js';
import { decodeAttributes } from '../../src/wire/connection-attributes.js';
import { encodePacket } from '../../src/wire/framing.js';
import { decodeLogin, encodeLoginHead, type Login, withLoginCapabilities } from '../../src/wire/login.js';
import { HandshakeResponse, Packet } from './mysql2-internals.js';
import type { Subject } from './subject.js';

export interface RecordedLogin {
  /** Of a HandshakeResponse41. */
  readonly payload: Buffer;
  /** Of the server that it is for. */
  readonly serverCapabilities: number;
}

export function loginSubjects(logins: readonly RecordedLogin[]): Subject[] {
  const common = {
    packets: logins.length,
    bytes: logins.reduce((sum, { payload }) => sum + payload.length, 0),
  };
  const framed = logins.map(({ payload, serverCapabilities }) => ({
    packet: encodePacket(1, payload),
    serverCapabilities,
  }));
  const decoding = { ...common, group: 'login', traffic: 'decode' };
  const patching = { ...common, group: 'login', traffic: 'decode, and change the flags' };
  return [
    {
      ...decoding,
      ...{ name: 'decodeLogin, decodeAttributes', variant: 'shipping' },
      pass: () => logins.reduce((sum, login) => sum + decoded(login).attributeCount, 0),
      outcome: () =>
        logins.map((each) => {
          const { login, attributes } = decoded(each);
          const { user, schema, authResponse, authPlugin } = login;
          return { user, schema, authResponse, authPlugin, attributes: attributesOf(attributes) };
        }),
    },
    {
      ...decoding,
      ...{ name: "mysql2's HandshakeResponse.fromPacket", variant: 'mysql2' },
      pass: () => framed.reduce((sum, each) => sum + mysql2Login(each).user.length, 0),
      outcome: () =>
        framed.map((each) => {
          const { user, database, authToken, authPluginName, connectAttributes } = mysql2Login(each);
          return {
            user,
            schema: database ?? '',
            authResponse: authToken,
            authPlugin: authPluginName ?? '',
            attributes: Object.entries(connectAttributes ?? {}),
          };
        }),
    },
    {
      ...patching,
      ...{ name: 'patched in a copy', variant: 'shipping' },
      pass: () => logins.reduce((sum, login) => sum + patched(login).length, 0),
      outcome: () => logins.map(patched),
    },
    {
      ...patching,
      ...{ name: 'encoded again, field by field', variant: 'rejected' },
      pass: () => logins.reduce((sum, login) => sum + encodedAgain(login).length, 0),
      outcome: () => logins.map(encodedAgain),
    },
  ];
}

function loginIn({ payload, serverCapabilities }: RecordedLogin): Login {
  return decodeLogin(payload, (payload.readUInt32LE(0) & serverCapabilities) >>> 0);
}

function decoded(recorded: RecordedLogin) {
  const login = loginIn(recorded);
  const attributes = has(login.capabilities, CLIENT_CONNECT_ATTRS) ? decodeAttributes(login.tail) : undefined;
  return { login, attributes, attributeCount: attributes?.read.length ?? 0 };
}

function attributesOf(attributes: ReturnType<typeof decodeAttributes>): [string, string][] {
  return (attributes?.read ?? []).map(({ name, value }) => [name.toString(), value.toString()]);
}

function mysql2Login({ packet, serverCapabilities }: { packet: Buffer; serverCapabilities: number }) {
  return HandshakeResponse.fromPacket(new Packet(1, packet, 0, packet.length), serverCapabilities);
}

function forwarded({ payload, serverCapabilities }: RecordedLogin): number {
  const options = { useTls: true, logsInItself: false };
  return forwardedToServer(payload.readUInt32LE(0), serverCapabilities, options);
}

function patched(recorded: RecordedLogin): Buffer {
  return withLoginCapabilities(loginIn(recorded), forwarded(recorded));
}

/** Every field becomes a value, and a field again. */
function encodedAgain(recorded: RecordedLogin): Buffer {
  const login = loginIn(recorded);
  const { capabilities, user, authResponse, schema, authPlugin, payload, tail } = login;
  const head = encodeLoginHead(forwarded(recorded), payload[8] ?? 0);
  head.writeUInt32LE(payload.readUInt32LE(4), 4);
  payload.copy(head, 9, 9, 32);
  return Buffer.concat([
    head,
    Buffer.from(`${user}\0`),
    Buffer.from([authResponse.length]),
    authResponse,
    Buffer.from(has(capabilities, CLIENT_CONNECT_WITH_DB) ? `${schema}\0` : ''),
    Buffer.from(has(capabilities, CLIENT_PLUGIN_AUTH) ? `${authPlugin}\0` : ''),
    tail,
  ]);
}
