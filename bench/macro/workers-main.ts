/**
 * A proxy for each core: `node:cluster`, with the package as a library in each worker. The command line runs one process,
 * so this is what a program does that wants more. `node workers-main.js OPTIONS_AS_JSON`.
 */
import cluster from 'node:cluster';
import os from 'node:os';
import { createProxy, type ProxyOptions } from '../../src/index.js';

if (cluster.isPrimary) {
  let listening = 0;
  const workers = os.availableParallelism();
  cluster.on('message', () => {
    if (++listening === workers) process.stdout.write('all workers listen\n');
  });
  cluster.on('exit', () => process.exit(1));
  for (let n = 0; n < workers; n++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  process.on('disconnect', () => process.exit(0));
  const [options = '{}'] = process.argv.slice(2);
  await createProxy(JSON.parse(options) as ProxyOptions);
  process.send?.('listening');
}
