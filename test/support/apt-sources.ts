/** Which Debian mirrors this machine itself uses, read from its apt sources. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export interface DebianMirror {
  uri: string;
  /** The machine's own release, such as `bookworm`. */
  suite: string;
}

interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
}

const aptFolder = '/etc/apt';

/** The likeliest mirror first; empty on a machine that is not a Debian. */
export async function debianMirrors(): Promise<DebianMirror[]> {
  const releases = ['stable', 'oldstable', 'testing', 'unstable', 'sid', ...(await codenameOfThisMachine())];
  const mirrors: DebianMirror[] = [];
  for (const source of await aptSources()) {
    const suite = source.suites.find((name) => releases.includes(name));
    if (suite === undefined || !source.components.includes('main')) continue;
    for (const uri of source.uris) mirrors.push({ uri, suite });
  }
  const looksLikeDebian = (mirror: DebianMirror): number => (/\bdebian\/?$/.test(mirror.uri) ? 0 : 1);
  return mirrors.sort((left, right) => looksLikeDebian(left) - looksLikeDebian(right));
}

async function codenameOfThisMachine(): Promise<string[]> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID=debian$/m.test(text)) return [];
  return [...text.matchAll(/^VERSION_CODENAME=(\w+)$/gm)].map((match) => match[1] ?? '');
}

async function aptSources(): Promise<AptSource[]> {
  const partsFolder = path.join(aptFolder, 'sources.list.d');
  const parts = existsSync(partsFolder) ? await readdir(partsFolder) : [];
  const files = [path.join(aptFolder, 'sources.list'), ...parts.map((name) => path.join(partsFolder, name))];
  const found: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (file.endsWith('.sources')) found.push(...parseDeb822Sources(text));
    if (file.endsWith('.list')) found.push(...parseOneLineSources(text));
  }
  return found;
}

/** `deb [options] uri suite component…` */
export function parseOneLineSources(text: string): AptSource[] {
  const lines = text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)([^#\n]*)/gm);
  return [...lines].map(([, uri = '', suite = '', components = '']) => ({
    uris: [uri],
    suites: [suite],
    components: words(components),
  }));
}

/** Paragraphs of `Field: values`, where an indented line continues the field above it. */
export function parseDeb822Sources(text: string): AptSource[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  const paragraphs = withoutComments.split(/\n\s*\n/).map((paragraph) => paragraph.replace(/\n[ \t]+/g, ' '));
  return paragraphs.flatMap((paragraph) => {
    const field = (name: string): string[] =>
      words(new RegExp(`^${name}:(.*)$`, 'im').exec(paragraph)?.[1] ?? '');
    if (!field('Types').includes('deb') || field('Enabled').includes('no')) return [];
    return [{ uris: field('URIs'), suites: field('Suites'), components: field('Components') }];
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
