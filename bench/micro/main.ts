/** Prints the figures of the small functions: `node dist/bench/micro/main.js [--quick]`. */
import { runMicro } from './micro.js';
import { toMarkdown } from './report-text.js';

const report = await runMicro({ quick: process.argv.includes('--quick') });
process.stdout.write(`${toMarkdown(report)}\n`);
