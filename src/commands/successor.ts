/**
 * A new process takes the place of this one: the same command line, perhaps of another version by now, listening on the same sockets,
 * so that no connection is refused in between.
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { ListeningSockets } from '../listening-socket.js';

/** Names of the sockets that a successor inherits, as JSON; gone from the environment as soon as they were read. */
const VARIABLE = 'LISTENING_SOCKETS_OF_PREDECESSOR';

/** Behind standard input, output, error, and the channel over which the successor says that it is ready. */
const FIRST_FD = 4;

const READY = 'ready';

/** Resolves when the successor accepts connections. Rejects with an Error when it has ended instead; its own output says why. */
export function startSuccessor(sockets: ListeningSockets): Promise<{ readonly pid: number }> {
  const missing = [...sockets].find(([, fd]) => fd < 0);
  if (missing !== undefined)
    return Promise.reject(new Error('this system can not hand sockets to another process'));
  // A container ends with its first process.
  if (process.pid === 1)
    return Promise.reject(new Error('the first process of a container can not be replaced; start a new one'));
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...sockets.values()],
    env: { ...process.env, [VARIABLE]: JSON.stringify([...sockets.keys()]) },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the new process ended before it was ready (${signal ?? `exit code ${code}`})`)),
    );
    child.on('message', (message) => {
      if (message !== READY) return;
      // It lives on without this process, and this one ends without waiting for it.
      child.disconnect();
      child.unref();
      resolve({ pid: child.pid ?? 0 });
    });
  });
}

/** Those that this process was started with; none where it takes nobody's place. To be called once, before other processes are started. */
export function inheritedSockets(env: NodeJS.ProcessEnv = process.env): ListeningSockets {
  const names = JSON.parse(env[VARIABLE] ?? '[]') as string[];
  delete env[VARIABLE];
  return new Map(names.map((name, index) => [name, FIRST_FD + index]));
}

/** This process accepts connections. `used`: the sockets that it listens on; others that it inherited are closed. */
export function takeOver(inherited: ListeningSockets, used: ListeningSockets): void {
  for (const [name, fd] of inherited) if (!used.has(name)) closeSync(fd);
  process.send?.(READY, () => process.disconnect());
}
