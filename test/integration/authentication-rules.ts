/** What has to come of each cell of the authentication table, by the rules of the protocol and of the options. */
import type { ClientPlugin } from '../support/auth-answers.js';
import type { AuthClient } from '../support/auth-client.js';
import { type AccountPlugin, type Cell, userOf } from './authentication-cells.js';

export type Outcome =
  | { readonly kind: 'logged in' }
  /** An ERR packet. */
  | {
      readonly kind: 'refused';
      readonly errno: number;
      readonly sqlState: string;
      readonly message: RegExp;
    }
  /** The client's own error. */
  | { readonly kind: 'gave up'; readonly errno: number; readonly message: RegExp };

export function expectedOutcome(cell: Cell): Outcome {
  if (cell.way === 'credentials') return withCredentials(cell);
  const { client, account } = cell;
  if (client.plugins.includes(account.plugin)) return decidedByServer(cell);
  const plugin = (cell.way === 'auth-bridge' && handsOverPassword(client, account.plugin)) || account.plugin;
  return client.plugins.includes(plugin) ? decidedByServer(cell) : doesNotKnow(plugin);
}

/** The plugin that the proxy asks a client for its password with, if its library may lack that of the account. */
function handsOverPassword(client: AuthClient, accountPlugin: AccountPlugin): ClientPlugin | undefined {
  const [favourite] = client.plugins;
  // Old libraries can do no more than sha256_password beside it; one that can not do that either gives up at that name.
  if (favourite === 'mysql_native_password') return 'sha256_password';
  // Libraries without mysql_native_password have come since MySQL 9; none of that line ever knew MariaDB's plugin either.
  if (accountPlugin !== 'mysql_native_password' && accountPlugin !== 'client_ed25519') return undefined;
  return favourite === 'caching_sha2_password' || favourite === 'sha256_password' ? favourite : undefined;
}

function withCredentials(cell: Cell): Outcome {
  const { client, clientLeg, password } = cell;
  const [favourite] = client.plugins;
  if (favourite === 'mysql_clear_password' && clientLeg === 'plaintext') {
    return {
      kind: 'refused',
      errno: 2061,
      sqlState: 'HY000',
      message:
        /^mysql-tls-proxy: mysql_clear_password sends the password in clear, and the client leg is in plaintext\. Use TLS/,
    };
  }
  // An ed25519 signature can not be checked, so the proxy asks with what all but the newest libraries know.
  const plugin = favourite === 'client_ed25519' ? 'mysql_native_password' : favourite;
  if (!client.plugins.includes(plugin)) return doesNotKnow(plugin);
  if (password === 'wrong' || password === 'missing') {
    return accessDenied(cell, clientHost(cell));
  }
  if (decidedByServer(cell).kind === 'logged in') return { kind: 'logged in' };
  // The client's password was right. That the stored one is not is for the log, and not for clients.
  return accessDenied(cell, clientHost(cell), 'YES');
}

function clientHost({ clientLeg }: Cell): string {
  return clientLeg === 'unix socket' ? 'localhost' : '127.0.0.1';
}

/** Each end has the password in the form of its own leg. */
function decidedByServer(cell: Cell): Outcome {
  const { account, serverLeg, password } = cell;
  // Its library for TLS, yaSSL, has no RSA for it: without TLS no password gets there, nor does it ever in clear.
  const takesNoPassword =
    account.server === 'mysql56' && account.plugin === 'sha256_password' && serverLeg === 'plaintext';
  if (password === 'right' && !takesNoPassword) return { kind: 'logged in' };
  if (account.plugin === 'client_ed25519') {
    // MariaDB lets nobody in whose account of this plugin has no password, and does not notice that none came.
    return accessDenied(cell, '127.0.0.1', 'YES');
  }
  return password === 'none' ? { kind: 'logged in' } : accessDenied(cell, '127.0.0.1');
}

function accessDenied(
  { account, password }: Cell,
  host: string,
  usesPassword = password === 'missing' ? 'NO' : 'YES',
): Outcome {
  const user = `'${userOf(account, password)}'@'${host}'`;
  const message = new RegExp(`^Access denied for user ${user} \\(using password: ${usesPassword}\\)$`);
  return { kind: 'refused', errno: 1045, sqlState: '28000', message };
}

function doesNotKnow(plugin: ClientPlugin): Outcome {
  const message = new RegExp(`^Authentication plugin '${plugin}' cannot be loaded$`);
  return { kind: 'gave up', errno: 2059, message };
}
