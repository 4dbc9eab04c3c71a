/** Every combination of client, account, legs, password and way of the authentication table. */
import type { ClientPlugin } from '../support/auth-answers.js';
import type { AuthClient } from '../support/auth-client.js';
import type { ServerKind } from '../support/downloads.js';

const only = (plugin: ClientPlugin): AuthClient => ({ name: `only ${plugin}`, plugins: [plugin] });

export const clients: readonly AuthClient[] = [
  only('mysql_native_password'),
  only('caching_sha2_password'),
  only('sha256_password'),
  only('mysql_clear_password'),
  { ...only('client_ed25519'), isMariaDb: true },
  // libmysqlclient 5.6 and 5.7 with OpenSSL.
  { name: 'old library', plugins: ['mysql_native_password', 'sha256_password'] },
  // libmysqlclient 9 without its plugin folder.
  { name: 'modern library', plugins: ['caching_sha2_password', 'sha256_password'] },
];

export type AccountPlugin = Exclude<ClientPlugin, 'mysql_clear_password'>;

export interface AccountKind {
  readonly server: ServerKind;
  readonly plugin: AccountPlugin;
}

export const accountKinds: readonly AccountKind[] = [
  { server: 'mysql9', plugin: 'caching_sha2_password' },
  { server: 'mysql9', plugin: 'sha256_password' },
  { server: 'mysql56', plugin: 'mysql_native_password' },
  { server: 'mysql56', plugin: 'sha256_password' },
  { server: 'mariadb', plugin: 'mysql_native_password' },
  { server: 'mariadb', plugin: 'client_ed25519' },
];

export const clientLegs = ['plaintext', 'TLS', 'unix socket'] as const;
export const serverLegs = ['plaintext', 'TLS'] as const;
/** `none`: of an account without one. `missing`: the account has one, and the client sends none. */
export const passwordCases = ['right', 'wrong', 'none', 'missing'] as const;
export const ways = ['relay', 'auth-bridge', 'credentials'] as const;

export type ClientLegKind = (typeof clientLegs)[number];
export type ServerLegKind = (typeof serverLegs)[number];
export type PasswordCase = (typeof passwordCases)[number];
export type Way = (typeof ways)[number];

export interface Cell {
  readonly client: AuthClient;
  readonly account: AccountKind;
  readonly way: Way;
  readonly clientLeg: ClientLegKind;
  readonly serverLeg: ServerLegKind;
  readonly password: PasswordCase;
}

/** MariaDB's plugin takes passwords of any length; the test client only those of 32 bytes. */
export const passwords = {
  right: 'correct-horse-battery-staple-047',
  wrong: 'in-correct-mule-battery-staple-1',
  none: '',
  missing: '',
} as const satisfies Record<PasswordCase, string>;

/** At most 16 characters for MySQL 5.6. */
export function userOf({ plugin }: AccountKind, password: PasswordCase): string {
  const word = /native|caching|sha256|ed25519/.exec(plugin)?.[0] ?? plugin;
  return `${word}_${password === 'none' ? 'without' : 'with'}`;
}

/** Those that go into one test. */
export function cellsOf(client: AuthClient, account: AccountKind, way: Way): Cell[] {
  return clientLegs.flatMap((clientLeg) =>
    serverLegs.flatMap((serverLeg) =>
      passwordCases.map((password) => ({ client, account, way, clientLeg, serverLeg, password })),
    ),
  );
}

export function nameOfCell({ client, account, way, clientLeg, serverLeg, password }: Cell): string {
  const legs = `${clientLeg} client leg, ${serverLeg} server leg`;
  return `${client.name} to ${account.plugin} of ${account.server}, ${way}, ${legs}, password: ${password}`;
}
