/** Gets every server and client before the tests start, so that no test waits for a download. */

import { chromiumProgram } from './browser.js';
import { php, pythonWithLibmysqlclient, pythonWithMariadb } from './client-programs.js';
import { dataFolderTemplate } from './data-folders.js';
import { serverKinds, serverProgram } from './downloads.js';
import { isUnavailable, type Unavailable, versionLine } from './programs.js';
import { prometheusPrograms } from './prometheus.js';
import { systemdProgram } from './systemd.js';

for (const kind of [...serverKinds, 'mariadb11'] as const) {
  const program = await serverProgram(kind);
  if (!isUnavailable(program)) await dataFolderTemplate(program);
  say(kind, program);
}
say('PHP with mysqli', await php());
say('PyMySQL and MySQLdb', await pythonWithMariadb());
say('libmysqlclient', await pythonWithLibmysqlclient('with plugins'));
say('Prometheus', await prometheusPrograms());
say('Chromium', await chromiumProgram());
say('systemd', await systemdVersion());

async function systemdVersion(): Promise<{ version: string } | Unavailable> {
  const program = await systemdProgram('systemd-analyze');
  const line = isUnavailable(program) ? program : await versionLine(program);
  return typeof line === 'string' ? { version: line.split('\n')[0] ?? '' } : line;
}

function say(name: string, program: { version: string } | Unavailable): void {
  const outcome = isUnavailable(program) ? `not available: ${program.unavailable}` : program.version;
  process.stderr.write(`    ${name}: ${outcome}\n`);
}
