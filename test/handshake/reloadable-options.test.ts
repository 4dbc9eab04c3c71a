/**
 * Each option of the table: changed by a reload it is what the proxy works with from then on, or the reload is refused. What the
 * proxy looks up in its configuration is recorded, so that an option that is read once and kept is found out.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { loadConfig } from '../../src/config/load.js';
import type { ProxyConfig } from '../../src/config/model.js';
import type { OptionScope } from '../../src/config/option-definition.js';
import { camelCase, routeKey } from '../../src/config/option-names.js';
import { type OptionName, options } from '../../src/config/option-table.js';
import { restartNeeded } from '../../src/config/restart-needed.js';
import { type Service, startService } from '../../src/service.js';
import { makeCertificates } from '../support/certificates.js';
import { CLIENT_FLAGS, FLAGS, greeting, login, OK, sslRequest } from '../support/packets.js';
import { makeCrl } from '../support/revocation-list.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';

const folder = mkdtempSync(path.join(tmpdir(), 'reloadable-'));
after(() => rmSync(folder, { recursive: true }));
const { ca, server, client } = makeCertificates(folder);
const other = makeCertificates(path.join(folder, 'other'));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const passphraseFile = write('passphrase', 'any\n');
const credentialsOf = (user: string) =>
  write(`${user}.yaml`, `- { user: ${user}, password-file: ${write(`${user}.password`, user)} }\n`);

/** Two values of each option: all the first ones make a configuration, and all the second ones another. */
const values: Readonly<Record<OptionName, readonly [before: unknown, after: unknown]>> = {
  listen: ['127.0.0.1:0', '127.0.0.2:0'],
  'listen-mode': ['0600', '0660'],
  // The test puts those of its own in their place.
  server: ['127.0.0.1:1', '127.0.0.1:2'],
  'routing-strategy': ['first-available', 'round-robin'],
  'health-check-interval': ['1h', '30m'],
  'health-check-user': ['checker', 'other_checker'],
  'health-check-password-file': [write('check-password', 'secret\n'), write('check-password-2', 'other\n')],
  'allow-socket-server': ['false', 'true'],
  'auth-bridge': ['off', 'sha256'],
  'allow-cleartext': ['false', 'true'],
  'report-plaintext': ['false', 'true'],
  'connection-attributes': ['on', 'off'],
  'reuse-server-connections': ['false', 'true'],
  'reuse-idle-timeout': ['60s', '50s'],
  'reuse-max': ['64', '63'],
  'max-server-connections': ['100', '99'],
  'allow-from': ['127.0.0.0/8', '0.0.0.0/0'],
  'route-max-connections': ['100', '99'],
  'route-connection-rate': ['100/s', '99/s'],
  'route-max-handshakes': ['100', '99'],
  'address-max-connections': ['100', '99'],
  'address-connection-rate': ['100/s', '99/s'],
  'address-max-handshakes': ['100', '99'],
  'idle-timeout': ['1h', '2h'],
  'route-handshake-timeout': ['9s', '8s'],
  'tcp-keep-alive': ['60s', '30s'],
  'proxy-protocol-from': ['192.0.2.0/24', '198.51.100.0/24'],
  'rsa-private-key': [server.keyFile, client.keyFile],
  'connect-timeout': ['5s', '4s'],
  'handshake-timeout': ['9s', '8s'],
  workers: ['1', '2'],
  'drain-delay': ['1s', '2s'],
  'drain-timeout': ['1s', '2s'],
  'max-connections': ['4096', '4095'],
  credentials: [credentialsOf('one'), credentialsOf('two')],
  'reload-on-change': ['on', 'off'],
  'state-directory': [path.join(folder, 'state'), path.join(folder, 'state-2')],
  'admin-listen': ['127.0.0.1:0', '127.0.0.2:0'],
  metrics: ['all', 'aggregates'],
  'connection-metrics-limit': ['1000', '999'],
  'log-level': ['info', 'debug'],
  'log-format': ['json', 'pretty'],
  'client-ssl-mode': ['REQUIRED', 'PREFERRED'],
  'client-ssl-cert': [server.certificateFile, other.server.certificateFile],
  'client-ssl-key': [server.keyFile, other.server.keyFile],
  'client-ssl-ca': [ca.certificateFile, other.ca.certificateFile],
  'client-tls-profile': ['intermediate', 'legacy'],
  'client-tls-version': ['TLSv1.2,TLSv1.3', 'TLSv1.3'],
  'client-ssl-cipher': ['HIGH', 'HIGH:!aNULL'],
  'client-tls-ciphersuites': ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256'],
  'client-plaintext-from': ['10.0.0.0/8', '127.0.0.0/8'],
  'server-ssl-mode': ['VERIFY_IDENTITY', 'VERIFY_CA'],
  'server-ssl-ca': [ca.certificateFile, other.ca.certificateFile],
  'server-ssl-cert': [client.certificateFile, other.client.certificateFile],
  'server-ssl-key': [client.keyFile, other.client.keyFile],
  'server-ssl-key-passphrase-file': [passphraseFile, write('passphrase-2', 'other\n')],
  'server-ssl-crl': [write('crl.pem', makeCrl(ca, [])), write('crl-2.pem', makeCrl(other.ca, []))],
  'server-proxy-protocol': ['off', 'v1'],
  'server-tls-profile': ['intermediate', 'legacy'],
  'server-tls-version': ['TLSv1.2,TLSv1.3', 'TLSv1.3'],
  'server-ssl-cipher': ['HIGH', 'HIGH:!aNULL'],
  'server-tls-ciphersuites': ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256'],
  'server-tls-sni-servername': ['one.example', 'two.example'],
};

/** Looked at by the command line or while the configuration is checked, so that the proxy itself has no use for them. */
const notOfTheProxy: Partial<Record<OptionName, string>> = {
  'allow-socket-server': 'config/check-route.ts judges the servers by it',
  credentials: 'the proxy has the users that were in the file',
  'drain-delay': 'of the command line, which says how to close when it does',
  'drain-timeout': 'of the command line, which says how to close when it does',
  'log-level': 'of the command line, tested in test/cli/reload-on-change.test.ts',
  'reload-on-change': 'of the command line, tested in test/cli/reload-on-change.test.ts',
};

function configOf(which: 0 | 1, serverPort: number): ProxyConfig {
  // Refused together with reuse-server-connections.
  const { 'server-proxy-protocol': proxyProtocol, ...others } = values;
  const flags = Object.fromEntries(Object.entries(others).map(([name, pair]) => [name, pair[which]]));
  const { config } = loadConfig({
    flags: { ...flags, server: `127.0.0.1:${serverPort}` },
    cwd: folder,
  });
  const routes = config.routes.map((route) => ({
    ...route,
    server: { ...route.server, proxyProtocol: proxyProtocol[which] as 'off' | 'v1' },
  }));
  return { ...config, routes };
}

/** `before`, but for what the option is about, which is as in `next`. */
function changed(before: ProxyConfig, next: ProxyConfig, name: string): ProxyConfig {
  const option = options.find((one) => one.name === name) ?? assert.fail(name);
  const key = camelCase(routeKey(option));
  const [route] = before.routes;
  const [nextRoute] = next.routes;
  if (route === undefined || nextRoute === undefined) assert.fail('a configuration without a route');
  const take = <Value extends object>(from: Value, to: Value): Value => {
    const value = Object.entries(to).find(([name]) => name === key)?.[1];
    assert.notDeepEqual(
      value,
      Object.entries(from).find(([name]) => name === key)?.[1],
      `${name} is no other`,
    );
    return { ...from, [key]: value };
  };
  switch (option.scope) {
    case 'process':
      return take(before, next);
    case 'route':
      return { ...before, routes: [take(route, nextRoute)] };
    case 'client':
      return { ...before, routes: [{ ...route, client: take(route.client, nextRoute.client) }] };
    case 'server':
      return { ...before, routes: [{ ...route, server: take(route.server, nextRoute.server) }] };
  }
}

/** A copy that notes what is looked up in it, as `SCOPE KEY`. */
function recorded(config: ProxyConfig): { readonly config: ProxyConfig; readonly seen: Set<string> } {
  const seen = new Set<string>();
  const watch = <Value extends object>(scope: OptionScope, value: Value): Value => {
    const copy: object = {};
    for (const [key, held] of Object.entries(value)) {
      const get = () => {
        seen.add(`${scope} ${key}`);
        return held;
      };
      Object.defineProperty(copy, key, { enumerable: true, get });
    }
    return copy as Value;
  };
  const routes = config.routes.map((route) =>
    watch('route', {
      ...route,
      client: watch('client', route.client),
      server: watch('server', route.server),
    }),
  );
  return { config: watch('process', { ...config, routes }), seen };
}

async function startWith(t: TestContext, config: ProxyConfig): Promise<Service> {
  const service = await startService(config, []);
  t.after(() => service.close());
  return service;
}

async function listening(t: TestContext): Promise<ScriptedServer> {
  const scripted = await ScriptedServer.listen();
  t.after(() => scripted.close());
  return scripted;
}

/** A client and a server of these certificates log in through the proxy, and everything is asked of its admin listener. */
async function useAll(service: Service, scripted: ScriptedServer, certificates: typeof other): Promise<void> {
  const accepted = scripted.connection();
  const port = Number(service.addresses[0]?.address.split(':').at(-1));
  const peer = await ScriptedPeer.connect({ host: '127.0.0.1', port });
  const backend = await accepted;
  try {
    backend.send(0, greeting());
    await peer.packet();
    const flags = CLIENT_FLAGS | FLAGS.ssl | FLAGS.connectAttributes;
    peer.send(1, sslRequest(flags));
    await peer.startTlsAsClient({ cert: certificates.client.certificate, key: certificates.client.key });
    peer.send(2, Buffer.concat([login({ flags, user: 'stranger' }), Buffer.from([4, 1, 0x61, 1, 0x62])]));
    await backend.packet();
    const { certificate: cert, key } = certificates.server;
    await backend.startTlsAsServer(createSecureContext({ cert, key }), true);
    await backend.packet();
    backend.send(3, OK);
    assert.deepEqual((await peer.packet()).payload, OK);
    for (const page of ['metrics', 'metrics/connections', 'state', 'connections', 'plaintext'])
      assert.equal((await fetch(`http://${service.adminAddress}/${page}`)).status, 200, page);
  } finally {
    peer.close();
    backend.close();
  }
}

test('the configuration of before is not looked at any more, and each option of the new one is', async (t) => {
  const [first, second] = [await listening(t), await listening(t)];
  const before = recorded(configOf(0, first.port));
  const next = configOf(1, second.port);
  // What can not change stays as it was.
  const [route] = before.config.routes;
  const [nextRoute] = next.routes;
  if (route === undefined || nextRoute === undefined) assert.fail('a configuration without a route');
  const { stateDirectory, adminListen, metrics, logFormat, workers } = before.config;
  const after = recorded({
    ...next,
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    ...(adminListen === undefined ? {} : { adminListen }),
    metrics,
    logFormat,
    workers,
    // The scripted server knows no PROXY header.
    routes: [
      {
        ...nextRoute,
        listen: route.listen,
        listenMode: route.listenMode,
        server: { ...nextRoute.server, proxyProtocol: 'off' },
      },
    ],
  });
  const service = await startWith(t, before.config);
  await useAll(service, first, { ...other, client, server });
  await service.reload(() => after.config);
  before.seen.clear();
  await useAll(service, second, other);
  assert.deepEqual([...before.seen], []);
  const unused = options
    .filter(({ name, reloadable }) => reloadable && !(name in notOfTheProxy))
    .filter((option) => !after.seen.has(`${option.scope} ${camelCase(routeKey(option))}`));
  assert.deepEqual(
    unused.map(({ name }) => name),
    [],
  );
  assert.ok(after.seen.has('process users'));
});

test('an option that needs a restart is named, and the old configuration stays', async (t) => {
  const scripted = await listening(t);
  const [config, next] = [configOf(0, scripted.port), configOf(1, scripted.port + 1)];
  const service = await startWith(t, config);
  for (const { name, reloadable } of options) {
    const attempt = changed(config, next, name);
    if (reloadable) {
      assert.deepEqual(restartNeeded(config, attempt), [], name);
      continue;
    }
    await assert.rejects(
      service.reload(() => attempt),
      { message: `these options need a restart to change: ${name}` },
      name,
    );
  }
  const [route] = config.routes;
  if (route === undefined) assert.fail('a configuration without a route');
  await assert.rejects(
    service.reload(() => ({ ...config, routes: [route, { ...route, name: 'second' }] })),
    { message: 'these options need a restart to change: routes' },
  );
  await useAll(service, scripted, { ...other, client, server });
});
