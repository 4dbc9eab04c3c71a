/** A proxy between scripted peers, with everything it told its observers. */
import type { TestContext } from 'node:test';
import type {
  Address,
  ClientLegConfig,
  ProxyConfig,
  RouteConfig,
  ServerLegConfig,
} from '../../src/config/model.js';
import type { ProxyError } from '../../src/errors.js';
import type {
  CloseReason,
  ConnectionRecord,
  LoginAttempt,
  Observer,
  ServerCheck,
  ServerHealth,
} from '../../src/observe/events.js';
import { type RunningProxy, startProxy } from '../../src/proxy/proxy.js';
import { greeting } from '../support/packets.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';

export interface Observed {
  readonly connection: ConnectionRecord;
  error?: ProxyError;
  refusedWith?: number;
  established?: boolean;
  /** The COM_CHANGE_USER that the error belongs to. */
  attempt?: LoginAttempt;
  /** Users that the connection became, in order. */
  readonly users: string[];
  /** Servers that did not answer, in order. */
  readonly unreachable: string[];
  tlsFailures: { leg: string; code: string }[];
  closed?: CloseReason;
}

export interface Scenario {
  readonly proxy: RunningProxy;
  readonly server: ScriptedServer;
  readonly offersTls: boolean;
  /** In the order in which connections were accepted. */
  readonly observed: Observed[];
  /** Of servers, oldest first. */
  readonly health: ServerHealth[];
  readonly checks: ServerCheck[];
  connectClient(): Promise<ScriptedPeer>;
  /** A new client together with the proxy's connection to the server that it causes. */
  connectBoth(): Promise<{ client: ScriptedPeer; server: ScriptedPeer }>;
  /** The same, and the greeting has arrived at the client. */
  connectGreeted(): Promise<{ client: ScriptedPeer; server: ScriptedPeer }>;
  /** With other settings of the route. */
  reload(route: Partial<RouteConfig>): Promise<void>;
  /** Resolves when the proxy has let go of every connection. */
  quiet(): Promise<void>;
}

export interface ScenarioOptions {
  client?: Partial<ClientLegConfig>;
  server?: Partial<ServerLegConfig>;
  servers?: (port: number) => Address[];
  listen?: Address;
  route?: Partial<
    Pick<
      RouteConfig,
      | 'authBridge'
      | 'allowCleartext'
      | 'rsaPrivateKey'
      | 'reportPlaintext'
      | 'connectionAttributes'
      | 'reuseServerConnections'
      | 'reuseIdleTimeout'
      | 'reuseMax'
      | 'idleTimeout'
      | 'maxServerConnections'
      | 'allowFrom'
      | 'routeMaxConnections'
      | 'routeConnectionRate'
      | 'routeMaxHandshakes'
      | 'routeHandshakeTimeout'
      | 'tcpKeepAlive'
      | 'addressMaxConnections'
      | 'addressConnectionRate'
      | 'addressMaxHandshakes'
      | 'proxyProtocolFrom'
      | 'routingStrategy'
      | 'healthCheckInterval'
      | 'healthCheckUser'
      | 'healthCheckPasswordFile'
    >
  >;
  process?: Partial<Omit<ProxyConfig, 'routes'>>;
}

export async function startScenario(t: TestContext, options: ScenarioOptions = {}): Promise<Scenario> {
  const server = await ScriptedServer.listen();
  const listen = options.listen ?? { kind: 'tcp', host: '127.0.0.1', port: 0 };
  const route: RouteConfig = {
    name: 'default',
    listen: [listen],
    listenMode: 0o600,
    servers: options.servers?.(server.port) ?? [{ kind: 'tcp', host: '127.0.0.1', port: server.port }],
    routingStrategy: 'first-available',
    allowSocketServer: false,
    authBridge: 'off',
    allowCleartext: false,
    reportPlaintext: false,
    connectionAttributes: 'off',
    routeMaxHandshakes: 100,
    reuseServerConnections: false,
    reuseIdleTimeout: 60_000,
    reuseMax: 64,
    ...options.route,
    client: {
      sslMode: 'DISABLED',
      tlsProfile: 'intermediate',
      tlsVersion: ['TLSv1.2', 'TLSv1.3'],
      plaintextFrom: ['127.0.0.0/8'],
      ...options.client,
    },
    server: {
      sslMode: 'DISABLED',
      proxyProtocol: 'off',
      tlsProfile: 'intermediate',
      tlsVersion: ['TLSv1.2', 'TLSv1.3'],
      ...options.server,
    },
  };
  const observed: Observed[] = [];
  const health: ServerHealth[] = [];
  const checks: ServerCheck[] = [];
  const config: ProxyConfig = {
    routes: [route],
    connectTimeout: 2_000,
    handshakeTimeout: 5_000,
    workers: 1,
    drainDelay: 0,
    drainTimeout: 0,
    maxConnections: 100,
    reloadOnChange: 'off',
    metrics: 'none',
    connectionMetricsLimit: 1,
    logLevel: 'silent',
    logFormat: 'json',
    users: [],
    ...options.process,
  };
  const proxy = await startProxy(config, [
    recorder(observed),
    {
      serverHealth: (one) => void health.push(one),
      serverChecked: (one) => void checks.push(one),
    },
  ]);
  const clients: ScriptedPeer[] = [];
  t.after(async () => {
    for (const client of clients) client.close();
    await proxy.close();
    await server.close();
  });
  const connectClient = async () => {
    const [bound] = proxy.addresses;
    const port = Number(bound?.address.split(':').at(-1));
    const client = await ScriptedPeer.connect(
      listen.kind === 'unix' ? { path: listen.path } : { host: listen.host, port },
    );
    clients.push(client);
    return client;
  };
  const connectBoth = async () => {
    const accepted = server.connection();
    return { client: await connectClient(), server: await accepted };
  };
  return {
    proxy,
    server,
    offersTls: route.client.sslMode === 'PREFERRED' || route.client.sslMode === 'REQUIRED',
    observed,
    health,
    checks,
    connectClient,
    connectBoth,
    connectGreeted: async () => {
      const both = await connectBoth();
      both.server.send(0, greeting());
      await both.client.packet();
      return both;
    },
    reload: (other) => proxy.reload({ ...config, routes: [{ ...route, ...other }] }),
    quiet: async () => {
      while (proxy.connections() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

function recorder(observed: Observed[]): Observer {
  const entry = (connection: ConnectionRecord): Observed => {
    const found = observed.find((candidate) => candidate.connection === connection);
    if (found === undefined) throw new Error(`connection ${connection.id} was never opened`);
    return found;
  };
  return {
    opened: (connection) => void observed.push({ connection, tlsFailures: [], users: [], unreachable: [] }),
    serverUnreachable: (connection, server) => void entry(connection).unreachable.push(server),
    tlsFailed: (connection, leg, error) => void entry(connection).tlsFailures.push({ leg, code: error.code }),
    established: (connection) => {
      entry(connection).established = true;
    },
    userChangeRefused: (connection, errno) => {
      entry(connection).refusedWith = errno;
    },
    userChanged: (connection) => void entry(connection).users.push(connection.user),
    failed: (connection, error, attempt) => {
      Object.assign(entry(connection), { error, attempt });
    },
    refused: (connection, errno) => {
      entry(connection).refusedWith = errno;
    },
    closed: (connection, reason) => {
      if (entry(connection).closed !== undefined) throw new Error('closed twice');
      entry(connection).closed = reason;
    },
  };
}
