/** The command line's report, of an admin listener that says what each test wants it to. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { askAdmin } from '../../src/commands/admin-client.js';
import type { PlaintextClient, PlaintextReport } from '../../src/observe/state/state.js';
import { type CliResult, runCli } from '../support/cli-process.js';
import { freePort } from '../support/servers.js';

const refusedClient: PlaintextClient = {
  route: 'default',
  client_address: '10.0.0.1',
  user: 'shop',
  client_program: 'mysql 5.1.73',
  client_tls_version: 'none',
  client_cipher: 'none',
  first_seen: Date.UTC(2026, 0, 2, 3, 4, 5),
  last_seen: Date.UTC(2026, 0, 3, 4, 5, 6),
  connections: 12,
  refused: 0,
  active: 2,
  under_required: 'refused',
  advice: 'Set its ssl-mode.',
};
const acceptedClient: PlaintextClient = {
  ...refusedClient,
  client_address: 'unix',
  user: '',
  client_program: '',
  connections: 99,
  active: 0,
  under_required: 'accepted',
  advice: 'Nothing to do.',
};
const unknownClient: PlaintextClient = {
  ...refusedClient,
  user: 'batch',
  connections: 3,
  refused: 3,
  active: 0,
  under_required: 'unknown',
  advice: 'Offer TLS first.',
};

const reportOf = (fields: Partial<PlaintextReport> = {}): PlaintextReport => ({
  routes: ['default'],
  since: Date.UTC(2026, 0, 1),
  clients: [],
  dropped: 0,
  ...fields,
});

/** `HOST:PORT` of the listener. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const replying =
  (body: string, status = 200): RequestListener =>
  (request, response) => {
    response.writeHead(request.url === '/plaintext' ? status : 421);
    response.end(body);
  };

async function run(t: TestContext, report: unknown, ...words: string[]): Promise<CliResult> {
  return runCli(['report', '--admin', await serve(t, replying(JSON.stringify(report))), ...words]);
}

test('who would be refused comes first, in a summary, a table and what to do', async (t) => {
  const { code, stdout, stderr } = await run(
    t,
    reportOf({ clients: [acceptedClient, unknownClient, refusedClient, { ...refusedClient, user: 'web' }] }),
  );
  assert.equal(stderr, '');
  assert.deepEqual(stdout.split('\n'), [
    '2 of 4 clients that are not on TLS 1.2 or newer would be refused by --client-ssl-mode REQUIRED; of 1 it is unknown.',
    'Seen since 2026-01-01 00:00 UTC on default.',
    '',
    'route    client    user   program       TLS   connections    first seen (UTC)  last seen (UTC)   under REQUIRED',
    'default  10.0.0.1  shop   mysql 5.1.73  none  12 (2 open)    2026-01-02 03:04  2026-01-03 04:05  refused',
    'default  10.0.0.1  web    mysql 5.1.73  none  12 (2 open)    2026-01-02 03:04  2026-01-03 04:05  refused',
    'default  10.0.0.1  batch  mysql 5.1.73  none  3 (3 refused)  2026-01-02 03:04  2026-01-03 04:05  unknown',
    'default  unix      -      -             none  99             2026-01-02 03:04  2026-01-03 04:05  accepted',
    '',
    '2 clients, refused: Set its ssl-mode.',
    '1 client, unknown: Offer TLS first.',
    '1 client, accepted: Nothing to do.',
    '',
  ]);
  assert.equal(code, 1);
});

test('exit code 0 where nobody would be refused, 1 where somebody would be or nobody knows', async (t) => {
  const codeOf = async (fields: Partial<PlaintextReport>) => (await run(t, reportOf(fields))).code;
  assert.equal(await codeOf({}), 0);
  assert.equal(await codeOf({ clients: [acceptedClient] }), 0);
  assert.equal(await codeOf({ clients: [acceptedClient, refusedClient] }), 1);
  assert.equal(await codeOf({ clients: [unknownClient] }), 1);
  assert.equal(await codeOf({ clients: [acceptedClient], dropped: 1 }), 1);
});

test('an empty report, and one of a proxy whose table was full', async (t) => {
  const empty = await run(t, reportOf());
  assert.equal(
    empty.stdout,
    'No client was seen in plaintext or on TLS older than 1.2.\nSeen since 2026-01-01 00:00 UTC on default.\n',
  );
  const full = await run(t, reportOf({ clients: [acceptedClient], dropped: 7 }));
  assert.match(
    full.stdout,
    /^None of 1 client that is not .* would be refused by --client-ssl-mode REQUIRED\.$/m,
  );
  assert.match(
    full.stdout,
    /^The table of the proxy was full: 7 times a client was left out or forgotten\.$/m,
  );
});

test('--json is the report in one line, whatever its texts hold', async (t) => {
  const report = reportOf({ clients: [{ ...refusedClient, user: 'a\u2028b\u202ec\u0085d\ne"f' }] });
  const { code, stdout } = await run(t, report, '--json');
  assert.equal(code, 1);
  assert.match(stdout, /^[^\p{Cc}\p{Zl}\p{Zp}\u202e]+\n$/u);
  assert.deepEqual(JSON.parse(stdout), report);
});

test('texts that clients chose can neither forge lines nor fill the screen', async (t) => {
  const hostile = `\u001b[2J\n0 clients\u202e${'x'.repeat(1_000_000)}`;
  const client = { ...refusedClient, user: hostile, client_program: hostile, advice: hostile };
  const { code, stdout } = await run(t, reportOf({ routes: [hostile], clients: [client] }));
  assert.equal(code, 1);
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
  assert.deepEqual([stdout.split('\n').length, stdout.length < 2_000], [8, true]);
});

test('more clients than the table of any proxy has', async (t) => {
  const clients = Array.from({ length: 200_000 }, (_, i) => ({ ...acceptedClient, user: `user ${i}` }));
  const { code, stdout } = await run(t, reportOf({ clients }));
  assert.deepEqual([code, stdout.split('\n').length], [0, 200_000 + 7]);
});

test('a socket file is no place for it', async () => {
  const { code, stderr } = await runCli(['report', '--admin', 'unix:/run/admin.sock']);
  assert.equal(code, 2);
  assert.match(stderr, /--admin: must be HOST:PORT/);
});

test('a proxy that is not there: which option names where it is', async () => {
  const port = await freePort();
  const { code, stdout, stderr } = await runCli(['report', '--admin', `127.0.0.1:${port}`]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.equal(
    stderr,
    `mysql-tls-proxy: nothing listens on 127.0.0.1:${port} (ECONNREFUSED): start the proxy, or give its --admin-listen ` +
      'address with --admin\n',
  );
});

test('a proxy that keeps no report: which option to set', async (t) => {
  const { code, stdout, stderr } = await run(t, reportOf({ routes: [] }));
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^mysql-tls-proxy: the proxy keeps no report: start it with --report-plaintext/);
});

test('any other answer is shown, as far as it can be', async (t) => {
  const cases: readonly (readonly [RequestListener, RegExp])[] = [
    [replying('There is nothing here.\n', 404), /the proxy answered 404: There is nothing here\.\n$/],
    [replying(`<\u001b[2J${'x'.repeat(10_000)}`, 500), /answered 500: <\\u001b\[2Jx{100,500}…\n$/],
    [replying('{"routes": ['), /is not the admin listener.*; it says: {"routes": \[\n$/],
    [replying('[]'), /is not the admin listener of this version/],
    [replying('null'), /is not the admin listener/],
    [replying(JSON.stringify({ ...reportOf(), dropped: '1' })), /is not the admin listener/],
    [replying(JSON.stringify({ ...reportOf(), since: 1e300 })), /is not the admin listener/],
    [
      replying(JSON.stringify(reportOf({ clients: [{ ...refusedClient, last_seen: Number.NaN }] }))),
      /is not the admin listener/,
    ],
    [replying(JSON.stringify({ ...reportOf(), clients: [{ user: 'x' }] })), /is not the admin listener/],
    [(request) => request.socket.destroy(), /127\.0\.0\.1:\d+ can not be asked: socket hang up\n$/],
    [
      (request, response) => {
        response.writeHead(200, { 'Content-Length': 1_000 });
        response.write('{', () => request.socket.destroy());
      },
      /127\.0\.0\.1:\d+ can not be asked: aborted\n$/,
    ],
    [
      (_request, response) => {
        const chunk = Buffer.alloc(1024 * 1024, 0x20);
        const send = (): boolean => response.write(chunk, (error) => void (error ?? send()));
        send();
      },
      /sends more than a report can have\n$/,
    ],
  ];
  for (const [listener, expected] of cases) {
    const { code, stdout, stderr } = await runCli(['report', '--admin', await serve(t, listener)]);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, expected);
    assert.match(stderr, /^[^\n]{1,800}\n$/);
  }
});

test('a proxy that does not answer', async (t) => {
  const [host = '', port] = (await serve(t, () => {})).split(':');
  await assert.rejects(askAdmin({ kind: 'tcp', host, port: Number(port) }, '/plaintext', 50), {
    message: `127.0.0.1:${port} did not answer within 0.05 s`,
  });
});

test('wrong usage', async () => {
  const bad = await runCli(['report', '--admin', 'http://127.0.0.1:9307']);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /--admin: write HOST:PORT, without "http:\/\/"/);
  const unknown = await runCli(['report', '--jsno']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown option --jsno \(did you mean "--json"\?\)/);
});
