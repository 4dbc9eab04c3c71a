/** Where the time of the proxy goes: its CPU profiles under load, by V8. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { makeCertificates } from '../../test/support/certificates.js';
import { makeTemporaryFolder } from '../../test/support/clean-up.js';
import { isUnavailable } from '../../test/support/programs.js';
import { type CpuProfile, withoutBeginning } from '../report/flame-graph.js';
import { startDatabase } from './database.js';
import { ours } from './ours.js';
import type { Workload } from './workload.js';
import { connectAndClose, largeResult, pointSelect } from './workloads.js';

export interface Profile {
  /** Of its file. */
  readonly name: string;
  readonly title: string;
  readonly profile: CpuProfile;
}

const loads: readonly { name: string; title: string; workload: Workload; args?: readonly string[] }[] = [
  { name: 'select', title: 'Point select, 16 connections', workload: pointSelect(16) },
  { name: 'connect', title: 'Connect, one query, close; 8 at once', workload: connectAndClose(8) },
  {
    name: 'connect-reused',
    title: 'Connect, one query, close; 8 at once; --reuse-server-connections',
    workload: connectAndClose(8),
    args: ['--reuse-server-connections'],
  },
  { name: 'result', title: 'Results of 1 MB, 8 connections', workload: largeResult(8) },
];

/** Microseconds between two samples. */
const SAMPLE_INTERVAL = 200;

/** Plaintext from the client, TLS 1.3 to MySQL 9. `seconds`: of each load. Rejects with an Error where no server can be had. */
export async function takeProfiles(seconds: number): Promise<Profile[]> {
  const database = await startDatabase('mysql9', makeCertificates(makeTemporaryFolder()));
  if (isUnavailable(database)) throw new Error(database.unavailable);
  const profiles: Profile[] = [];
  try {
    for (const { name, title, workload, args = [] } of loads) {
      const folder = makeTemporaryFolder();
      const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLE_INTERVAL}`];
      const started = Date.now();
      const running = await ours('ours', { args, nodeArgs }).start(database, {
        client: 'plaintext',
        server: 'TLS',
      });
      if (isUnavailable(running)) throw new Error(running.unavailable);
      const startMicroseconds = (Date.now() - started) * 1000;
      try {
        await workload.run({ ...running, database, certificates: database.certificates }, seconds);
      } finally {
        // Node writes the profile when it ends.
        await running.stop();
      }
      const [file] = readdirSync(folder);
      if (file === undefined) throw new Error('Node.js wrote no profile');
      const whole: CpuProfile = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
      profiles.push({ name, title, profile: withoutBeginning(whole, startMicroseconds) });
    }
    return profiles;
  } finally {
    await database.stop();
  }
}
