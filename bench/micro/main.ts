/** Prints the figures of the small functions: `node dist/bench/micro/main.js [--quick]`. */
import { runMicro, toMarkdown } from './micro.js';

const report = await runMicro({ quick: process.argv.includes('--quick') });
process.stdout.write(`${toMarkdown(report)}\n`);
