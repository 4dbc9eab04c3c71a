/**
 * The floor for any relay in Node.js: two sockets, read here, write there, and nothing else, not even back-pressure.
 * `node relay-main.js PORT SERVER_PORT`.
 */
import net from 'node:net';

const [port, serverPort] = process.argv.slice(2).map(Number);

const listener = net.createServer({ noDelay: true }, (client) => {
  const server = net.connect({ host: '127.0.0.1', port: serverPort ?? 0, noDelay: true });
  client.on('data', (chunk) => server.write(chunk));
  server.on('data', (chunk) => client.write(chunk));
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('close', () => other.destroy());
    one.on('error', () => other.destroy());
  }
});
listener.listen({ port, host: '127.0.0.1', backlog: 2048 });
