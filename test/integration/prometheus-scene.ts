/** Old and new clients at real servers through one proxy, watched by a real Prometheus, with a tally of what they did. */
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { startMariadb } from '../support/servers.js';
import {
  comeToColdCache,
  failDeliberately,
  findServerGone,
  findStrangeServer,
  holdOpen,
  workTogether,
} from './prometheus-acts.js';
import { portProbe } from './prometheus-clients.js';
import { commandsOfReplica, type HeldConnection } from './prometheus-held.js';
import {
  addressOf,
  failToReload,
  limits,
  reload,
  type Scrapes,
  type Stage,
  setStage,
  startServers,
  untilQuiet,
} from './prometheus-stage.js';
import { type Counts, type Snapshot, type Tally, takeSnapshot } from './prometheus-tally.js';
import { cacheHits, hitsPerResumption } from './resumed-sessions.js';

export interface Scene {
  readonly tally: Tally;
  readonly snapshots: {
    /** Before the first connection. */
    readonly idle: Snapshot;
    /** While five clients are logged in. */
    readonly open: Snapshot;
    /** While no more are let in. */
    readonly full: Snapshot;
    /** After a reload that failed, and with the server of `counted` stopped. */
    readonly broken: Snapshot;
    /** After the last connection. */
    readonly end: Snapshot;
  };
  /** Those that are open in the snapshot `open`, as their clients and servers know them. */
  readonly held: readonly HeldConnection[];
  readonly addresses: { readonly mysql: string; readonly mariadb: string };
  /** Unix times in seconds, between which the last reload succeeded. */
  readonly lastReload: { readonly after: number; readonly before: number };
  /** What MySQL 9 says of itself. */
  readonly seenByMysql: {
    /** TLS sessions that were resumed. */
    readonly resumed: number;
    /** Commands of the 5.6 replica. */
    readonly replicaCommands: Counts;
  };
  /** Their texts, while connections are open. */
  readonly scrapes: Scrapes;
}

/** What a scene needs, until `close`. */
export interface Theatre {
  readonly scene: Scene;
  close(): Promise<void>;
}

export async function playScene(): Promise<Theatre | Unavailable> {
  const cleanUps: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  };
  try {
    const servers = await startServers(cleanUps);
    if (isUnavailable(servers)) {
      await close();
      return servers;
    }
    const stage = await setStage(servers, cleanUps);
    if (isUnavailable(stage)) {
      await close();
      return stage;
    }
    return { scene: await play(stage, cleanUps), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function play(stage: Stage, cleanUps: (() => Promise<unknown>)[]): Promise<Scene> {
  const { mysql, mariadb, tally, prometheus, routes } = stage;
  const hitsOfOne = await hitsPerResumption(mysql);
  const hitsBefore = await cacheHits(mysql);
  const idle = await takeSnapshot(prometheus);
  await workTogether(stage);
  await failDeliberately(stage);
  await comeToColdCache(stage);
  const { open, held, scrapes, full } = await holdOpen(stage);
  const lastReload = await reload(stage, limits.usual);
  tally.add('tls_reloads_total', ['success']);

  await portProbe(tally, routes.counted);
  await failToReload(stage);
  await mariadb.stop();
  await findServerGone(stage);
  const broken = await takeSnapshot(prometheus);
  const again = await startMariadb({ port: mariadb.port });
  if (isUnavailable(again)) throw new Error(again.unavailable);
  cleanUps.push(() => again.stop());
  await findStrangeServer(stage);

  await untilQuiet(stage);
  const end = await takeSnapshot(prometheus);
  return {
    tally,
    snapshots: { idle, open, full, broken, end },
    held,
    addresses: { mysql: addressOf(mysql), mariadb: addressOf(mariadb) },
    lastReload,
    seenByMysql: {
      resumed: ((await cacheHits(mysql)) - hitsBefore) / hitsOfOne,
      replicaCommands: await commandsOfReplica(mysql),
    },
    scrapes,
  };
}
