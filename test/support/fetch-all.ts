/** Gets every server and client before the tests start, so that no test waits for a download. */

import { dataFolderTemplate } from './data-folders.js';
import { serverKinds, serverProgram } from './downloads.js';
import { isUnavailable } from './programs.js';

for (const kind of serverKinds) {
  const program = await serverProgram(kind);
  if (!isUnavailable(program)) await dataFolderTemplate(program);
  const outcome = isUnavailable(program) ? `not available: ${program.unavailable}` : program.version;
  process.stderr.write(`    ${kind}: ${outcome}\n`);
}
