/** The clients of the compatibility matrix, and what the page says of each. */

import { mariadb11Cli, mariadbCli, mysqlCli } from '../support/clients.js';
import type { ServerKind } from '../support/downloads.js';
import { mariadbConnector, mysql2Client, mysqljs } from '../support/npm-clients.js';
import type { Unavailable } from '../support/programs.js';
import { mysqlDb, phpMysqli, pyMysql } from '../support/script-clients.js';
import { readFederated } from './compatibility-federated.js';
import { readWithCli, readWithJob } from './compatibility-readers.js';
import { replicateOnce } from './compatibility-replica.js';
import type { Role } from './compatibility-servers.js';
import type { ClientRefusal, Outcome, Task } from './compatibility-task.js';

export type ClientLeg = 'plaintext' | 'TLS 1.3' | 'TLS 1.0';

export interface CompatibilityClient {
  readonly name: string;
  readonly leg: ClientLeg;
  readonly role: Role;
  /** Options of the proxy that this row is about. */
  readonly options?: string;
  /** What the client itself must be told. */
  readonly settings?: string;
  /** The subject of the certificate that it shows to the proxy, which demands one. */
  readonly certificateSubject?: string;
  /** MySQL 5.6 tells of a replica's connection no TLS. */
  readonly isReplica?: boolean;
  /** How many it makes for one cell; 1 unless told otherwise. */
  readonly connections?: number;
  /** Where it can't, what it says then, and for the reader of the page what helps. */
  readonly refusals?: Partial<Record<ServerKind, ClientRefusal & { readonly remark: string }>>;
  /** Where it can, but the server needs something for it. */
  readonly remarks?: Partial<Record<ServerKind, string>>;
  run(task: Task): Promise<Outcome | Unavailable>;
}

type NewLeg = 'plaintext' | 'TLS 1.3';

const bothLegs = (clientOn: (leg: NewLeg) => CompatibilityClient): CompatibilityClient[] => [
  clientOn('TLS 1.3'),
  clientOn('plaintext'),
];

const newClients: readonly CompatibilityClient[] = [
  { name: 'mysql2 (Node.js)', run: mysql2Client },
  {
    name: 'MariaDB Connector/Node.js',
    run: mariadbConnector,
    plaintextSettings: '`allowPublicKeyRetrieval: true` for caching_sha2_password accounts in plaintext',
  },
  { name: 'PHP mysqli (mysqlnd)', run: phpMysqli },
  { name: 'PyMySQL', run: pyMysql },
  { name: 'MySQLdb (MariaDB Connector/C)', run: mysqlDb },
].flatMap(({ name, run, plaintextSettings }) =>
  bothLegs((leg) => ({
    name,
    leg,
    role: 'unknown',
    ...(leg === 'plaintext' && plaintextSettings !== undefined ? { settings: plaintextSettings } : {}),
    run: (task) => readWithJob(run, leg, task),
  })),
);

const commandLines: readonly CompatibilityClient[] = [
  {
    name: '`mysql` of MySQL 9',
    run: mysqlCli,
    plaintext: {
      args: ['--get-server-public-key'],
      settings: '`--get-server-public-key` for caching_sha2_password accounts in plaintext',
    },
  },
  { name: '`mariadb` of MariaDB 10.11', run: mariadbCli },
  { name: '`mariadb` of MariaDB 11.8', run: mariadb11Cli },
].flatMap(({ name, run, plaintext }) =>
  bothLegs((leg) => {
    const { args, settings } = (leg === 'plaintext' ? plaintext : undefined) ?? { args: [] };
    return {
      name,
      leg,
      role: 'unknown',
      ...(settings === undefined ? {} : { settings }),
      run: (task) => readWithCli(run, leg, args, task),
    };
  }),
);

const mysqljsRefusal = {
  errno: 1251,
  message:
    'Client does not support authentication protocol requested by server; consider upgrading MySQL client',
  remark: 'mysqljs knows `mysql_native_password` and no other plugin; with `--credentials` it works.',
};

const oldClients: readonly CompatibilityClient[] = [
  ...bothLegs((leg) => ({
    name: 'mysqljs (`mysql` of npm)',
    leg,
    role: 'unknown',
    refusals: { mysql9: mysqljsRefusal },
    run: (task) => readWithJob(mysqljs, leg, task),
  })),
  ...bothLegs((leg) => ({
    name: 'mysqljs (`mysql` of npm)',
    leg,
    role: 'known',
    run: (task) => readWithJob(mysqljs, leg, task),
  })),
  {
    ...federated('unknown'),
    refusals: {
      mysql9: {
        errno: 1429,
        // The engine shows the first 100 characters.
        message:
          "Unable to connect to foreign data source: Authentication plugin 'sha256_password' reported error: Authenti",
        remark:
          'The library can not hand its password over in plaintext: yaSSL has no RSA. With `--credentials` it works.',
      },
    },
  },
  federated('known'),
];

const collations =
  'a collation that MySQL 5.6 knows, such as `utf8mb4_general_ci`, for the server (`collation_server`) and in the sessions that write';
const gtidRemark = `The source needs \`gtid_mode=OFF\`, and ${collations}.`;
const collationRemark =
  `The source needs ${collations}: with its own default, ` +
  '`utf8mb4_uca1400_ai_ci`, the replica leaves out statements like CREATE TABLE without a word.';
const bridge = 'at MySQL 9 `--auth-bridge sha256`';
const replica = { isReplica: true, remarks: { mysql9: gtidRemark, mariadb11: collationRemark } };
const caSettings =
  '`MASTER_SSL=1, MASTER_SSL_CA=…`: without the CA it does not ask for TLS. It can also verify the name, which then must be ' +
  'the common name of the certificate (`MASTER_SSL_VERIFY_SERVER_CERT=1`).';
const replicas: readonly CompatibilityClient[] = [
  {
    name: 'MySQL 5.6 replica',
    leg: 'TLS 1.0',
    role: 'unknown',
    options: bridge,
    settings: caSettings,
    ...replica,
    run: (task) => replicateOnce(task, 'CA'),
  },
  {
    name: 'MySQL 5.6 replica with a key pair of its own',
    leg: 'TLS 1.0',
    role: 'unknown',
    options: `\`--client-ssl-ca\`, ${bridge}`,
    settings: `${caSettings.replace('…`', '…, MASTER_SSL_CERT=…, MASTER_SSL_KEY=…`')}`,
    certificateSubject: 'CN=Old replica',
    ...replica,
    run: (task) => replicateOnce(task, 'key pair'),
  },
  {
    name: 'MySQL 5.6 replica',
    leg: 'plaintext',
    role: 'unknown',
    ...replica,
    refusals: {
      mysql9: {
        errno: 2061,
        message: "error connecting to master 'USER@HOST:PORT' - retry-time: 1  retries: 1",
        remark:
          'The replica can not hand its password over in plaintext: yaSSL has no RSA. With TLS or `--credentials` it works.',
      },
    },
    run: (task) => replicateOnce(task, 'off'),
  },
  {
    name: 'MySQL 5.6 replica',
    leg: 'plaintext',
    role: 'known',
    ...replica,
    run: (task) => replicateOnce(task, 'off'),
  },
];

export const compatibilityClients = [...newClients, ...commandLines, ...oldClients, ...replicas];

function federated(role: Role): CompatibilityClient {
  // One connection for each table.
  const name = 'MySQL 5.6 client library (FEDERATED)';
  return { name, leg: 'plaintext', role, connections: 2, run: readFederated };
}
