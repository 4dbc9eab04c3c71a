/**
 * A worker process: serves the connections that the main process hands over. It opens no listener, writes no log and decides
 * nothing that concerns all workers.
 */
import { growYoungGenerationWithChurn } from '../young-generation.js';
import './ignore-signals.js';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { type RsaKeySource, rsaKeyFromPem } from '../auth/rsa-key.js';
import { messageOf } from '../errors.js';
import { CommandStatistics } from '../observe/command-statistics.js';
import type { Observer } from '../observe/events.js';
import { combineObservers } from '../observe/observers.js';
import { createProxyCore, type ProxyCore } from '../proxy/core.js';
import { EventSender } from './event-messages.js';
import { type FromWorker, type Report, receiveConfig, type ToWorker } from './messages.js';
import { Outbox } from './outbox.js';
import { RemoteDoor } from './remote-door.js';

const send = (message: FromWorker): void => {
  // The main process is gone: the listener of `disconnect` ends this one.
  if (process.connected) process.send?.(message);
};
const outbox = new Outbox(send);
const doors = new Map<number, RemoteDoor>();
const events = new EventSender((event) => outbox.add({ kind: 'event', event }));
const statistics = new Map<string, CommandStatistics>();
const commandCounter: Observer = {
  commandSent: ({ route }, command) => statistics.get(route)?.sent(command),
  commandAnswered: ({ route }, command, seconds) => statistics.get(route)?.answered(command, seconds),
};

let core: ProxyCore | undefined;
let drainTimeout = 0;
let usePrepared: (() => void) | undefined;

process.on('message', (message: ToWorker, socket: Socket | undefined) => {
  switch (message.kind) {
    case 'start':
      return void start(message);
    case 'connection':
      return void serve(message, socket);
    case 'verdict':
      return doors.get(message.id)?.decide(message.verdict);
    case 'hurry':
      return doors.get(message.id)?.hurry();
    case 'refuse':
      return doors.get(message.id)?.refuse();
    case 'prepare':
      return void prepare(message);
    case 'use':
      return usePrepared?.();
    case 'report':
      outbox.flush();
      return send({ kind: 'report', request: message.request, report: report() });
    case 'end':
      return void end(message.timeoutMs);
  }
});

/** Whatever became of the main process, the sessions are not to blame. */
process.on('disconnect', () => void end(drainTimeout));

async function start({
  config: sent,
  rsaKey,
  ticketSecret,
}: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
  try {
    const config = receiveConfig(sent);
    drainTimeout = config.drainTimeout;
    for (const { name } of config.routes) statistics.set(name, new CommandStatistics());
    const observers = [events.observer, growYoungGenerationWithChurn()];
    if (config.metrics !== 'none') observers.push(commandCounter);
    core = await createProxyCore(
      config,
      { ownKey: rsaKeySource(rsaKey), ticketSecret },
      combineObservers(observers),
    );
    send({ kind: 'started' });
  } catch (error) {
    send({ kind: 'not_started', message: messageOf(error) });
  }
}

function rsaKeySource(pem: string | undefined): RsaKeySource {
  if (pem !== undefined) return rsaKeyFromPem(pem);
  return () => Promise.reject(new Error('no client of these routes may need an RSA key'));
}

async function serve(
  { id, route, client, verdict }: Extract<ToWorker, { kind: 'connection' }>,
  socket: Socket | undefined,
): Promise<void> {
  outbox.add({ kind: 'taken', id });
  const door = new RemoteDoor(id, verdict, outbox);
  doors.set(id, door);
  // A client may be gone, and its socket with it, before it arrives here.
  if (socket !== undefined && core !== undefined) {
    socket.allowHalfOpen = true;
    await core.serve({ id, route, client, socket }, door);
  }
  doors.delete(id);
  outbox.add({ kind: 'ended', id });
}

async function prepare({ config: sent }: Extract<ToWorker, { kind: 'prepare' }>): Promise<void> {
  try {
    const config = receiveConfig(sent);
    const use = await core?.prepare(config);
    usePrepared = () => {
      drainTimeout = config.drainTimeout;
      use?.();
      usePrepared = undefined;
    };
    send({ kind: 'prepared' });
  } catch (error) {
    send({ kind: 'not_prepared', message: messageOf(error) });
  }
}

function report(): Report {
  const { user, system } = process.cpuUsage();
  return {
    counters: events.counters(),
    commands: [...statistics].map(([route, ofRoute]) => [route, ofRoute.take()] as const),
    certificates: core?.certificates() ?? [],
    keptServers: core?.keptServers() ?? [],
    serverConnections: core?.serverConnections() ?? [],
    residentBytes: residentBytes(),
    cpuSeconds: (user + system) / 1e6,
  };
}

/** Node opens a file for it: 0 where no file descriptor is left. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

async function end(timeoutMs: number): Promise<void> {
  const cut = (await core?.end(timeoutMs)) ?? 0;
  outbox.flush();
  // The last connections tell of their end in a turn of their own.
  await setImmediate();
  outbox.flush();
  if (!process.connected) process.exit(0);
  process.send?.({ kind: 'ended', cut } satisfies FromWorker, () => process.exit(0));
}
