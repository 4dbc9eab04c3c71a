/**
 * A scripted client and a scripted server on legs of which each is TLS or not. Every packet that comes is checked to
 * have the sequence id that its leg is due to have, and every byte that a leg's wire carried is kept.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import {
  CLIENT_FLAGS,
  FLAGS,
  greeting,
  type LoginFields,
  login,
  OK,
  sslRequest,
} from '../support/packets.js';
import { frame, type ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'unequal-legs-'));
after(() => rmSync(folder, { recursive: true }));
const { server: identity, client: other, serverTls } = makeCertificates(folder);
const serverContext = createSecureContext({ cert: identity.certificate, key: identity.key });

/** The key that clients get from the proxy, where a test gives it this one. */
export const proxyKey = { file: other.keyFile, certificate: other.certificate };
/** The key that a scripted server hands out. */
export const serverKey = { private: identity.key, certificate: identity.certificate };

/** Another nonce than that of the greeting, which counts from the switch on. */
export const SWITCHED_NONCE = Buffer.from('ABCDEFGHIJKLMNOPQRST', 'latin1');

export function switchTo(plugin: string, nonce: Buffer = SWITCHED_NONCE): Buffer {
  return Buffer.concat([Buffer.from(`\xfe${plugin}\0`, 'latin1'), nonce, Buffer.from([0])]);
}

export function moreData(data: Buffer | string | readonly number[]): Buffer {
  return Buffer.concat([Buffer.from([1]), typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)]);
}

export class Leg {
  readonly peer: ScriptedPeer;
  /** Of the next packet, whoever sends it. */
  sequence = 0;
  readonly #heard: Buffer[] = [];
  #piecemeal = false;

  constructor(peer: ScriptedPeer) {
    this.peer = peer;
    peer.socket.on('data', (chunk: Buffer) => void this.#heard.push(chunk));
  }

  /** Every byte that the proxy ever put on this wire before it became TLS. */
  get wire(): Buffer {
    return Buffer.concat(this.#heard);
  }

  /** From here on every byte travels by itself. */
  sendByteByByte(): void {
    this.#piecemeal = true;
  }

  async receive(): Promise<Buffer> {
    const { sequenceId, payload } = await this.peer.packet();
    assert.equal(sequenceId, this.sequence, `sequence id of ${payload.toString('hex').slice(0, 80)}`);
    this.sequence = (sequenceId + 1) & 0xff;
    return payload;
  }

  async send(payload: Buffer | string | readonly number[]): Promise<void> {
    const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload);
    const packet = frame(this.sequence, bytes);
    this.sequence = (this.sequence + 1) & 0xff;
    if (!this.#piecemeal) return this.peer.sendRaw(packet);
    for (const byte of packet) {
      this.peer.sendRaw(Buffer.from([byte]));
      await nextTurn();
    }
  }

  /** A new command begins. */
  restart(): void {
    this.sequence = 0;
  }
}

export interface Dialogue {
  readonly scenario: Scenario;
  readonly client: Leg;
  readonly server: Leg;
  readonly clientTls: boolean;
  readonly serverTls: boolean;
  /** The login as the server gets it, behind the SSLRequest where there is one. */
  receiveLogin(): Promise<Buffer>;
  /** The packet has reached the one side as the other sent it. */
  relayQuestion(payload: Buffer): Promise<void>;
  relayAnswer(payload: Buffer): Promise<void>;
  /** Ends the authentication with OK, and checks that it was counted as accepted. */
  accept(): Promise<void>;
}

export interface DialogueOptions extends ScenarioOptions {
  readonly legs: { readonly client: 'tls' | 'plaintext'; readonly server: 'tls' | 'plaintext' };
  readonly login?: LoginFields;
  /** Behind the fields of the login. */
  readonly tail?: Buffer;
  /** In place of a login. */
  readonly payload?: Buffer;
  readonly greeting?: Parameters<typeof greeting>[0];
  /** Every byte travels by itself, on both legs, from the greeting on. */
  readonly piecemeal?: boolean;
}

/** Up to the client's login, which has been sent; the server has not been heard yet. */
export async function openDialogue(t: TestContext, options: DialogueOptions): Promise<Dialogue> {
  const clientTls = options.legs.client === 'tls';
  const useServerTls = options.legs.server === 'tls';
  const scenario = await startScenario(t, {
    ...options,
    client: clientTls ? { sslMode: 'REQUIRED', sslCert: [serverTls.cert], sslKey: [serverTls.key] } : {},
    server: useServerTls ? { sslMode: 'VERIFY_CA', sslCa: serverTls.ca } : {},
    route: { rsaPrivateKey: proxyKey.file, ...options.route },
  });
  const both = await scenario.connectBoth();
  const [client, server] = [new Leg(both.client), new Leg(both.server)];
  if (options.piecemeal === true) for (const leg of [client, server]) leg.sendByteByByte();
  await server.send(greeting(options.greeting));
  await client.receive();
  const fields = { flags: CLIENT_FLAGS | (clientTls ? FLAGS.ssl : 0), ...options.login };
  if (clientTls) {
    await client.send(sslRequest(fields.flags));
    await client.peer.startTlsAsClient();
  }
  const packet = Buffer.concat([login(fields), options.tail ?? Buffer.alloc(0)]);
  await client.send(options.payload ?? packet);
  return {
    scenario,
    client,
    server,
    clientTls,
    serverTls: useServerTls,
    receiveLogin: async () => {
      if (useServerTls) {
        assert.equal((await server.receive()).length, 32);
        await server.peer.startTlsAsServer(serverContext);
      }
      return server.receive();
    },
    relayQuestion: async (payload) => {
      await server.send(payload);
      assert.deepEqual(await client.receive(), payload);
    },
    relayAnswer: async (payload) => {
      await client.send(payload);
      assert.deepEqual(await server.receive(), payload);
    },
    accept: async () => {
      await server.send(OK);
      assert.deepEqual(await client.receive(), OK);
      assert.equal(scenario.observed[0]?.established, true);
    },
  };
}
