/** Debian's Chromium, unpacked and not installed, driven by playwright-core. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { unpackedPackages } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable, versionLine } from './programs.js';

export interface ChromiumProgram {
  readonly program: Program;
  readonly version: string;
  /** The only fonts that it sees, so that pictures look the same on every machine. */
  readonly fontFolder: string;
}

const chromiumPackages = { release: 'own', packages: ['chromium', 'fonts-dejavu-core'] };

export async function chromiumProgram(): Promise<ChromiumProgram | Unavailable> {
  const unpacked = await unpackedPackages(chromiumPackages);
  if (isUnavailable(unpacked)) return unpacked;
  const libraries = path.join(unpacked.folder, 'usr/lib/x86_64-linux-gnu');
  // Not through the loader as other programs: Chromium starts itself again from /proc/self/exe, which would be that.
  const libraryFolders = [
    libraries,
    path.join(unpacked.folder, 'lib/x86_64-linux-gnu'),
    path.join(libraries, 'pulseaudio'),
  ];
  const program = {
    file: path.join(unpacked.folder, 'usr/lib/chromium/chromium'),
    args: [],
    env: { LD_LIBRARY_PATH: libraryFolders.join(':') },
  };
  const version = await versionLine(program);
  if (typeof version !== 'string') return version;
  return { program, version, fontFolder: path.join(unpacked.folder, 'usr/share/fonts') };
}

export interface RunningBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

export async function startBrowser(): Promise<RunningBrowser | Unavailable> {
  const found = await chromiumProgram();
  if (isUnavailable(found)) return found;
  const folder = mkdtempSync(path.join(tmpdir(), 'browser-'));
  const fontConfig = path.join(folder, 'fonts.conf');
  writeFileSync(fontConfig, fontConfigFor(found.fontFolder, path.join(folder, 'font-cache')));
  const browser = await chromium.launch({
    executablePath: found.program.file,
    // Its sandbox needs what containers do not give, and it only ever sees pages of these tests.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    env: { ...process.env, ...found.program.env, FONTCONFIG_FILE: fontConfig, HOME: folder, TZ: 'UTC' },
  });
  return {
    browser,
    close: async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const fontConfigFor = (fonts: string, cache: string): string =>
  [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    `<fontconfig><dir>${fonts}</dir><cachedir>${cache}</cachedir></fontconfig>`,
    '',
  ].join('\n');
