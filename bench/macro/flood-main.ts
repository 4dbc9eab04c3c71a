/**
 * Attackers: connections that never log in, each made anew as soon as it is closed, until the parent process is done with it.
 * `node flood-main.js PORT COUNT KIND`.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { FloodKind } from './flood.js';

const [port = '', count = '', kind] = process.argv.slice(2) as [string?, string?, FloodKind?];

/** At the beginning they come in bursts; milliseconds between two of them. */
const BURST = 100;
const BETWEEN_BURSTS_MS = 10;

/** From the end of a connection to the next. */
const PAUSE_MS = 5;

/** From byte to byte of those that are slow. */
const DRIP_MS = 100;

process.on('disconnect', () => process.exit(0));

for (let opened = 0; opened < Number(count); opened++) {
  attack();
  if (opened % BURST === BURST - 1) await delay(BETWEEN_BURSTS_MS);
}
process.send?.('all have come once');

function attack(): void {
  const socket = net.connect({ port: Number(port), host: '127.0.0.1' });
  let drip: NodeJS.Timeout | undefined;
  socket.on('connect', () => {
    if (kind === 'garbage') socket.write('GET / HTTP/1.1\r\n\r\n');
    // The header of a packet that goes on and on.
    if (kind === 'slow') drip = setInterval(() => socket.write(Buffer.of(1)), DRIP_MS);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(drip);
    setTimeout(attack, PAUSE_MS);
  });
  socket.resume();
}
