/** Programs of systemd, unpacked from Debian's package: most machines that run tests are not run by systemd. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { unpackedPackages, unpackedProgram } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable } from './programs.js';

export async function systemdProgram(
  name: 'systemd-analyze' | 'systemd-notify',
): Promise<Program | Unavailable> {
  const unpacked = await unpackedPackages({ release: 'own', packages: ['systemd'] });
  if (isUnavailable(unpacked)) return unpacked;
  const { folder } = unpacked;
  const file = theOne(folder, [`usr/bin/${name}`, `bin/${name}`]);
  // The units of the package, and none of the machine.
  const units = theOne(folder, [
    'usr/lib/systemd/system/sysinit.target',
    'lib/systemd/system/sysinit.target',
  ]);
  return {
    ...unpackedProgram(folder, file, ['usr/lib/x86_64-linux-gnu/systemd']),
    env: { SYSTEMD_UNIT_PATH: path.join(folder, path.dirname(units)) },
  };
}

/** Which of two places it is in depends on the release of Debian. */
function theOne(folder: string, places: readonly string[]): string {
  const found = places.find((place) => existsSync(path.join(folder, place)));
  if (found === undefined) throw new Error(`the package has none of ${places.join(', ')}`);
  return found;
}
