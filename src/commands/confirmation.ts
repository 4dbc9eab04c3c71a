/** Asks whoever sits in front of the terminal. */
import { createInterface } from 'node:readline/promises';

/** Whether there is someone to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Anything but yes is no; so is Ctrl-C, or the end of the input. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new AbortController();
  terminal.once('SIGINT', () => gone.abort());
  terminal.once('close', () => gone.abort());
  try {
    const answer = await terminal.question(question, { signal: gone.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!gone.signal.aborted) throw error;
    process.stderr.write('\n');
    return false;
  } finally {
    terminal.close();
  }
}
