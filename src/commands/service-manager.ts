/** Tells systemd how far the service is (sd_notify), where the unit asks for that with Type=notify. */
import { spawn } from 'node:child_process';
import type { Logger } from '../observe/log.js';

/** Nothing here waits, and nothing here fails the proxy. */
export interface ServiceManager {
  /** Clients can connect. Also ends a reload. `status` is what `systemctl status` shows. */
  ready(status: string): void;
  reloading(): void;
  stopping(status: string): void;
}

export interface ServiceManagerOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** This process takes the place of the one that systemd knows. */
  readonly isSuccessor?: boolean;
}

export function connectServiceManager(
  logger: Pick<Logger, 'warn'>,
  { env = process.env, isSuccessor = false }: ServiceManagerOptions = {},
): ServiceManager {
  const notify = env['NOTIFY_SOCKET'] ? notifier(logger, env) : () => undefined;
  return {
    ready: (status) =>
      notify('READY=1', ...(isSuccessor ? [`MAINPID=${process.pid}`] : []), `STATUS=${status}`),
    // systemd compares the time with that of its own request, to know which reload this is.
    reloading: () => notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: (status) => notify('STOPPING=1', `STATUS=${status}`),
  };
}

/**
 * Node.js has no datagram sockets of Unix, so systemd's own program sends. It costs a process for each message, which are few. One
 * after the other: a RELOADING=1 that came late would leave the service reloading for ever.
 */
function notifier(logger: Pick<Logger, 'warn'>, env: NodeJS.ProcessEnv): (...assignments: string[]) => void {
  let last = Promise.resolve();
  let hasFailed = false;
  return (...assignments) => {
    last = last.then(async () => {
      const cause = await send(assignments, env);
      if (cause === undefined || hasFailed) return;
      hasFailed = true;
      logger.warn(
        { cause },
        'systemd could not be told that the service is ready, and ends it after TimeoutStartSec: install systemd-notify, which ' +
          'belongs to systemd, or write Type=exec into the unit',
      );
    });
  };
}

/** The program waits until systemd has read the message, by itself at most 5 s. */
const PATIENCE_MS = 10_000;

/** Why it could not be sent; undefined when it was. What the program has to say goes to our standard error. */
function send(assignments: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    const sender = spawn('systemd-notify', assignments, {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
      // Not `timeout`, which would keep a proxy that has stopped alive.
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    sender.on('error', ({ message }) => resolve(message));
    sender.on('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `systemd-notify ended with ${signal ?? `exit code ${code}`}`),
    );
    sender.unref();
  });
}
