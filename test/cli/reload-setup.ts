/** A running program with a configuration file of its own folder, and what its reloads come to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Contents, writeInPlace } from '../support/changing-files.js';
import { CliProcess, type LogLine } from '../support/cli-process.js';
import { greeting, login, NONCE, OK, readErr, sslRequest } from '../support/packets.js';
import { nativeAnswer } from '../support/passwords.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';

export const RELOADED = 'configuration reloaded';
export const FAILED = 'reload failed, the old configuration stays in use';

export interface Running {
  readonly cli: CliProcess;
  readonly folder: string;
  readonly server: ScriptedServer;
  file(name: string): string;
  /** Resolves with the line of the next reload, whether it succeeds or fails, that `change` brings about. */
  reloadAfter(change: () => void): Promise<LogLine>;
  /** Lines of all reloads so far. */
  reloads(): readonly LogLine[];
  /** As the metrics have them. */
  counts(): Promise<{ success: number; failure: number }>;
  metrics(page?: string): Promise<string>;
  readonly port: number;
  connect(): Promise<{ client: ScriptedPeer; peer: ScriptedPeer }>;
  /** Common name of the certificate that a client is shown now. */
  certificateSeen(): Promise<string>;
  /** How the proxy answers a login as `app` in plaintext: 0 for the server's OK, or an error number. */
  logIn(password: string): Promise<number>;
}

/** `config` is the text of proxy.yaml, without listeners and server. */
export async function run(
  t: TestContext,
  config: string,
  contents: Contents = {},
  flags: readonly string[] = [],
): Promise<Running> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cli-reload-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const server = await ScriptedServer.listen();
  t.after(() => server.close());
  writeInPlace(folder, { 'proxy.yaml': config, ...contents });
  const file = (name: string) => path.join(folder, name);
  const fixed = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--log-format', 'json'];
  const to = ['--server', `127.0.0.1:${server.port}`];
  const cli = new CliProcess(['--config', file('proxy.yaml'), ...fixed, ...to, ...flags]);
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  const { listen, admin } = await cli.line('ready');
  const port = Number(String((listen as string[])[0]).split(':')[1]);
  const metrics = async (page = '/metrics') => (await fetch(`http://${admin}${page}`)).text();

  const connect = async () => {
    const accepted = server.connection();
    const client = await ScriptedPeer.connect({ host: '127.0.0.1', port });
    const peer = await accepted;
    peer.send(0, greeting());
    await client.packet();
    return { client, peer };
  };

  return {
    cli,
    folder,
    server,
    port,
    file,
    connect,
    metrics,
    reloadAfter: (change) => {
      const from = cli.lines.length;
      change();
      return cli.line([RELOADED, FAILED], from);
    },
    reloads: () => cli.lines.filter(({ msg }) => msg === RELOADED || msg === FAILED),
    counts: async () => {
      const text = await metrics();
      const count = (result: string) =>
        Number(
          new RegExp(`^mysql_tls_proxy_tls_reloads_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(
            text,
          )?.[1],
        );
      return { success: count('success'), failure: count('failure') };
    },
    certificateSeen: async () => {
      const { client, peer } = await connect();
      client.send(1, sslRequest());
      const secured = await client.startTlsAsClient();
      const name = secured.getPeerCertificate().subject.CN;
      client.close();
      peer.close();
      return String(name);
    },
    logIn: async (password) => {
      const { client, peer } = await connect();
      try {
        client.send(1, login({ user: 'app', auth: nativeAnswer(password, NONCE) }));
        const answered = client.packet();
        // The server is asked only if the proxy has let the client in; else it gets a login that it is to refuse.
        const { payload } = await peer.packet();
        if (payload.includes('stored_user')) peer.send(2, OK);
        const answer = (await answered).payload;
        return answer[0] === 0 ? 0 : readErr(answer).errno;
      } finally {
        client.close();
        peer.close();
      }
    },
  };
}
