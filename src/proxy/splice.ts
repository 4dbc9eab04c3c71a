/**
 * Relays raw bytes between the two legs after authentication: with back-pressure, half-close and nothing held back. Node
 * waits for no packet here: a chunk that arrives on one leg is written to the other as it is. With a tracker, the relay
 * ends where the client begins a COM_CHANGE_USER, after everything before it has been answered, and can be made to stop
 * between two commands.
 */
import type { Socket } from 'node:net';
import type { CloseReason, ConnectionRecord } from '../observe/events.js';
import type { CommandTracker } from '../wire/command-tracker.js';
import type { BoundaryStop } from './boundary-stop.js';
import { chunkReader } from './chunk-reader.js';
import { ChunkWriter } from './chunk-writer.js';

/**
 * Why the relay ended: both sockets are closed; or they are paused in front of a COM_CHANGE_USER; or behind a COM_QUIT that
 * the server did not get; or in front of something that must not pass, because it is not known any more what is a command; or
 * between two commands, because it was to stop there.
 */
export type SpliceEnd = CloseReason | 'change_user' | 'quit' | 'lost' | 'stopped';

/**
 * How long, in milliseconds, one direction may stay silent after the other has ended before both sockets are cut. Only a
 * peer that neither answers nor closes ever gets that far.
 */
const LINGER_MS = 30_000;

/**
 * How long, in milliseconds, a COM_CHANGE_USER is held back behind commands whose replies do not go on. Clients wait for
 * them, so this is either a very slow statement or a reply that was not understood; a held client would wait forever.
 */
const HELD_MS = 30_000;

/**
 * How many bytes may wait to be sent to a peer that reads slowly before the other one is not read any more. Less than a
 * socket's high water mark must not be set: the stream would not say when they are gone.
 */
const MAX_PENDING_BYTES = 65_536;

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * Counts bytes into the record as they pass. At `change_user` the client's socket begins with that command, and no
 * listener is left on either; unless the tracker is idle, replies are outstanding that can not be waited for. Without a tracker
 * `stop` has no effect.
 */
export function splice(
  client: Socket,
  server: Socket,
  record: ConnectionRecord,
  tracker?: CommandTracker,
  stop?: BoundaryStop,
): Promise<SpliceEnd> {
  return new Promise((resolve) => {
    const open = new Set([client, server]);
    const [clientWriter, serverWriter] = [new ChunkWriter(client), new ChunkWriter(server)];
    let reason: CloseReason | undefined;
    let linger: NodeJS.Timeout | undefined;
    /** Of the client, not passed on yet: the beginning of a command. */
    let held = NO_BYTES;
    let patience: NodeJS.Timeout | undefined;
    let quiet: NodeJS.Timeout | undefined;
    let detached = false;

    const moved = () =>
      record.clientBytes.in + record.serverBytes.in + client.bytesWritten + server.bytesWritten;
    const isWaitingToBeRead = () => open.size === 2 && client.writableLength + server.writableLength > 0;
    const cutWhenSilent = (movedBefore: number) => {
      linger = setTimeout(() => {
        // A peer that reads slowly, or not at all for a while, still gets what the other one sent before it ended.
        if (moved() !== movedBefore || isWaitingToBeRead()) return cutWhenSilent(moved());
        client.destroy();
        server.destroy();
      }, LINGER_MS);
    };
    const clearTimers = () => {
      for (const timer of [linger, patience, quiet]) clearTimeout(timer);
      stop?.onWanted(undefined);
    };
    const flush = () => {
      clientWriter.flush();
      serverWriter.flush();
    };
    const onFirstEnd = (whose: CloseReason) => {
      reason ??= whose;
      if (linger === undefined) cutWhenSilent(moved());
    };
    const onEnd = (whose: CloseReason, other: Socket) => {
      onFirstEnd(whose);
      flush();
      other.end();
    };
    const onClose = (whose: CloseReason, socket: Socket, other: Socket) => {
      onFirstEnd(whose);
      // What was relayed to the other side before is still delivered.
      flush();
      other.destroySoon();
      open.delete(socket);
      if (open.size > 0) return;
      clearTimers();
      resolve(reason ?? whose);
    };
    const toServer = (bytes: Buffer) => {
      record.clientBytes.in += bytes.length;
      record.serverBytes.out += bytes.length;
      serverWriter.write(bytes);
      if (server.writableLength >= MAX_PENDING_BYTES) client.pause();
    };
    const onClientBytes = (chunk: Buffer) => {
      if (tracker === undefined) return toServer(chunk);
      // Held back behind replies that will not come any more.
      if (tracker.isAtChangeUser && reason === 'server_closed') return;
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const passing = tracker.fromClient(bytes);
      if (tracker.mustEnd) return detach('lost');
      // Mostly all of it passes, and no view is needed.
      const passesWhole = passing === bytes.length;
      held = passesWhole ? NO_BYTES : Buffer.from(bytes.subarray(passing));
      if (passing > 0) toServer(passesWhole ? bytes : bytes.subarray(0, passing));
      if (tracker.isAtChangeUser) stopAtChangeUser(tracker);
      else if (tracker.isAtQuit) stopAtQuit();
    };
    const onServerBytes = (chunk: Buffer) => {
      record.serverBytes.in += chunk.length;
      tracker?.fromServer(chunk);
      if (tracker?.mustEnd) return detach('lost');
      record.clientBytes.out += chunk.length;
      clientWriter.write(chunk);
      if (client.writableLength >= MAX_PENDING_BYTES) server.pause();
      if (tracker?.isAtChangeUser) stopAtChangeUser(tracker);
      else if (stop?.terms !== undefined) stopWhenQuiet();
    };
    const canStop = () =>
      tracker !== undefined &&
      reason === undefined &&
      held.length === 0 &&
      (stop?.terms?.evenInTransaction ? tracker.isIdle : tracker.isOutsideTransaction);
    const stopNow = () => {
      if (canStop()) detach('stopped');
    };
    const stopWhenQuiet = (): boolean => {
      clearTimeout(quiet);
      if (detached || stop?.terms === undefined || !canStop()) return detached;
      if (stop.terms.quietMs === 0) stopNow();
      else quiet = setTimeout(stopNow, stop.terms.quietMs);
      return detached;
    };
    const stopAtChangeUser = (at: CommandTracker) => {
      client.pause();
      // Replies are outstanding: the client did not wait for them. A tracker that is lost can not tell.
      if (at.isIdle || at.isLost) return detach('change_user');
      patience ??= setTimeout(detach, HELD_MS, 'change_user');
      patience.refresh();
    };
    const stopAtQuit = () => {
      record.clientBytes.in += held.length;
      held = NO_BYTES;
      detach('quit');
    };
    const detach = (end: SpliceEnd) => {
      detached = true;
      flush();
      client.pause();
      server.pause();
      clearTimers();
      for (const [socket, event, listener] of listeners) socket.off(event, listener);
      chunkReader(client).stop();
      chunkReader(server).stop();
      if (held.length > 0) client.unshift(held);
      resolve(end);
    };
    const onServerDrain = () => {
      if (tracker?.isAtChangeUser !== true) client.resume();
    };
    const onClientEnd = () => {
      // Part of a command that will not come: the server is to see it end as the client did.
      if (held.length > 0 && tracker?.isAtChangeUser !== true) toServer(held);
      onEnd('client_closed', server);
    };
    const onServerEnd = () => {
      onEnd('server_closed', client);
      if (tracker?.isAtChangeUser) client.resume();
    };
    const onClientClose = () => onClose('client_closed', client, server);
    const onServerClose = () => onClose('server_closed', server, client);
    // biome-ignore lint/suspicious/noExplicitAny: what `on` and `off` take
    const listeners: readonly (readonly [Socket, string, (...args: any[]) => void])[] = [
      [client, 'drain', () => server.resume()],
      [server, 'drain', onServerDrain],
      [client, 'end', onClientEnd],
      [client, 'close', onClientClose],
      [server, 'end', onServerEnd],
      [server, 'close', onServerClose],
    ];
    for (const [socket, event, listener] of listeners) socket.on(event, listener);
    // What happened before these listeners were there is not said again.
    if (client.readableEnded) onClientEnd();
    if (server.readableEnded) onServerEnd();
    if (client.closed) onClientClose();
    if (server.closed) onServerClose();
    chunkReader(client).start(onClientBytes);
    // What the client's socket held already may have ended the relay.
    if (detached) return;
    chunkReader(server).start(onServerBytes);
    if (detached) return;
    client.resume();
    server.resume();
    stop?.onWanted(stopWhenQuiet);
    stopWhenQuiet();
  });
}
