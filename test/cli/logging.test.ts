/** What the running program writes to standard output. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { CliProcess, type LogLine } from '../support/cli-process.js';
import { greeting, login, OK } from '../support/packets.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';
import { freePort } from '../support/servers.js';

async function start(t: TestContext, serverPort: number): Promise<{ cli: CliProcess; port: number }> {
  const cli = new CliProcess([
    ...['--admin-listen', 'off', '--log-format', 'json', '--listen', '127.0.0.1:0'],
    ...['--server', `127.0.0.1:${serverPort}`, '--server-ssl-mode', 'disabled'],
  ]);
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  const { listen } = await cli.line('ready');
  const [address = ''] = listen as string[];
  return { cli, port: Number(address.split(':')[1]) };
}

const levelAndMessage = ({ level, msg }: LogLine) => [level, msg];

test('repeats are counted, and the count is not lost when the proxy is stopped', async (t) => {
  const { cli, port } = await start(t, await freePort());
  for (let i = 0; i < 8; i += 1) {
    const client = net.connect(port, '127.0.0.1');
    client.resume();
    await once(client, 'close');
  }
  cli.signal('SIGTERM');
  assert.equal((await cli.ended).code, 0);
  const about = (code: string) => cli.lines.filter((line) => line['code'] === code);
  const failures = about('server_port_closed');
  assert.equal(failures.length, 6);
  assert.deepEqual(
    [failures[5]?.['suppressed'], failures[5]?.['client'], failures[5]?.['route']],
    [3, '127.0.0.1', 'default'],
  );
  assert.match(String(failures[5]?.msg), /^server_port_closed: 3 more like this in the last \d+ s$/);
  assert.equal(cli.lines.filter(({ msg }) => msg === 'connection closed').length, 8);
});

test('a health check leaves no line, a login one', async (t) => {
  const server = await ScriptedServer.listen();
  t.after(() => server.close());
  const { cli, port } = await start(t, server.port);
  const check = net.connect(port, '127.0.0.1');
  await once(check, 'connect');
  check.destroy();
  // The proxy leaves the server in good order, which it can do when that has greeted.
  const abandoned = await server.connection();
  abandoned.send(0, greeting());
  await abandoned.packet();
  abandoned.close();

  const accepted = server.connection();
  const client = await ScriptedPeer.connect({ host: '127.0.0.1', port });
  const peer = await accepted;
  peer.send(0, greeting());
  await client.packet();
  client.send(1, login({ user: 'shop' }));
  await peer.packet();
  peer.send(2, OK);
  await client.packet();
  client.close();
  await peer.ended();
  peer.close();
  const closed = await cli.line('connection closed');
  assert.deepEqual(
    [closed['user'], closed['clientPlugin'], closed['authentication'], closed['commands'], closed['reason']],
    ['shop', 'mysql_native_password', 'relayed', 0, 'client_closed'],
  );
  cli.signal('SIGTERM');
  await cli.ended;
  assert.deepEqual(cli.lines.map(levelAndMessage), [
    ['info', 'ready'],
    ['info', 'connection closed'],
    ['info', 'stopping'],
    ['info', 'stopped'],
  ]);
});
