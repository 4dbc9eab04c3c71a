/** However many clients come and go, /metrics stays as long as it was, and /metrics/connections has those that are there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { attribute, attributesField } from '../support/packets.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { openRawSession, readPacket, sendQuit } from './raw-session.js';
import { orSkip, stopServer } from './real-server.js';

const VISITS = 12_000;
/** So many begin at once, and the next ones after they have left: at most 200 in a second. */
const CROWD = 10;
const CROWD_MS = 50;

const certificates = makeCertificates(makeTemporaryFolder());
const ca = certificates.ca.certificate;

describe('time series of the scrape', () => {
  let mariadb: RealServer | Unavailable;
  let accounts: readonly Account[];
  let proxy: CliProcess | undefined;
  let port: number;
  let admin: string;
  /** Of the latest full handshake. */
  let session: Buffer | undefined;

  before(async () => {
    const server = await startMariadb();
    mariadb = server;
    if (isUnavailable(server)) return;
    const users = ['ann', 'bob', 'cem', 'dee', 'eva', 'fay', 'gus'];
    accounts = await Promise.all(users.map((user) => createAccount(server, user)));
    proxy = new CliProcess([
      ...['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--log-level', 'info'],
      ...['--server', `${server.host}:${server.port}`, '--server-ssl-mode', 'DISABLED'],
      ...['--client-ssl-cert', certificates.server.certificateFile],
      ...['--client-ssl-key', certificates.server.keyFile],
    ]);
    const ready = await proxy.line('ready');
    admin = `http://${ready['admin']}`;
    const [[address]] = Object.values(ready['routes'] as Record<string, [string]>) as [[string]];
    port = Number(address.split(':').at(-1));
  });

  after(async () => {
    proxy?.signal('SIGTERM');
    await proxy?.ended;
    await stopServer(mariadb);
  });

  /** From another address, as another user and with another program each time. */
  const comers = (visit: number) => ({
    target: { host: '127.0.0.1', port, localAddress: `127.0.0.${1 + (visit % 250)}` },
    account: accounts[visit % accounts.length] as Account,
    attributes: attributesField([attribute('program_name', `program ${visit}`)]),
  });

  const plaintext = async (visit: number): Promise<Socket> => {
    const { target, account, attributes } = comers(visit);
    return openRawSession(target, account, { attributes });
  };

  const tls = async (visit: number): Promise<Socket> => {
    const { target, account } = comers(visit);
    const socket = (await openRawSession(target, account, { ca })) as TLSSocket;
    // Whatever tickets there are came before the answer to the login.
    session = socket.getSession();
    return socket;
  };

  const resumedTls = async (visit: number): Promise<Socket> => {
    const { target, account } = comers(visit);
    const socket = (await openRawSession(target, account, { ca, ...(session && { session }) })) as TLSSocket;
    assert.equal(socket.isSessionReused(), true);
    return socket;
  };

  const wrongPassword = async (visit: number): Promise<void> => {
    const { target } = comers(visit);
    const stranger = { user: `stranger ${visit}`, password: 'wrong' };
    await assert.rejects(openRawSession(target, stranger), /Access denied/);
  };

  const silent = async (visit: number): Promise<Socket> => {
    const socket = connect(comers(visit).target);
    await readPacket(socket);
    return socket;
  };

  /** One of twenty is a full handshake, which costs most. */
  const visitOf = async (visit: number): Promise<void> => {
    const kind = visit % 20;
    if (kind === 0) return leave(await tls(visit));
    if (kind === 1) return leave(await resumedTls(visit));
    if (kind === 2) return wrongPassword(visit);
    if (kind === 3) return leave(await silent(visit), 'without a word');
    return leave(await plaintext(visit));
  };

  const scrape = async (path: string) => (await fetch(`${admin}${path}`)).text();

  const seriesWhenQuiet = async (): Promise<readonly string[]> => {
    for (;;) {
      const text = await scrape('/metrics');
      if (!/^mysql_tls_proxy_connections_active\{.*\} [1-9]/m.test(text)) return seriesIn(text);
      await delay(50);
    }
  };

  test(`${VISITS} connects and disconnects leave their number where it was`, async (t) => {
    if (orSkip(t, mariadb) === undefined) return;
    for (let visit = 0; visit < 5; visit++) await visitOf(visit);
    const earlier = await seriesWhenQuiet();

    for (let first = 5; first < VISITS; first += CROWD) {
      const crowd = Array.from({ length: Math.min(CROWD, VISITS - first) }, (_, other) =>
        visitOf(first + other),
      );
      await Promise.all([delay(CROWD_MS), ...crowd]);
    }
    assert.deepEqual(await seriesWhenQuiet(), earlier);
    assert.match(
      await scrape('/metrics'),
      new RegExp(`^mysql_tls_proxy_connections_total\\{.*\\} ${VISITS}$`, 'm'),
    );
    assert.deepEqual(seriesIn(await scrape('/metrics/connections')), ['mysql_tls_proxy_connections_omitted']);

    const open = [await plaintext(1), await tls(2), await silent(3)];
    const series = seriesIn(await scrape('/metrics/connections'));
    const ids = series.flatMap((one) => /^mysql_tls_proxy_connection_info\{id="(\d+)"/.exec(one)?.[1] ?? []);
    assert.equal(ids.length, open.length);
    // The description, four numbers of bytes, the commands and the time; and how many connections were left out.
    assert.equal(series.length, 7 * open.length + 1);
    for (const socket of open) await leave(socket);
    assert.deepEqual(await seriesWhenQuiet(), earlier);
  });
});

async function leave(
  socket: Socket,
  how: 'with COM_QUIT' | 'without a word' = 'with COM_QUIT',
): Promise<void> {
  if (how === 'with COM_QUIT') sendQuit(socket);
  else socket.end();
  await once(socket.resume(), 'close');
}

/** Names with labels. What Node.js itself is at just then, by kind, comes and goes: `nodejs_active_requests` and others. */
function seriesIn(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => !/^$|^#|^nodejs_active_/.test(line))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))
    .sort();
}
