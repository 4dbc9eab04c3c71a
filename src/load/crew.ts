/** The connections that load one side, opened in steps and closed again. */
import type { Connection } from 'mysql2/promise';
import { createTable, dropTable, newTableName } from './bench-table.js';
import type { MixSource } from './built-in-mixes.js';
import { connectFailure } from './connect-failure.js';
import { breakOff, Connector, hangUp, tlsOf } from './connector.js';
import { parseMix, type Statement } from './mix.js';
import { type ServerIdentity, serverIdentity, tlsSeenByServer } from './server-view.js';
import type { Side } from './side.js';
import { TlsCounts } from './tls-counts.js';

/** One of the connections that send queries at the same time. */
export interface Lane {
  /** Undefined where it has broken, and with `--reconnect` between two connections. */
  connection: Connection | undefined;
}

export interface Crew {
  readonly side: Side;
  readonly connector: Connector;
  /** Sends what is not measured: makes and drops the table, says who the server is. */
  control: Connection;
  readonly server: ServerIdentity | undefined;
  /** Quoted; undefined where the mix needs none. */
  readonly table: string | undefined;
  readonly pass: readonly Statement[];
  readonly lanes: readonly Lane[];
  readonly clientTls: TlsCounts;
  readonly serverTls: TlsCounts;
}

/** Connections opened at once: servers and proxies keep few that have not logged in yet. */
const STEP = 32;

/** With the first connection, and without a table yet. Rejects with LoadError. */
export async function openCrew(side: Side, mix: MixSource, connections: number): Promise<Crew> {
  const connector = new Connector(side);
  const control = await connector.open().catch((error) => {
    throw connectFailure(side, error, 0);
  });
  const table = mix.needsTable ? newTableName(side) : undefined;
  return {
    side,
    connector,
    control,
    server: await serverIdentity(control),
    table,
    pass: parseMix(mix.textFor(table ?? '')),
    lanes: Array.from({ length: connections }, () => ({ connection: undefined })),
    clientTls: new TlsCounts(),
    serverTls: new TlsCounts(),
  };
}

/** Rejects with LoadError. */
export async function makeTable({ control, table, side }: Crew): Promise<void> {
  if (table !== undefined) await createTable(control, table, side);
}

/** Opens a connection for each lane. Rejects with LoadError. @param onStep is told how many are open. */
export async function openLanes(
  crew: Crew,
  signal: AbortSignal,
  onStep: (open: number) => void,
): Promise<void> {
  for (let first = 0; first < crew.lanes.length && !signal.aborted; first += STEP) {
    onStep(first);
    const opened = await Promise.allSettled(
      crew.lanes.slice(first, first + STEP).map(async (lane) => {
        lane.connection = await crew.connector.open();
        crew.clientTls.add(tlsOf(lane.connection));
        await askServerAboutTls(crew, lane.connection);
      }),
    );
    const failed = opened.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw connectFailure(crew.side, failed.reason, first);
  }
}

export async function askServerAboutTls(crew: Crew, connection: Connection): Promise<void> {
  const seen = await tlsSeenByServer(connection);
  if (seen !== undefined) crew.serverTls.add(seen);
}

/** Drops the tables and closes all. The names of the tables that are still there. */
export async function closeCrews(crews: readonly Crew[]): Promise<readonly string[]> {
  // A transaction that is not over would keep its table from being dropped.
  const open = crews.flatMap(({ lanes }) => lanes.map(({ connection }) => connection));
  await Promise.all(open.map((connection) => (connection === undefined ? undefined : hangUp(connection))));
  const left: string[] = [];
  for (const crew of crews) {
    if (crew.table !== undefined && !(await isDropped(crew.table, crew, crews))) left.push(crew.table);
  }
  await Promise.all(crews.map(({ control }) => hangUp(control)));
  return left;
}

/** Tries its own connection, a new one, and where a proxy has gone away the other side. */
async function isDropped(table: string, crew: Crew, crews: readonly Crew[]): Promise<boolean> {
  if (await succeeds(dropTable(crew.control, table))) return true;
  breakOff(crew.control);
  const again = async () => {
    crew.control = await crew.connector.open();
    await dropTable(crew.control, table);
  };
  if (await succeeds(again())) return true;
  // On another server there is no such table, and nothing would be dropped.
  const others = crews.filter((other) => other !== crew && other.server?.name === crew.server?.name);
  for (const other of others) if (await succeeds(dropTable(other.control, table))) return true;
  return false;
}

function succeeds(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
