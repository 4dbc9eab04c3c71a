/** How much memory V8 takes for new objects: little, until connections come and go. Takes effect when it is imported. */
import { setFlagsFromString } from 'node:v8';
import type { Observer } from './observe/events.js';

/** So many connections ended: whoever uses the proxy makes new ones all the time. */
const CHURN = 1_000;

/** Whoever sets a size of his own, in NODE_OPTIONS or as a flag of node, has it. */
const isGiven = /semi[-_]space/.test([...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' '));

/**
 * V8 doubles the space for new objects, from 2 MB to 32 MB, whenever much of what is in it is still in use when it is full. That makes
 * short connections cheaper. But the objects of connections that stay open have the same effect, and there it only takes memory
 * (docs/decisions/0019). So it may grow only when connections have ended in numbers.
 *
 * For the process as a whole, so for the command alone and not for programs that use the library.
 */
if (!isGiven) setFlagsFromString('--semi-space-growth-factor=1');

export function growYoungGenerationWithChurn(): Observer {
  if (isGiven) return {};
  let ended = 0;
  return {
    closed: () => {
      ended += 1;
      if (ended === CHURN) setFlagsFromString('--semi-space-growth-factor=2');
    },
  };
}
