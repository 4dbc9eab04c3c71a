/**
 * A MySQL client that knows exactly the authentication plugins it is given, and otherwise behaves as libmysqlclient does:
 * it names its favourite plugin whatever the greeting names, with an empty auth response if that is another one; it then
 * has to be asked; it lets itself be switched once, and gives up with an error of its own at a plugin that it does not
 * know. It shares no code with the proxy.
 */
import {
  type ClientPlugin,
  cachingSha2Scramble,
  clearPassword,
  ed25519Signature,
  encryptedPassword,
  nativeScramble,
} from './auth-answers.js';
import { FLAGS, flagsOfGreeting, login, readErr, sslRequest } from './packets.js';
import { ScriptedPeer } from './scripted-peer.js';

export interface AuthClient {
  readonly name: string;
  /** The favourite first. */
  readonly plugins: readonly [ClientPlugin, ...ClientPlugin[]];
  readonly isMariaDb?: true;
}

export type LoginTarget =
  | { readonly leg: 'plaintext'; readonly host: string; readonly port: number }
  | { readonly leg: 'TLS'; readonly host: string; readonly port: number; readonly ca: string }
  | { readonly leg: 'unix socket'; readonly path: string };

export type LoginAnswer =
  | { readonly loggedInAs: string }
  /** The ERR packet that came. */
  | { readonly refusal: { readonly errno: number; readonly sqlState: string; readonly message: string } }
  /** The client gave up by itself. */
  | { readonly ownError: { readonly errno: number; readonly message: string } };

export interface LoginResult {
  readonly answer: LoginAnswer;
  /** All that was on the wire, if that was plaintext TCP; one element for each direction. */
  readonly onPlaintextWire: readonly Buffer[];
}

const CR_SERVER_HANDSHAKE_ERR = 2012;
const CR_SERVER_LOST = 2013;
const CR_MALFORMED_PACKET = 2027;
const CR_AUTH_PLUGIN_CANNOT_LOAD = 2059;
const NO_BYTES = Buffer.alloc(0);
const ZERO_BYTE = Buffer.alloc(1);

class OwnError extends Error {
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.errno = errno;
  }
}

/** Logs in, asks who it is, and leaves. */
export async function logIn(
  client: AuthClient,
  target: LoginTarget,
  account: { readonly user: string; readonly password: string },
): Promise<LoginResult> {
  const wire = await Wire.open(target);
  try {
    return { answer: await authenticate(client, target, account, wire), onPlaintextWire: wire.recorded() };
  } catch (error) {
    if (!(error instanceof OwnError)) throw error;
    const ownError = { errno: error.errno, message: error.message };
    return { answer: { ownError }, onPlaintextWire: wire.recorded() };
  } finally {
    wire.close();
  }
}

async function authenticate(
  { plugins, isMariaDb }: AuthClient,
  target: LoginTarget,
  { user, password }: { readonly user: string; readonly password: string },
  wire: Wire,
): Promise<LoginAnswer> {
  const greeting = await wire.read();
  if (greeting[0] === 0xff) return refusalIn(greeting);
  const family = isMariaDb ? 0 : FLAGS.mysql;
  const flags = family | FLAGS.protocol41 | FLAGS.secureConnection | FLAGS.pluginAuth;
  if (target.leg === 'TLS') {
    if ((flagsOfGreeting(greeting) & FLAGS.ssl) === 0) throw new OwnError(2026, 'TLS is not offered');
    wire.send(sslRequest(flags | FLAGS.ssl));
    await wire.startTls(target.ca);
  }
  const tlsFlag = target.leg === 'TLS' ? FLAGS.ssl : 0;
  const [favourite] = plugins;
  const asked = { ...termsOf(greeting), password, leg: target.leg };
  let dialogue = asked.plugin === favourite ? new PluginDialogue(asked) : undefined;
  const auth = dialogue?.firstAnswer() ?? NO_BYTES;
  wire.send(login({ flags: flags | tlsFlag, user, auth, plugin: favourite }));
  let wasSwitched = false;
  for (;;) {
    const packet = await wire.read();
    if (packet[0] === 0xff) return refusalIn(packet);
    if (packet[0] === 0) {
      if (dialogue?.isComplete !== true) {
        throw new OwnError(
          CR_SERVER_HANDSHAKE_ERR,
          'Error in server handshake: accepted without being asked',
        );
      }
      return { loggedInAs: await wire.currentUser() };
    }
    if (packet[0] === 0xfe) {
      if (wasSwitched)
        throw new OwnError(CR_SERVER_HANDSHAKE_ERR, 'Error in server handshake: second switch');
      wasSwitched = true;
      const { plugin, nonce } = switchIn(packet);
      if (!plugins.some((known) => known === plugin)) {
        const message = `Authentication plugin '${plugin}' cannot be loaded`;
        throw new OwnError(CR_AUTH_PLUGIN_CANNOT_LOAD, message);
      }
      dialogue = new PluginDialogue({ plugin, nonce, password, leg: target.leg });
      wire.send(dialogue.firstAnswer());
      continue;
    }
    if (packet[0] !== 1 || dialogue === undefined) {
      throw new OwnError(CR_MALFORMED_PACKET, `Malformed packet: ${packet.subarray(0, 8).toString('hex')}`);
    }
    const answer = dialogue.nextAnswer(packet.subarray(1));
    if (answer !== undefined) wire.send(answer);
  }
}

interface PluginTerms {
  readonly plugin: string;
  readonly nonce: Buffer;
  readonly password: string;
  readonly leg: LoginTarget['leg'];
}

/** From the moment when the client is asked with a plugin that it knows. */
class PluginDialogue {
  readonly #terms: PluginTerms;
  #waitsForKey = false;
  /** The plugin has had all that it waits for in front of OK. */
  isComplete = false;

  constructor(terms: PluginTerms) {
    this.#terms = terms;
  }

  firstAnswer(): Buffer {
    const { plugin, nonce, password, leg } = this.#terms;
    this.isComplete = plugin !== 'caching_sha2_password' || password === '';
    if (plugin === 'mysql_clear_password') return clearPassword(password);
    if (password === '') return plugin.includes('sha2') ? ZERO_BYTE : NO_BYTES;
    if (plugin === 'mysql_native_password') return nativeScramble(password, nonce);
    if (plugin === 'client_ed25519') return ed25519Signature(password, nonce);
    if (plugin === 'caching_sha2_password') return cachingSha2Scramble(password, nonce);
    // Unlike caching_sha2_password it does not trust a socket file.
    if (leg === 'TLS') return clearPassword(password);
    this.#waitsForKey = true;
    return Buffer.from([1]);
  }

  nextAnswer(data: Buffer): Buffer | undefined {
    const { plugin, nonce, password, leg } = this.#terms;
    if (this.#waitsForKey) {
      this.#waitsForKey = false;
      return encryptedPassword(password, nonce, data);
    }
    if (plugin === 'caching_sha2_password' && data.length === 1 && !this.isComplete) {
      this.isComplete = true;
      if (data[0] === 3) return undefined;
      if (data[0] === 4 && leg !== 'plaintext') return clearPassword(password);
      if (data[0] === 4) {
        this.#waitsForKey = true;
        return Buffer.from([2]);
      }
    }
    const shown = data.subarray(0, 8).toString('hex');
    throw new OwnError(CR_MALFORMED_PACKET, `Malformed packet: ${plugin} can not be answered: ${shown}`);
  }
}

/** The connection, with its sequence ids checked. */
class Wire {
  readonly #peer: ScriptedPeer;
  readonly #sent: Buffer[] = [];
  readonly #received: Buffer[] = [];
  readonly #records: boolean;
  #sequenceId = 0;

  private constructor(peer: ScriptedPeer, records: boolean) {
    this.#peer = peer;
    this.#records = records;
    if (records) peer.socket.on('data', (chunk: Buffer) => this.#received.push(chunk));
  }

  static async open(target: LoginTarget): Promise<Wire> {
    const address = target.leg === 'unix socket' ? { path: target.path } : target;
    return new Wire(await ScriptedPeer.connect(address), target.leg === 'plaintext');
  }

  recorded(): readonly Buffer[] {
    return [Buffer.concat(this.#sent), Buffer.concat(this.#received)];
  }

  async startTls(ca: string): Promise<void> {
    await this.#peer.startTlsAsClient({ ca, rejectUnauthorized: true });
  }

  async read(): Promise<Buffer> {
    const { sequenceId, payload } = await this.#peer.packet().catch((error: Error) => {
      throw new OwnError(CR_SERVER_LOST, `Lost connection: ${error.message}`);
    });
    if (sequenceId !== this.#sequenceId) {
      throw new OwnError(CR_MALFORMED_PACKET, `sequence id ${sequenceId} instead of ${this.#sequenceId}`);
    }
    this.#sequenceId = (sequenceId + 1) & 0xff;
    return payload;
  }

  send(payload: Buffer): void {
    if (this.#records) this.#sent.push(payload);
    this.#peer.send(this.#sequenceId, payload);
    this.#sequenceId = (this.#sequenceId + 1) & 0xff;
  }

  async currentUser(): Promise<string> {
    this.#sequenceId = 0;
    this.send(Buffer.from('\x03SELECT CURRENT_USER()'));
    // Number of columns, the column, EOF, the row, EOF.
    const packets: Buffer[] = [];
    while (packets.length < 5) {
      const packet = await this.read();
      if (packet[0] === 0xff) throw new Error(`the query failed: ${readErr(packet).text}`);
      packets.push(packet);
    }
    this.#sequenceId = 0;
    this.send(Buffer.from([1]));
    return packets[3]?.subarray(1).toString() ?? '';
  }

  close(): void {
    this.#peer.finish();
    this.#peer.socket.resume();
  }
}

function refusalIn(packet: Buffer): LoginAnswer {
  const { errno, sqlState = '', text } = readErr(packet);
  return { refusal: { errno, sqlState, message: text } };
}

function termsOf(greeting: Buffer): { plugin: string; nonce: Buffer } {
  const start = greeting.indexOf(0) + 1;
  const secondPart = start + 31;
  const end = greeting.indexOf(0, secondPart + 13);
  return {
    nonce: Buffer.concat([
      greeting.subarray(start + 4, start + 12),
      greeting.subarray(secondPart, secondPart + 12),
    ]),
    plugin: greeting.subarray(secondPart + 13, end === -1 ? undefined : end).toString(),
  };
}

function switchIn(packet: Buffer): { plugin: string; nonce: Buffer } {
  const end = packet.indexOf(0);
  const plugin = packet.subarray(1, end).toString();
  const data = packet.subarray(end + 1);
  if (plugin === 'client_ed25519') return { plugin, nonce: data };
  // libmysqlclient takes nothing else.
  if (data.length !== 21 || data[20] !== 0) {
    throw new OwnError(CR_MALFORMED_PACKET, `Malformed packet: ${plugin} with ${data.length} bytes of nonce`);
  }
  return { plugin, nonce: data.subarray(0, 20) };
}
