/** A user's own load test against their own server, with and without the proxy. */
import { ConfigError } from '../config/config-error.js';
import { formatAddress } from '../config/model.js';
import type { LoadPlan } from '../load/plan.js';
import type { LoadResult } from '../load/result.js';
import { benchFlags, planFrom } from './bench-options.js';
import { watchOn } from './bench-progress.js';
import type { Command, CommandValues } from './command.js';
import { canAsk, confirm } from './confirmation.js';
import { jsonReport } from './json-report.js';
import type { Outcome } from './outcome.js';
import { listenForSignals } from './signals.js';

export const benchCommand: Command = {
  usage: 'bench',
  summary: 'Load your own server through the proxy, and compare it with the server itself',
  flags: benchFlags,
  examples: [
    [
      '$0 bench --target 127.0.0.1:3307 --user app --password-file password.txt',
      'How much goes through the proxy, and how long it takes',
    ],
    [
      '$0 bench --target 127.0.0.1:3307 --ssl-mode DISABLED --baseline 127.0.0.1:3306 --baseline-ssl-mode REQUIRED --user app ' +
        '--database test --mix point-select',
      'What a plaintext client that goes through the proxy pays for TLS',
    ],
  ],
  epilogue:
    'A closed loop: each connection sends its next query when the last one is answered, so a stall delays queries that ' +
    'are then never measured (coordinated omission). Exit codes: 0 measured, 1 it broke off or every statement failed, ' +
    '2 not begun (wrong usage, no connection, or not confirmed). docs/load-test.md tells what the figures mean.',
  run: bench,
};

async function bench(values: CommandValues): Promise<Outcome> {
  let plan: LoadPlan;
  try {
    plan = await planFrom(values);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return { exitCode: 2 };
  }
  if (!(await mayLoad(plan, values['yes'] === true))) return { exitCode: 2 };
  return load(plan, values['json'] === true);
}

/** Loopback may be loaded unasked. Says why not. */
async function mayLoad(plan: LoadPlan, saidYes: boolean): Promise<boolean> {
  if (saidYes) return true;
  const { isOnThisMachine } = await import('../load/loopback.js');
  const elsewhere: string[] = [];
  for (const { address } of plan.sides) {
    if (!(await isOnThisMachine(address))) elsewhere.push(formatAddress(address));
  }
  if (elsewhere.length === 0) return true;
  const where = elsewhere.join(' and ');
  if (!canAsk()) {
    complain(
      `${where} is not on this machine, and a load test may disturb who else uses it. If it is yours to load, add --yes.`,
    );
    return false;
  }
  const seconds = Math.round((plan.durationMs + plan.warmUpMs * plan.sides.length) / 1000);
  const connections =
    plan.sides.length > 1 ? `${plan.connections} connections each` : `${plan.connections} connections`;
  const agrees = await confirm(`Load ${where} with ${connections} for about ${seconds} s? [y/N] `);
  if (!agrees) complain('nothing was loaded');
  return agrees;
}

async function load(plan: LoadPlan, json: boolean): Promise<Outcome> {
  const { runLoad } = await import('../load/run.js');
  const { LoadError } = await import('../load/load-error.js');
  const signals = listenForSignals();
  const stop = new AbortController();
  const watch = watchOn(process.stderr, json);
  let made: readonly string[] = [];
  const stopping = () => {
    stop.abort();
    watch.show('stopping; once more ends it at once');
  };
  void signals.stop.then(stopping);
  // The terminal is gone.
  signals.onReload(async () => stopping());
  const atOnce = signals.stopAtOnce.then(() => 'at once' as const);
  try {
    const running = runLoad(plan, {
      signal: stop.signal,
      onProgress: watch.progress,
      onMade: (statements) => {
        made = statements;
      },
    });
    const result = await Promise.race([running, atOnce]);
    watch.end();
    if (result !== 'at once') return await print(result, json);
    // What it still does ends with the process.
    running.catch(() => {});
    const rest = made.length === 0 ? '' : `; if they are still there, remove its tables: ${made.join('; ')}`;
    complain(`ended at once${rest}`);
    return { exitCode: 1, force: true };
  } catch (error) {
    watch.end();
    if (!(error instanceof LoadError)) throw error;
    complain(error.message);
    return { exitCode: error.stage === 'connecting' ? 2 : 1, force: true };
  } finally {
    signals.dispose();
  }
}

async function print(result: LoadResult, json: boolean): Promise<Outcome> {
  const { loadReportText } = await import('../load/report-text.js');
  const exitCode = result.leftBehind.length > 0 ? 1 : 0;
  process.stdout.write(json ? jsonReport(exitCode, result) : loadReportText(result));
  return { exitCode };
}

function complain(text: string): void {
  process.stderr.write(`mysql-tls-proxy: ${text}\n`);
}
