/** What clients with bad intentions, bad manners or limited accounts can do with kept connections of a real server. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2/promise';
import { cachingSha2Scramble } from '../support/auth-answers.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { mariadbCli } from '../support/clients.js';
import { CLIENT_FLAGS, FLAGS, login, readErr } from '../support/packets.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RecordingRelay, startRecordingRelay } from '../support/recording-relay.js';
import { phpMysqli, pyMysql } from '../support/script-clients.js';
import { frame, ScriptedPeer } from '../support/scripted-peer.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { type Account, createAccount, warmUp } from './accounts.js';
import { orSkip, overTls, stopServer } from './real-server.js';
import { type ReusingProxy, startReusingProxy } from './reuse-setup.js';

const certificates = makeCertificates(makeTemporaryFolder());
const QUIT = frame(0, '\x01');
const LOCAL_FILES = 0x80;
const PLUGIN = 'caching_sha2_password';

describe('kept connections of a real server, in bad company', () => {
  let server: RealServer | Unavailable;
  let proxy: ReusingProxy | undefined;
  let account: Account;
  /** Without any privilege. */
  let stranger: Account;
  before(async () => {
    server = await startMysql9({
      tls: certificates.serverTls,
      extraArgs: ['--max-connections=8', '--local-infile=1'],
    });
    if (isUnavailable(server)) return;
    account = await createAccount(server, 'app');
    stranger = await createAccount(server, 'stranger', { grant: 'USAGE ON *.*' });
    await server.sql(`CREATE DATABASE shop; CREATE TABLE shop.item (a VARCHAR(99)); CREATE USER open_door;
      CREATE ROLE clerk; GRANT SELECT ON shop.* TO clerk; GRANT clerk TO stranger; SET DEFAULT ROLE clerk TO stranger;
      CREATE USER few IDENTIFIED BY '${account.password}' WITH MAX_USER_CONNECTIONS 1;
      SET GLOBAL interactive_timeout = 777`);
    proxy = await startReusingProxy(overTls(server, certificates));
    await proxy.warmUp(account);
  });
  after(async () => {
    await proxy?.close();
    await stopServer(server);
  });

  test('a user without privileges does not see what another one had traced', async (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    for (const own of [
      'optimizer_trace_offset = 0, optimizer_trace_limit = 9',
      'optimizer_trace_limit = 1',
    ]) {
      await proxy.visit(account, async (connection) => {
        await connection.query(`SET ${own}, optimizer_trace = 'enabled=on'`);
        await connection.query("SELECT 'a secret' FROM shop.item");
        await connection.query("SET optimizer_trace = 'enabled=off'");
        const [traced] = await connection.query('SELECT * FROM information_schema.OPTIMIZER_TRACE');
        assert.equal((traced as unknown[]).length, 1);
      });
      await proxy.whenKept(1);
      assert.deepEqual(await seenBy(stranger, 'SELECT * FROM information_schema.OPTIMIZER_TRACE'), []);
      assert.equal(proxy.latest().serverConnection, 'reused');
      await proxy.whenKept(1);
    }
  });

  test('an account with MAX_USER_CONNECTIONS can log in each time, and so with a limit for all', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined || proxy === undefined) return;
    const few = { user: 'few', password: account.password };
    const useFew = async (one: Account): Promise<void> => {
      for (let visit = 0; visit < 4; visit++) {
        await seenBy(one, 'DO 0');
        while ((await usersOf(real)).includes(one.user)) await delay(5);
      }
      assert.equal(proxy?.ended.at(-1), 'user_limited');
    };
    await useFew(few);
    await real.sql('SET GLOBAL max_user_connections = 1');
    t.after(async () => void (await real.sql('SET GLOBAL max_user_connections = 0')));
    await useFew(account);
  });

  test('a server that is full of kept connections refuses one client, and they end', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined || proxy === undefined) return;
    const many = await Promise.all(Array.from({ length: 8 }, () => bareLogin({ user: 'open_door' })));
    for (const peer of many) peer.sendRaw(QUIT);
    await proxy.whenKept(8);
    // Nothing is kept for this address, and the last place of the server is for administrators.
    const port = proxy.port;
    const elsewhere = () =>
      seenBy(stranger, 'DO 0', { stream: connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }) });
    await assert.rejects(elsewhere(), { errno: 1040 });
    assert.equal(proxy.ended.filter((reason) => reason === 'server_full').length, 8);
    while ((await usersOf(real)).includes('open_door')) await delay(5);
    await elsewhere();
    assert.equal(proxy.latest().serverConnection, 'fresh');
    await proxy.whenKept(1);
  });

  test('what flags and accounts ask for is the same as on a new connection', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined || proxy === undefined) return;
    const flags = ['INTERACTIVE', 'IGNORE_SPACE'];
    await seenBy(account, 'DO 0');
    while (proxy.proxy.connections() > 0) await delay(5);
    await delay(50);
    const look =
      "SELECT @@wait_timeout AS wait, @@sql_mode LIKE '%IGNORE_SPACE%' AS space, CURRENT_ROLE() AS role";
    for (const one of [account, stranger, stranger]) {
      await seenBy(one, 'DO 0', { flags });
      while (proxy.proxy.connections() > 0) await delay(5);
    }
    const role = '`clerk`@`%`';
    assert.deepEqual(await seenBy(stranger, look, { flags }), [{ wait: 777, space: 1, role }]);
    assert.equal(proxy.latest().serverConnection, 'reused');
    await assert.rejects(seenBy(stranger, 'DO 0', { flags, database: 'nowhere' }), { errno: 1044 });
  });

  test('accounts without a password, by clients of all kinds', async (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    const job = { host: '127.0.0.1', port: proxy.port, tls: 'off', user: 'open_door', password: '' } as const;
    for (const run of [phpMysqli, pyMysql]) {
      for (let visit = 0; visit < 2; visit++) {
        const result = orSkip(t, await run({ ...job, steps: [{ query: 'SELECT CURRENT_USER()' }] }));
        if (result === undefined) return;
        assert.deepEqual(result, { results: [{ rows: [['open_door@%']] }] });
        while (proxy.proxy.connections() > 0) await delay(5);
      }
      assert.equal(proxy.latest().serverConnection, 'reused');
      await assert.rejects(seenBy({ user: 'open_door', password: 'x' }, 'DO 0'), { errno: 1045 });
    }
    for (const one of [account, { user: 'open_door' }, account]) {
      const result = orSkip(t, await mariadbCli({ ...job, ...one }, 'SELECT CURRENT_USER()'));
      if (result === undefined) return;
      assert.match(result.stdout, new RegExp(`${one.user}@%`));
      while (proxy.proxy.connections() > 0) await delay(5);
    }
    assert.equal(proxy.latest().serverConnection, 'reused');
  });

  test('a login that was recorded on the plaintext client leg lets nobody in', async (t) => {
    const real = orSkip(t, server);
    if (real === undefined || proxy === undefined) return;
    await warmUp(real, account, certificates);
    const relay = await startRecordingRelay({ host: '127.0.0.1', port: proxy.port });
    t.after(() => relay.close());
    const turns = await recordReusedLogin(relay);
    const kept = await proxy.kept();
    assert.ok(kept > 0);
    const established = proxy.established.length;
    for (const pipelined of [false, true]) {
      const thief = await ScriptedPeer.connect({ host: '127.0.0.1', port: proxy.port });
      await thief.packet();
      for (const turn of turns) {
        thief.sendRaw(turn);
        if (!pipelined) assert.notEqual((await thief.packet()).payload[0], 0);
      }
      await delay(100);
      thief.close();
      while (proxy.proxy.connections() > 0) await delay(5);
      await bareVisit();
    }
    // Those of `bareVisit`.
    assert.equal(proxy.established.length, established + 2);
  });

  test('a client that vanishes in the middle of its login, at each byte of it', async (t) => {
    if (orSkip(t, server) === undefined || proxy === undefined) return;
    for (let visit = 0; visit < 2; visit++) await bareVisit();
    const { serverThreadId } = proxy.latest();
    const whole = frame(1, login({ user: account.user, plugin: PLUGIN, auth: Buffer.alloc(32, 7) }));
    for (let length = 0; length < whole.length; length++) {
      const peer = await ScriptedPeer.connect({ host: '127.0.0.1', port: proxy.port });
      await peer.packet();
      peer.sendRaw(whole.subarray(0, length));
      await delay(1);
      if (length % 2 === 0) peer.reset();
      else peer.finish();
      while (proxy.proxy.connections() > 0) await delay(1);
      peer.close();
    }
    await bareVisit();
    assert.deepEqual(
      [proxy.latest().serverConnection, proxy.latest().serverThreadId],
      ['reused', serverThreadId],
    );
  });

  const query = frame(0, '\x03SELECT 1');
  const ends: Readonly<Record<string, readonly [kept: boolean, ...pieces: Buffer[]]>> = {
    'in five pieces': [true, ...Array.from(QUIT, (byte) => Buffer.from([byte]))],
    'with another command behind it': [
      true,
      Buffer.concat([QUIT, frame(0, '\x03CREATE TABLE shop.evil (a INT)')]),
    ],
    'behind a statement that is closed': [true, Buffer.concat([frame(0, '\x19\x01\0\0\0'), QUIT])],
    'behind a query, in one segment': [false, Buffer.concat([query, QUIT])],
    'in the middle of a query': [false, query.subarray(0, 6), QUIT],
    'that has a second byte': [false, frame(0, '\x01\0')],
    'that is not the first packet of a command': [false, frame(1, '\x01')],
  };
  for (const [name, [isKept, ...pieces]] of Object.entries(ends)) {
    test(`a COM_QUIT ${name}: ${isKept ? '' : 'not '}kept`, async (t) => {
      const real = orSkip(t, server);
      if (real === undefined || proxy === undefined) return;
      const peer = await bareLogin();
      const { serverThreadId } = proxy.latest();
      for (const piece of pieces) {
        peer.sendRaw(piece);
        await delay(10);
      }
      peer.finish();
      while (proxy.proxy.connections() > 0) await delay(5);
      await delay(50);
      await bareVisit();
      assert.equal(proxy.latest().serverThreadId === serverThreadId, isKept);
      assert.deepEqual(await real.sql("SHOW TABLES FROM shop LIKE 'evil'"), []);
    });
  }

  const rows = Array.from({ length: 254 }, (_, n) => frame(n + 2, `row\n`));
  const uploads: Readonly<Record<string, readonly [kept: boolean, count: number, ...pieces: Buffer[]]>> = {
    'before the first piece': [false, 0, QUIT],
    'after a piece': [false, 0, frame(2, 'row\n'), QUIT],
    // What looks like a COM_QUIT is a piece of the file: sequence ids have come round to 0.
    'that is one of the pieces': [true, 255, ...rows, QUIT, frame(1, ''), QUIT],
  };
  for (const [name, [isKept, count, ...pieces]] of Object.entries(uploads)) {
    test(`a COM_QUIT in the middle of LOAD DATA LOCAL, ${name}`, async (t) => {
      const real = orSkip(t, server);
      if (real === undefined || proxy === undefined) return;
      await real.sql('TRUNCATE shop.item');
      const peer = await bareLogin(account, LOCAL_FILES);
      const { serverThreadId } = proxy.latest();
      peer.send(0, "\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE shop.item");
      assert.equal((await peer.packet()).payload[0], 0xfb);
      for (const [index, piece] of pieces.entries()) {
        // The file is answered before its client leaves.
        if (isKept && index === pieces.length - 1) await peer.packet();
        peer.sendRaw(piece);
      }
      await delay(50);
      peer.close();
      while (proxy.proxy.connections() > 0) await delay(5);
      await delay(50);
      const next = await bareLogin(stranger, LOCAL_FILES);
      assert.equal(proxy.latest().serverThreadId === serverThreadId, isKept);
      next.sendRaw(QUIT);
      await next.ended();
      assert.equal((await real.sql('SELECT * FROM shop.item')).length, count);
    });
  }

  async function seenBy(one: Account, sql: string, options: ConnectionOptions = {}): Promise<unknown> {
    return proxy?.visit(one, async (connection) => (await connection.query(sql))[0], options);
  }

  /** A session of a client that says what the test wants. The server's cache knows the password. */
  async function bareLogin(
    { user, password = '' }: { user: string; password?: string } = account,
    flags = 0,
    port = proxy?.port ?? 0,
  ): Promise<ScriptedPeer> {
    if (password !== '' && !isUnavailable(server)) await warmUp(server, { user, password }, certificates);
    const peer = await ScriptedPeer.connect({ host: '127.0.0.1', port });
    const { payload: greeting } = await peer.packet();
    const head = greeting.indexOf(0) + 1;
    const answer = (nonce: Buffer): Buffer =>
      password === '' ? Buffer.alloc(0) : cachingSha2Scramble(password, nonce);
    const nonce = Buffer.concat([
      greeting.subarray(head + 4, head + 12),
      greeting.subarray(head + 31, head + 43),
    ]);
    const capabilities = (CLIENT_FLAGS | flags) & ~(FLAGS.connectWithDb ?? 0);
    peer.send(1, login({ flags: capabilities, user, plugin: PLUGIN, auth: answer(nonce), schema: '' }));
    for (;;) {
      const { sequenceId, payload } = await peer.packet();
      if (payload[0] === 0) return peer;
      if (payload[0] === 0xff) throw new Error(readErr(payload).text);
      if (payload[0] === 0xfe) peer.send(sequenceId + 1, answer(payload.subarray(-21, -1)));
    }
  }

  async function bareVisit(port?: number): Promise<void> {
    const peer = await bareLogin(account, 0, port);
    peer.sendRaw(QUIT);
    await peer.ended();
    peer.close();
    while ((proxy?.proxy.connections() ?? 0) > 0) await delay(5);
    await delay(50);
  }

  /** What the client said. */
  async function recordReusedLogin(relay: RecordingRelay): Promise<Buffer[]> {
    for (let visit = 0; visit < 2; visit++) {
      relay.takeTurns();
      await bareVisit(relay.port);
    }
    assert.equal(proxy?.latest().serverConnection, 'reused');
    const turns = relay.takeTurns().filter(({ from }) => from === 'client');
    return turns.map(({ bytes }) => bytes);
  }
});

async function usersOf(server: RealServer): Promise<unknown[]> {
  const rows = await server.sql('SELECT USER AS user FROM information_schema.PROCESSLIST');
  return rows.map(({ user }) => user);
}
