/** Makes, renews, shows and bundles certificates. What does the work is loaded when it is needed: it costs 10 MB. */
import path from 'node:path';
import { CertsError } from '../certs/certs-error.js';
import { type Command, type CommandGroup, type CommandValues, UsageError } from './command.js';
import { flag, oneText } from './flags.js';
import type { Outcome } from './outcome.js';

const DEFAULT_FOLDER = 'certs';
const DEFAULT_HOSTS = ['localhost', '127.0.0.1', '::1'];
const KEY_BITS = [2048, 3072, 4096];
/** A century: more is a typing error. */
const LONGEST_DAYS = 36_500;

const folderPositional = {
  dir: { type: 'string', describe: `directory of the certificates (default: ${DEFAULT_FOLDER})` },
} as const;

const create: Command = {
  usage: 'create [dir]',
  summary: 'Make a CA, certificates for server, clients and proxy, and an RSA key pair for passwords',
  positionals: folderPositional,
  flags: {
    host: {
      ...flag('NAME_OR_IP', 'a name of the server or the proxy, as clients write it; repeatable'),
      defaultDescription: DEFAULT_HOSTS.join(', '),
    },
    days: { ...flag('N', 'validity of the certificates'), defaultDescription: '365' },
    'key-bits': { ...flag(KEY_BITS.join('|'), 'length of the RSA keys'), defaultDescription: '3072' },
    force: flag('', 'replace files that exist'),
  },
  examples: [
    [
      '$0 certs create /etc/mysql-tls --host db.example.com --host 192.0.2.7',
      'For a server that clients know by a name and an address',
    ],
  ],
  epilogue:
    'Clients of MySQL 5.6 that verify a server look at the common name only: that of proxy-cert.pem is the first --host.',
  run: (values) =>
    reportingFailure(async () => {
      const folder = folderOf(values);
      const days = wholeNumber(values, 'days', { default: 365, min: 1, max: LONGEST_DAYS });
      const keyBits = Number(oneText(values, 'key-bits') ?? 3072);
      if (!KEY_BITS.includes(keyBits))
        throw new UsageError(`--key-bits must be one of ${KEY_BITS.join(', ')}`);
      const { readHosts, UnusableHost } = await import('../certs/host-names.js');
      const { checkTargets, writeFiles } = await import('../certs/certificate-folder.js');
      const { fileNames, makeCertificateSet } = await import('../certs/certificate-set.js');
      const { usageAdvice } = await import('../certs/usage-advice.js');
      let hosts: ReturnType<typeof readHosts>;
      try {
        hosts = readHosts(textsOf(values, 'host') ?? DEFAULT_HOSTS);
      } catch (error) {
        throw error instanceof UnusableHost ? new UsageError(error.message) : error;
      }
      const replace = values['force'] === true;
      // Before the keys are made, which takes a while.
      checkTargets(
        fileNames.map((name) => path.join(folder, name)),
        { replace },
      );
      const files = await makeCertificateSet({ folder, hosts, days, keyBits, now: new Date() });
      writeFiles(files, { replace });
      print(`written to ${folder}: ${fileNames.join(', ')}\n${usageAdvice(folder, hosts)}`);
      return { exitCode: 0 };
    }),
};

const renew: Command = {
  usage: 'renew [dir]',
  summary: 'Sign certificates anew that expire soon, with the same CA and the same keys',
  positionals: folderPositional,
  flags: {
    within: { ...flag('DAYS', 'renew what expires within so many days'), defaultDescription: '30' },
    all: flag('', 'renew all certificates, however long they are valid'),
    days: { ...flag('N', 'validity of the renewed certificates'), defaultDescription: '365' },
  },
  epilogue:
    'ca.pem and all *-cert.pem files are looked at. The CA is renewed only when it expires within --within DAYS or ' +
    'before the certificates do. Servers must reload their files: FLUSH SSL (MariaDB), ALTER INSTANCE RELOAD TLS ' +
    '(MySQL 8 and 9), a restart (MySQL 5.x). The proxy does it by itself, or on SIGHUP.',
  run: (values) =>
    reportingFailure(async () => {
      const folder = folderOf(values);
      const days = wholeNumber(values, 'days', { default: 365, min: 1, max: LONGEST_DAYS });
      const withinDays = wholeNumber(values, 'within', { default: 30, min: 0, max: LONGEST_DAYS });
      const { planRenewal } = await import('../certs/renewal.js');
      const { writeFiles } = await import('../certs/certificate-folder.js');
      const { renewalText } = await import('../certs/renewal-text.js');
      const plan = planRenewal({ folder, days, withinDays, all: values['all'] === true, now: new Date() });
      writeFiles(plan.files, { replace: true });
      print(renewalText(plan, folder));
      return { exitCode: plan.steps.some(({ outcome }) => outcome === 'refused') ? 1 : 0 };
    }),
};

const show: Command = {
  usage: 'show [path..]',
  summary: 'Say what certificates are for, how long they are valid, and what is wrong with them',
  positionals: {
    path: { type: 'string', array: true, describe: `files or directories (default: ${DEFAULT_FOLDER})` },
  },
  flags: { json: flag('', 'for programs, in one line') },
  epilogue:
    'Exit code 1 where something makes a certificate unusable, such as a key that does not belong to it.',
  run: (values) =>
    reportingFailure(async () => {
      const given = textsOf(values, 'path') ?? [];
      const paths = given.length > 0 ? given : [DEFAULT_FOLDER];
      const { hasProblems, inspect } = await import('../certs/inspection.js');
      const inspection = inspect(paths, new Date());
      if (values['json'] === true) print(`${JSON.stringify(inspection)}\n`);
      else {
        const { inspectionText } = await import('../certs/inspection-text.js');
        print(inspectionText(inspection));
      }
      return { exitCode: hasProblems(inspection) ? 1 : 0 };
    }),
};

const bundle: Command = {
  usage: 'bundle [dir]',
  summary: 'Combine the certificates of server, client and CA into one file that clients take as their CA',
  positionals: folderPositional,
  flags: {
    out: {
      ...flag('FILE', 'where to write it'),
      defaultDescription: 'server-client-bundle.pem in the directory',
    },
    force: flag('', 'replace the file if it exists'),
  },
  run: (values) =>
    reportingFailure(async () => {
      const folder = folderOf(values);
      const { BUNDLE_FILE, CERTIFICATE_MODE, writeFiles } = await import('../certs/certificate-folder.js');
      const { bundleAdvice, bundleOf, checkBundleFile } = await import('../certs/bundle.js');
      const file = path.resolve(oneText(values, 'out') ?? path.join(folder, BUNDLE_FILE));
      const made = bundleOf(folder);
      checkBundleFile(file);
      const replace = values['force'] === true;
      writeFiles([{ path: file, text: made.pem, mode: CERTIFICATE_MODE }], { replace });
      print(`written: ${file} (${made.holds.join(', ')})\n${bundleAdvice(file, made)}`);
      return { exitCode: 0 };
    }),
};

export const certsCommands: CommandGroup = {
  name: 'certs',
  summary: 'Make, renew, show and bundle certificates',
  commands: [create, renew, show, bundle],
};

async function reportingFailure(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof CertsError)) throw error;
    process.stderr.write(`mysql-tls-proxy: ${error.message}\n`);
    return { exitCode: 1 };
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

/** Absolute. */
function folderOf(values: CommandValues): string {
  const given = oneText(values, 'dir') ?? DEFAULT_FOLDER;
  if (given === '') throw new UsageError('the directory is empty; name one, or leave it out');
  return path.resolve(given);
}

function textsOf(values: CommandValues, name: string): readonly string[] | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  return (Array.isArray(value) ? value : [value]).map(String);
}

function wholeNumber(
  values: CommandValues,
  name: string,
  range: { default: number; min: number; max: number },
): number {
  const text = oneText(values, name);
  if (text === undefined) return range.default;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= range.min && number <= range.max) return number;
  throw new UsageError(`--${name} "${text}" must be a whole number of days, ${range.min} to ${range.max}`);
}
