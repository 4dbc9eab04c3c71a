/** Says why TLS to a server, or to the proxy, does not work, or what of it only seems to. */
import { resolve } from 'node:path';
import { ConfigError } from '../config/config-error.js';
import { environmentName } from '../config/option-names.js';
import { options } from '../config/option-table.js';
import { readSecretFile } from '../config/secret-file.js';
import type { Report } from '../doctor/examine.js';
import type { Credentials } from '../doctor/login.js';
import { type Command, type CommandValues, UsageError } from './command.js';
import { flag, flagsOf, givenFlags, oneText } from './flags.js';
import { jsonReport } from './json-report.js';
import type { Outcome } from './outcome.js';

const serverLegOptions = options.filter(({ scope }) => scope === 'server');
const limitOptions = options.filter(({ name }) => name === 'connect-timeout' || name === 'handshake-timeout');

/** For the client leg the doctor is a MySQL client, and these are named as there. */
const asClient = {
  'ssl-ca': 'server-ssl-ca',
  'ssl-cert': 'server-ssl-cert',
  'ssl-key': 'server-ssl-key',
  'ssl-crl': 'server-ssl-crl',
} as const;

export const doctorCommand: Command = {
  usage: 'doctor',
  summary: 'Say why TLS to a server, or to the client leg of a proxy, does not work',
  flags: {
    server: flag('HOST[:PORT]', 'The MySQL server to look at', 'Doctor'),
    proxy: flag('HOST:PORT', 'The client leg of a proxy to look at, instead of a server', 'Doctor'),
    'ssl-ca': flag('FILE', 'With --proxy: CA that signed --client-ssl-cert of the proxy, PEM', 'Doctor'),
    'ssl-cert': flag('FILE', 'With --proxy: certificate to show to it, PEM', 'Doctor'),
    'ssl-key': flag('FILE', 'With --proxy: private key of ssl-cert, PEM', 'Doctor'),
    'ssl-crl': flag('FILE', 'With --proxy: revocation list of that CA, PEM', 'Doctor'),
    user: flag(
      'NAME',
      'Log in as this user, too, to see what its account demands; without --password-file with an empty password',
      'Doctor',
    ),
    'password-file': flag('FILE', 'File that holds the password of --user', 'Doctor'),
    'skip-ciphers': flag(
      '',
      'Try one cipher of each TLS version instead of all (about 15 connections instead of 40)',
      'Doctor',
    ),
    json: flag('', 'Print one JSON object instead of text', 'Doctor'),
    ...flagsOf([...limitOptions, ...serverLegOptions]),
  },
  examples: [
    ['$0 doctor --server db.example.com --server-ssl-ca ca.pem', 'Everything about TLS of that server'],
    [
      '$0 doctor --server db.example.com --server-ssl-ca ca.pem --user app --password-file password.txt',
      'And what the account demands',
    ],
    ['$0 doctor --proxy 127.0.0.1:3307 --ssl-ca ca.pem', 'The client leg of a running proxy'],
  ],
  epilogue:
    'Exit codes: 0 no problem found, 1 problems found, 2 could not test (no MySQL server greeted, or wrong usage). ' +
    'A run costs two to nine failed handshakes, which count against max_connect_errors of the server (100 by default); a ' +
    'successful login makes it forget them.',
  run: doctor,
};

async function doctor(values: CommandValues): Promise<Outcome> {
  const { configurationFor } = await import('../doctor/configuration.js');
  const { examine } = await import('../doctor/examine.js');
  const { reportText } = await import('../doctor/report-text.js');
  const { clientLegReport } = await import('../doctor/client-leg.js');
  const isProxy = values['proxy'] !== undefined;
  const json = values['json'] === true;
  let report: Report;
  try {
    const { config, findings } = configurationFor(flagsFor(values), environmentFor(isProxy));
    const [route] = config.routes;
    if (route === undefined) throw new Error('there is no route');
    const progress = progressOn(process.stderr, json);
    report = await examine({
      leg: isProxy ? 'client' : 'server',
      route,
      limits: config,
      allCiphers: values['skip-ciphers'] !== true,
      credentials: credentialsIn(values),
      known: findings,
      onProgress: progress.show,
    });
    progress.end();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const message = isProxy ? error.message.replaceAll('server-ssl-', 'ssl-') : error.message;
    process.stderr.write(`${message}\n`);
    return { exitCode: 2 };
  }
  if (isProxy) report = clientLegReport(report);
  const exitCode = exitCodeOf(report);
  process.stdout.write(json ? jsonReport(exitCode, report) : reportText(report));
  return { exitCode };
}

function exitCodeOf({ server, findings }: Report): 0 | 1 | 2 {
  if (server === undefined) return 2;
  return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

/** Flags of the proxy itself for the examination. */
function flagsFor(values: CommandValues): Record<string, unknown> {
  const server = oneText(values, 'server');
  const proxy = oneText(values, 'proxy');
  if ((server === undefined) === (proxy === undefined)) {
    throw new UsageError('say what to look at: either --server HOST[:PORT] or --proxy HOST:PORT');
  }
  const fixed = { listen: '127.0.0.1:0', 'admin-listen': 'off', 'allow-socket-server': true };
  const limits = givenFlags(
    values,
    limitOptions.map(({ name }) => name),
  );
  const own = givenFlags(
    values,
    serverLegOptions.map(({ name }) => name),
  );
  const clientOnly = givenFlags(values, Object.keys(asClient));
  if (server !== undefined) {
    const [misplaced] = Object.keys(clientOnly);
    if (misplaced !== undefined)
      throw new UsageError(`--${misplaced} goes with --proxy; with --server use --server-${misplaced}`);
    return { ...fixed, ...limits, ...own, server };
  }
  const [misplaced] = Object.keys(own).filter((name) => /^server-ssl-(ca|cert|key|crl)$/.test(name));
  if (misplaced !== undefined)
    throw new UsageError(`--${misplaced} goes with --server; with --proxy use --${misplaced.slice(7)}`);
  const renamed = Object.entries(asClient).flatMap(([name, option]) =>
    clientOnly[name] === undefined ? [] : [[option, clientOnly[name]] as const],
  );
  return { ...fixed, ...limits, ...own, ...Object.fromEntries(renamed), server: proxy };
}

/** Of the environment only what describes a server leg counts: a proxy's own settings say nothing about another's. */
function environmentFor(isProxy: boolean): NodeJS.ProcessEnv {
  if (isProxy) return {};
  const names = serverLegOptions.map(({ name }) => environmentName(name));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.includes(name)));
}

function credentialsIn(values: CommandValues): Credentials | undefined {
  const user = oneText(values, 'user');
  const file = oneText(values, 'password-file');
  if (user === undefined) {
    if (file !== undefined) throw new UsageError('--password-file needs --user');
    return undefined;
  }
  if (file === undefined) return { user, password: '' };
  const reading = readSecretFile(resolve(file), 'the file of --password-file');
  if ('fault' in reading) throw new UsageError(`--password-file: ${reading.fault}`);
  return { user, password: reading.bytes.toString('utf8').replace(/\r?\n$/, '') };
}

interface Progress {
  show(step: string): void;
  end(): void;
}

/** On a terminal one line that changes; elsewhere a line for each step, but not for each cipher. */
function progressOn(stream: NodeJS.WriteStream, json: boolean): Progress {
  if (!stream.isTTY) {
    if (json) return { show: () => {}, end: () => {} };
    let last = '';
    return {
      show: (step) => {
        const name = step.replace(/: \d+ ciphers$/, '');
        if (name !== last) stream.write(`... ${name}\n`);
        last = name;
      },
      end: () => {},
    };
  }
  return {
    show: (step) => void stream.write(`\r\u001b[K... ${step}`),
    end: () => void stream.write('\r\u001b[K'),
  };
}
