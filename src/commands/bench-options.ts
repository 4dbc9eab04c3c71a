/** The flags of a load test, and what is to be done by them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAddress, UnusableValue } from '../config/address.js';
import { ConfigError } from '../config/config-error.js';
import { loadConfig } from '../config/load.js';
import { type Address, formatAddress, type ServerLegConfig } from '../config/model.js';
import { readSecretFile } from '../config/secret-file.js';
import { count, duration, type ValueType } from '../config/value-types.js';
import { builtInMixes, type MixSource } from '../load/built-in-mixes.js';
import { parseMix, UnusableMix } from '../load/mix.js';
import type { LoadPlan } from '../load/plan.js';
import type { Login, Role, Side, SideTls } from '../load/side.js';
import { type CommandValues, UsageError } from './command.js';
import { flag, oneText } from './flags.js';

const DEFAULTS = { connections: '16', duration: '20s', 'warm-up': '2s', mix: 'ping' } as const;
const MOST_CONNECTIONS = 20_000;
/** Milliseconds: shorter rounds hold too few queries. */
const SHORTEST_DURATION_MS = 1000;
const LONGEST_MIX_BYTES = 1024 * 1024;

const SSL_MODES = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;
const TLS_FLAGS = ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'ssl-key-passphrase-file'] as const;

const load = (metavar: string, description: string, fallback?: string) => {
  const option = flag(metavar, description, 'Load test');
  return fallback === undefined ? option : { ...option, defaultDescription: fallback };
};
const tls = (metavar: string, description: string, fallback?: string) => {
  const option = flag(metavar, description, 'TLS from here');
  return fallback === undefined ? option : { ...option, defaultDescription: fallback };
};

const mixNames = builtInMixes.map(({ name }) => name);
const mixHelp = builtInMixes
  .map(({ name, summary, needsTable }) => `${name} (${summary}${needsTable ? '; needs --database' : ''})`)
  .join(', ');

export const benchFlags = {
  target: load('HOST[:PORT]|unix:PATH', 'What to load, usually the proxy (port 3306 when left out)'),
  baseline: load(
    'HOST[:PORT]|unix:PATH',
    'What to compare it with, usually the server itself; loaded in turn with the target, in several rounds',
  ),
  user: load('NAME', 'Log in as this user; without a password file with $MYSQL_PWD, or an empty password'),
  'password-file': load('FILE', 'File that holds the password of --user'),
  database: load(
    'NAME',
    'Database to work in; mixes that need a table make one of their own there, and drop it',
  ),
  connections: load(
    'N',
    'Connections that send queries at the same time, to each side',
    DEFAULTS.connections,
  ),
  mix: load('NAME|FILE', `What to send: ${mixHelp}, or a file of SQL statements`, DEFAULTS.mix),
  duration: load('DURATION', 'How long to measure in all, both sides together (30s, 5m)', DEFAULTS.duration),
  'warm-up': load('DURATION', 'How long to load each side beforehand, uncounted', DEFAULTS['warm-up']),
  reconnect: load('', 'Connect anew for each pass of the mix, and measure that, too'),
  yes: load('', 'Do not ask before loading a host that is not this machine'),
  json: load('', 'Print one JSON object instead of text'),
  'ssl-mode': tls(
    SSL_MODES.join('|'),
    'TLS from here to the target and the baseline, as the mysql program has it',
    'PREFERRED, with --ssl-ca VERIFY_CA',
  ),
  'ssl-ca': tls('FILE', 'CA that signed the certificate there, PEM', 'those of Node.js'),
  'ssl-cert': tls('FILE', 'Certificate to show there, PEM'),
  'ssl-key': tls('FILE', 'Private key of ssl-cert, PEM'),
  'ssl-key-passphrase-file': tls('FILE', 'File that holds the passphrase of ssl-key'),
  ...Object.fromEntries(
    TLS_FLAGS.map((name) => [
      `baseline-${name}`,
      tls(name === 'ssl-mode' ? 'MODE' : 'FILE', `The same for the baseline, in place of --${name}`),
    ]),
  ),
};

/** Rejects with UsageError, or with the ConfigError of TLS files. */
export async function planFrom(values: CommandValues): Promise<LoadPlan> {
  const target = addressOf(values, 'target');
  if (target === undefined) throw new UsageError('say what to load: --target HOST:PORT, usually the proxy');
  const baseline = addressOf(values, 'baseline');
  const login = loginFrom(values);
  const mix = mixFrom(values);
  if (mix.needsTable && login.database === undefined) {
    throw new UsageError(`--mix ${mix.name} makes a table of its own: say with --database NAME where it may`);
  }
  const misplaced = TLS_FLAGS.map((name) => `baseline-${name}`).find((name) => values[name] !== undefined);
  if (baseline === undefined && misplaced !== undefined)
    throw new UsageError(`--${misplaced} needs --baseline`);
  const connections = readValue(values, 'connections', count);
  if (connections > MOST_CONNECTIONS) {
    throw new UsageError(
      `--connections: one address has no more ports than ${MOST_CONNECTIONS} to connect from`,
    );
  }
  const durationMs = readValue(values, 'duration', duration);
  if (durationMs < SHORTEST_DURATION_MS) throw new UsageError('--duration: rounds need 1s or more in all');
  return {
    sides: [
      side('target', target, values, login),
      ...(baseline === undefined ? [] : [side('baseline', baseline, values, login)]),
    ],
    mix,
    connections,
    durationMs,
    warmUpMs: readValue(values, 'warm-up', duration),
    reconnect: values['reconnect'] === true,
  };
}

function addressOf(values: CommandValues, name: Role): Address | undefined {
  const text = oneText(values, name);
  if (text === undefined) return undefined;
  try {
    return parseAddress(text, 'connect', 3306);
  } catch (error) {
    if (!(error instanceof UnusableValue)) throw error;
    throw new UsageError(`--${name}: ${error.message}`);
  }
}

/** Read as those of the table of options are. */
function readValue<Value, Input>(
  values: CommandValues,
  name: 'connections' | 'duration' | 'warm-up',
  type: ValueType<Value, Input>,
): Value {
  const reading = type.schema.safeParse(oneText(values, name) ?? DEFAULTS[name]);
  if (reading.success) return reading.data;
  throw new UsageError(`--${name}: ${reading.error.issues[0]?.message ?? 'can not be used'}`);
}

function loginFrom(values: CommandValues): Login {
  const user = oneText(values, 'user');
  if (user === undefined) throw new UsageError('say who logs in: --user NAME');
  const database = oneText(values, 'database');
  const file = oneText(values, 'password-file');
  if (file === undefined) return { user, database, password: process.env['MYSQL_PWD'] ?? '' };
  const reading = readSecretFile(resolve(file), 'the file of --password-file');
  if ('fault' in reading) throw new UsageError(`--password-file: ${reading.fault}`);
  return { user, database, password: reading.bytes.toString('utf8').replace(/\r?\n$/, '') };
}

function mixFrom(values: CommandValues): MixSource {
  const given = oneText(values, 'mix') ?? DEFAULTS.mix;
  const builtIn = builtInMixes.find(({ name }) => name === given);
  if (builtIn !== undefined) return builtIn;
  const path = resolve(given);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new UsageError(
      `--mix: "${given}" is neither one of ${mixNames.join(', ')} nor a file that can be read (${code})`,
    );
  }
  if (text.length > LONGEST_MIX_BYTES) throw new UsageError(`--mix: "${given}" is longer than 1 MiB`);
  try {
    parseMix(text);
  } catch (error) {
    if (!(error instanceof UnusableMix)) throw error;
    throw new UsageError(`--mix: "${given}": ${error.message}`);
  }
  return { name: given, summary: '', needsTable: false, textFor: () => text };
}

function side(role: Role, address: Address, values: CommandValues, login: Login): Side {
  return { role, address, login, tls: sideTls(role, address, values) };
}

/** The files are checked as those of the server leg are. */
function sideTls(role: Role, address: Address, values: CommandValues): SideTls {
  const given = (name: (typeof TLS_FLAGS)[number]): string | undefined =>
    (role === 'baseline' ? oneText(values, `baseline-${name}`) : undefined) ?? oneText(values, name);
  const sslMode = modeOf(role, given('ssl-mode'), given('ssl-ca') !== undefined);
  const files = TLS_FLAGS.filter((name) => name !== 'ssl-mode').map(
    (name) => [`server-${name}`, sslMode === 'DISABLED' ? undefined : given(name)] as const,
  );
  try {
    const { config } = loadConfig({
      flags: {
        listen: '127.0.0.1:0',
        'admin-listen': 'off',
        'allow-socket-server': true,
        server: formatAddress(address),
        'server-ssl-mode': sslMode,
        ...Object.fromEntries(files),
      },
      cwd: process.cwd(),
    });
    const [route] = config.routes;
    if (route === undefined) throw new Error('there is no route');
    return { sslMode, ...contentsOf(route.server) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const prefix = role === 'target' ? '' : 'baseline-';
    throw new UsageError(error.message.replaceAll('server-ssl-', `${prefix}ssl-`));
  }
}

function modeOf(role: Role, text: string | undefined, hasCa: boolean): SideTls['sslMode'] {
  // As the mysql program: who gives a CA wants it to be used.
  if (text === undefined) return hasCa ? 'VERIFY_CA' : 'PREFERRED';
  const word = text.toUpperCase().replaceAll('-', '_');
  const mode = SSL_MODES.find((known) => known === word);
  if (mode !== undefined) return mode;
  const prefix = role === 'target' ? '' : 'baseline-';
  throw new UsageError(`--${prefix}ssl-mode: "${text}" is none of ${SSL_MODES.join(', ')}`);
}

function contentsOf(config: ServerLegConfig): Omit<SideTls, 'sslMode'> {
  const { sslCa, sslCert, sslKey, sslKeyPassphraseFile, tlsVersion } = config;
  const read = (path: string) => readFileSync(path, 'utf8');
  const passphrase =
    sslKeyPassphraseFile === undefined
      ? {}
      : { passphrase: read(sslKeyPassphraseFile).replace(/\r?\n$/, '') };
  return {
    ca: sslCa === undefined ? undefined : read(sslCa),
    keyPair:
      sslCert === undefined || sslKey === undefined
        ? undefined
        : { cert: read(sslCert), key: read(sslKey), ...passphrase },
    minVersion: tlsVersion[0] ?? 'TLSv1.2',
    maxVersion: tlsVersion.at(-1) ?? 'TLSv1.3',
  };
}
