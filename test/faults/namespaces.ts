/** Network and mount namespaces for one program, which see nothing of the machine but what a test gives them. */
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { run } from '../support/run.js';

/** Of a network made for tests (RFC 5737), and not the first of those, which some machines use. */
export const machineSide = '198.51.100.1';
export const namespaceSide = '198.51.100.2';

export interface Link {
  /** Stands before a command that is to run in the namespace. */
  readonly runBy: readonly string[];
  /** Without it nothing passes, and neither end is told. */
  setUp(up: boolean): Promise<void>;
  /** What `tc qdisc` takes behind `root`; false where the kernel does not know it. */
  shape(...discipline: readonly string[]): Promise<boolean>;
  clearShape(): Promise<void>;
}

/** Undefined after having marked the test as skipped. Ends with the test. */
export async function linkedNamespace(t: TestContext): Promise<Link | undefined> {
  if (process.getuid?.() !== 0) return skipped(t, 'network namespaces need root');
  if (!['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'].some(existsSync))
    return skipped(t, 'there is no ip (iproute2)');
  const name = `mtp-${process.pid}`;
  const [near, far] = [`mtpa${process.pid}`.slice(0, 15), `mtpb${process.pid}`.slice(0, 15)];
  const inside = ['ip', 'netns', 'exec', name];
  t.after(async () => {
    await run('ip', ['link', 'delete', near]);
    await run('ip', ['netns', 'delete', name]);
  });
  const steps = [
    ['ip', 'netns', 'add', name],
    ['ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name],
    ['ip', 'address', 'add', `${machineSide}/30`, 'dev', near],
    ['ip', 'link', 'set', near, 'up'],
    [...inside, 'ip', 'address', 'add', `${namespaceSide}/30`, 'dev', far],
    [...inside, 'ip', 'link', 'set', far, 'up'],
    [...inside, 'ip', 'link', 'set', 'lo', 'up'],
  ];
  for (const [file = '', ...args] of steps) {
    const { code, stderr } = await run(file, args);
    if (code !== 0) return skipped(t, `no network namespace can be made here: ${stderr.trim()}`);
  }
  return {
    runBy: inside,
    setUp: async (up) => void (await must(['ip', 'link', 'set', near, up ? 'up' : 'down'])),
    shape: async (...discipline) =>
      (await run('tc', ['qdisc', 'replace', 'dev', near, 'root', ...discipline])).code === 0,
    clearShape: async () => void (await run('tc', ['qdisc', 'delete', 'dev', near, 'root'])),
  };
}

/** Stands before a command: it sees `hostsFile` in the place of /etc/hosts. Undefined after having marked the test as skipped. */
export async function withHostsFile(
  t: TestContext,
  hostsFile: string,
): Promise<readonly string[] | undefined> {
  if (process.getuid?.() !== 0) return skipped(t, 'a mount namespace needs root');
  const runBy = [
    ...['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c'],
    ...[`mount --bind '${hostsFile}' /etc/hosts && exec "$@"`, 'sh'],
  ];
  const [file = '', ...args] = [...runBy, 'true'];
  const { code, stderr } = await run(file, args);
  return code === 0 ? runBy : skipped(t, `no mount namespace can be made here: ${stderr.trim()}`);
}

async function must([file = '', ...args]: readonly string[]): Promise<void> {
  const { code, stderr } = await run(file, args);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`);
}

function skipped(t: TestContext, reason: string): undefined {
  t.skip(reason);
  return undefined;
}
