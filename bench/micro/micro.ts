/**
 * The functions that the proxy runs for each packet, login or command, on recorded traffic, next to other ways to do the same
 * and to mysql2's own parsers: packets and bytes per second of CPU time, and bytes allocated.
 */
import { ownRsaKey } from '../../src/auth/rsa-key.js';
import { decodeGreeting } from '../../src/wire/greeting.js';
import { greetingOf, loadLogins, loginOf } from '../../test/fixtures/recordings.js';
import { isUnavailable } from '../../test/support/programs.js';
import { startMysql9 } from '../../test/support/servers.js';
import { framingSubjects } from './framing-subjects.js';
import { greetingSubjects } from './greeting-subjects.js';
import { loginSubjects, type RecordedLogin } from './login-subjects.js';
import { type Effort, type Measured, measure } from './measure.js';
import { metricsSubjects } from './metrics-subjects.js';
import { assertSameOutcomes, comparable } from './outcomes.js';
import { payloadsOf, type Recorded, recordTraffic } from './record-traffic.js';
import type { MicroReport, MicroRow } from './report.js';
import { rsaSubjects } from './rsa-subjects.js';
import { sequenceSubjects } from './sequence-subjects.js';
import type { Subject } from './subject.js';
import { tapSubjects } from './tap-subjects.js';
import { commandsOf, replayOf, type Traffic } from './traffic.js';

const full: Effort = { rounds: 11, roundMs: 15, warmUpMs: 60, allocationMeasurements: 3 };
const quick: Effort = { rounds: 5, roundMs: 2, warmUpMs: 20, allocationMeasurements: 1 };

/** Traffic on which the ways that are slow are run, too. */
const STREAMED = ['point selects', '1,000 rows'];
/** Traffic whose packets TCP segments cut, and all that there is time for with `quick`. */
const SEGMENTED = ['point selects', '1,000 rows', 'values of 1 MiB', 'LOAD DATA LOCAL'];
/** In which one byte at a time is the worst case for all others. */
const WORST = 'point selects';

/** Fetches and starts a server, and records; throws where there is none for this machine, or where two variants disagree. */
export async function runMicro(options: { quick: boolean }): Promise<MicroReport> {
  const effort = options.quick ? quick : full;
  const { version, recorded } = await record();
  const traffic = recorded.traffic.filter(({ name }) => !options.quick || SEGMENTED.includes(name));
  const groups = [
    () => framing(traffic),
    () => taps(traffic),
    () => greetingSubjects(modernGreetings(recorded)),
    () => loginSubjects(modernLogins(recorded)),
    () => sequenceSubjects(payloadsOf(recorded.login)),
    () => rsa(recorded),
    // Last, because what it makes looks at every collection of garbage from then on.
    async () => metricsSubjects(recorded.traffic.flatMap(commandsOf)),
  ];
  const rows: MicroRow[] = [];
  for (const subjectsOf of groups) {
    for (const subjects of comparable(await subjectsOf())) {
      await assertSameOutcomes(subjects);
      rows.push(...(await measure(subjects, effort)).map(rowOf));
    }
  }
  return { node: process.versions.node, server: `MySQL ${version}`, rounds: effort.rounds, rows };
}

async function record(): Promise<{ version: string; recorded: Recorded }> {
  const server = await startMysql9({ extraArgs: ['--local-infile=1'] });
  if (isUnavailable(server)) throw new Error(`The bench needs MySQL 9: ${server.unavailable}`);
  try {
    return { version: server.version, recorded: await recordTraffic(server) };
  } finally {
    await server.stop();
  }
}

function framing(traffic: readonly Traffic[]): Subject[] {
  return traffic.flatMap((each) => {
    const withStreams = STREAMED.includes(each.name);
    return [
      ...framingSubjects(replayOf(each, '64 KiB'), { withStreams }),
      ...(SEGMENTED.includes(each.name)
        ? framingSubjects(replayOf(each, '1,448 bytes'), { withStreams: false })
        : []),
      ...(withStreams ? framingSubjects(replayOf(each, 'packet by packet'), { withStreams: false }) : []),
      ...(each.name === WORST ? framingSubjects(replayOf(each, 'byte by byte'), { withStreams: false }) : []),
    ];
  });
}

function taps(traffic: readonly Traffic[]): Subject[] {
  return traffic.flatMap((each) => tapSubjects(replayOf(each, '64 KiB')));
}

/** mysql2 takes no others. */
function modernGreetings({ login }: Recorded): Buffer[] {
  const live = payloadsOf(login).slice(0, 1);
  return [...live, ...loadLogins().map(greetingOf)];
}

function modernLogins({ login }: Recorded): RecordedLogin[] {
  const [greeting, response] = payloadsOf(login);
  if (greeting === undefined || response === undefined) throw new Error('there was no login');
  const live = { payload: response, serverCapabilities: decodeGreeting(greeting).capabilities };
  const recorded = loadLogins().map((recording) => ({
    payload: loginOf(recording),
    serverCapabilities: decodeGreeting(greetingOf(recording)).capabilities,
  }));
  return [live, ...recorded];
}

async function rsa({ login }: Recorded): Promise<Subject[]> {
  const [greeting] = payloadsOf(login);
  if (greeting === undefined) throw new Error('there was no greeting');
  return rsaSubjects(await ownRsaKey(undefined)(), decodeGreeting(greeting).nonce);
}

function rowOf({ subject, ...figures }: Measured): MicroRow {
  const { group, traffic, name, variant } = subject;
  return { group, traffic, name, variant, ...figures };
}
