/** A server and the program in front of it, of which is known what they had open before the fault. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import {
  createAccount,
  type ProgramSurroundings,
  type StartedProgram,
  startProgram,
} from '../integration/started-program.js';
import type { TestCertificates } from '../support/certificates.js';
import type { RealServer } from '../support/servers.js';
import { createNumberedTable, NumberedWriters } from './numbered-writers.js';

export const writersCount = 8;

export async function prepareServer(server: RealServer): Promise<void> {
  await createAccount(server);
  await createNumberedTable(server);
}

export interface FaultStage {
  readonly program: StartedProgram;
  readonly writers: NumberedWriters;
  /** Ends the writers. Rejects where something is lost, or still open. */
  assertAllIsWell(): Promise<void>;
}

/** With `writersCount` clients that write. `args` come last. */
export async function startStage(
  t: TestContext,
  server: RealServer,
  certificates: TestCertificates,
  args: readonly string[] = [],
  surroundings: ProgramSurroundings = {},
): Promise<FaultStage> {
  const program = await startProgram(t, server, certificates, ['--workers', '2', ...args], surroundings);
  // What is made with the first connection stays.
  await Promise.all(Array.from({ length: 4 }, async () => (await program.connect()).end()));
  await program.until(async () => (await connectionsOf(program)) === 0);
  const filesBefore = openFilesOf(program);
  const writers = new NumberedWriters({ count: writersCount, connect: () => program.connect() });
  t.after(() => writers.stop());
  await writers.more(50);
  return {
    program,
    writers,
    assertAllIsWell: async () => {
      await writers.stop();
      await writers.assertNothingLost(server);
      await program.until(async () => (await connectionsOf(program)) === 0);
      await program.until(async () => (await sessionsIn(server)) === 0);
      // The admin listener's own connections come and go.
      await program.until(() => openFilesOf(program) <= filesBefore + 2);
      assert.equal(await program.metric('connections_active'), 0);
    },
  };
}

/** Of all processes. */
export function openFilesOf(program: StartedProgram): number {
  return [program.pid, ...program.children()].reduce(
    (sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length,
    0,
  );
}

async function connectionsOf({ admin }: StartedProgram): Promise<number> {
  const reply = await fetch(`http://${admin}/connections`);
  return ((await reply.json()) as { connections: unknown[] }).connections.length;
}

/** What the server itself has of the account. */
async function sessionsIn(server: RealServer): Promise<number> {
  const [row] = await server.sql(
    "SELECT COUNT(*) AS count FROM information_schema.processlist WHERE user IN ('app', 'unauthenticated user')",
  );
  return Number(row?.['count']);
}

/** The number of the error of a new connection; `connected` where there was none. */
export async function newConnection(program: StartedProgram): Promise<number | string> {
  try {
    await (await program.connect()).end();
    return 'connected';
  } catch (error) {
    const { errno, code } = error as { errno?: number; code?: string };
    return errno ?? code ?? String(error);
  }
}
