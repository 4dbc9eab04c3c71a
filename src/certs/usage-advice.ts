/** What to write into which file, and what to run, so that new certificates are used. */
import path from 'node:path';
import { commonNameFor, type HostName } from './host-names.js';

/** @param folder absolute. */
export function usageAdvice(folder: string, hosts: readonly HostName[]): string {
  const file = (name: string) => path.join(folder, name);
  const option = (name: string) => optionFileValue(file(name));
  return `
Server: into my.cnf (MySQL 5.5 to 9, MariaDB)

  [mysqld]
  ssl_ca=${option('ca.pem')}
  ssl_cert=${option('server-cert.pem')}
  ssl_key=${option('server-key.pem')}

  MySQL 8 and 9 can use the RSA key pair for passwords, too; other servers do not start with these lines:

  [mysqld]
  caching_sha2_password_private_key_path=${option('private_key.pem')}
  caching_sha2_password_public_key_path=${option('public_key.pem')}
  sha256_password_private_key_path=${option('private_key.pem')}
  sha256_password_public_key_path=${option('public_key.pem')}

  MySQL 5.7 with OpenSSL has the last two only. The user that mysqld runs as must be able to read the keys, and the directory:

  chown mysql ${shellWord(file('server-key.pem'))} ${shellWord(file('private_key.pem'))}

Clients: copy ca.pem, client-cert.pem and client-key.pem, and nothing else, to them; into their my.cnf

  [client]
  ssl-ca=${option('ca.pem')}
  ssl-cert=${option('client-cert.pem')}
  ssl-key=${option('client-key.pem')}

Accounts that demand the client certificate

  GRANT USAGE ON *.* TO 'app'@'%' REQUIRE X509;   -- MySQL 5.5 to 5.7, MariaDB
  ALTER USER 'app'@'%' REQUIRE X509;              -- MySQL 5.7, 8 and 9, MariaDB

Proxy, with the key pair to the server and TLS for its clients

  ${proxyCommand(file, hosts)}

  The server must have one of the names in its certificate: ${hosts.map(({ value }) => value).join(', ')}.
  Clients of MySQL 5.5 and 5.6 speak nothing newer than TLS 1.0: add --client-tls-profile legacy.
  Those that verify the name of what they connect to look at one name only, and so must connect to ${commonNameFor(hosts)}.

Keep ca-key.pem where only you can read it: whoever has it can make certificates that all of these accept.
`;
}

function proxyCommand(file: (name: string) => string, hosts: readonly HostName[]): string {
  const server = hosts.find(({ value }) => !value.startsWith('*'));
  const address = server?.value.includes(':') ? `[${server.value}]` : (server?.value ?? 'HOST');
  const options: [string, string][] = [
    ['--server', address],
    ['--server-ssl-ca', file('ca.pem')],
    ['--server-ssl-cert', file('client-cert.pem')],
    ['--server-ssl-key', file('client-key.pem')],
    ['--client-ssl-cert', file('proxy-cert.pem')],
    ['--client-ssl-key', file('proxy-key.pem')],
    ['--rsa-private-key', file('private_key.pem')],
  ];
  const words = options.map(([name, value]) => `${name} ${shellWord(value)}`);
  return ['mysql-tls-proxy', ...words].join(' \\\n    ');
}

/** As a POSIX shell takes it for one word. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** In an option file `#` begins a comment, and a backslash an escape sequence; quotes keep the first from it. */
export function optionFileValue(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}
