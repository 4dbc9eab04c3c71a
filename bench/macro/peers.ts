/** What the proxy is compared with: HAProxy in TCP mode, MySQL Router, and relays in Node.js that do nothing but relay. */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { haproxyProgram, routerProgram } from '../../test/support/bench-programs.js';
import { makeTemporaryFolder } from '../../test/support/clean-up.js';
import { isUnavailable } from '../../test/support/programs.js';
import { freePort } from '../../test/support/servers.js';
import type { Database } from './database.js';
import { startListening } from './program-system.js';
import type { Legs, System } from './system.js';

/** Takes no part in TLS. As many threads as there are cores, which is its default. */
export const haproxy: System = {
  name: 'HAProxy, TCP',
  start: async (database, legs) => {
    const found = await haproxyProgram();
    if (isUnavailable(found)) return found;
    const folder = makeTemporaryFolder();
    const port = await freePort();
    const file = path.join(folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConfiguration(port, database.port));
    const clientTls = legs.client === 'TLS';
    return startListening({ program: found.program, args: ['-f', file, '-db'], port, clientTls, folder });
  },
};

/** The least that a program in Node.js can do: read here, write there. */
export const nodeRelay = relay('relay in Node.js', 'relay-main.js');
/** The least for plaintext on one side and TLS on the other. */
export const nodeTlsRelay = relay('relay in Node.js, to TLS', 'tls-relay-main.js');

function relay(name: string, script: string): System {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return {
    name,
    start: async (database, legs) => {
      const port = await freePort();
      return startListening({
        program: { file: process.execPath, args: [file], env: {} },
        args: [String(port), String(database.port), database.certificates.serverTls.ca],
        port,
        clientTls: legs.client === 'TLS',
        folder: makeTemporaryFolder(),
      });
    },
  };
}

export const router: System = routerWith('MySQL Router', { sharesConnections: false });
/** Gives a client a server connection that another has left. */
export const routerWithPool: System = routerWith('MySQL Router, pool', { sharesConnections: true });

interface RouterOptions {
  readonly sharesConnections: boolean;
}

function routerWith(name: string, options: RouterOptions): System {
  return {
    name,
    start: async (database, legs) => {
      const found = await routerProgram();
      if (isUnavailable(found)) return found;
      const folder = makeTemporaryFolder();
      const port = await freePort();
      const file = path.join(folder, 'router.conf');
      const plugins = path.join(found.folder, 'usr/lib/mysqlrouter/plugin');
      writeFileSync(file, routerConfiguration({ folder, plugins, port, database, legs, options }));
      const clientTls = legs.client === 'TLS';
      return startListening({ program: found.program, args: ['-c', file], port, clientTls, folder });
    },
  };
}

function haproxyConfiguration(port: number, serverPort: number): string {
  return `global
  maxconn 5000
defaults
  mode tcp
  timeout connect 5s
  timeout client 300s
  timeout server 300s
listen mysql
  bind 127.0.0.1:${port}
  server mysql 127.0.0.1:${serverPort}
`;
}

interface RouterPlace {
  readonly folder: string;
  readonly plugins: string;
  readonly port: number;
  readonly database: Database;
  readonly legs: Legs;
  readonly options: RouterOptions;
}

/** As many threads as HAProxy. It does not check the server's certificate unless told to, and is left at that. */
function routerConfiguration({ folder, plugins, port, database, legs, options }: RouterPlace): string {
  const { server } = database.certificates;
  const ofClients =
    legs.client === 'TLS'
      ? `client_ssl_mode=REQUIRED\nclient_ssl_cert=${server.certificateFile}\nclient_ssl_key=${server.keyFile}`
      : 'client_ssl_mode=DISABLED';
  const ofServers = `server_ssl_mode=${legs.server === 'TLS' ? 'REQUIRED' : 'DISABLED'}`;
  const pool = options.sharesConnections ? '[connection_pool]\nmax_idle_server_connections=64' : '';
  return `[DEFAULT]
logging_folder=${folder}
runtime_folder=${folder}
data_folder=${folder}
plugin_folder=${plugins}
max_total_connections=4000
unknown_config_option=warning
[logger]
level=WARNING
[io]
threads=${os.availableParallelism()}
${pool}
[routing:mysql]
bind_address=127.0.0.1
bind_port=${port}
destinations=127.0.0.1:${database.port}
routing_strategy=first-available
protocol=classic
max_connections=3000
${ofClients}
${ofServers}
${options.sharesConnections ? 'connection_sharing=1' : ''}
`;
}
