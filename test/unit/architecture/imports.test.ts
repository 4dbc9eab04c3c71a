/** Imports point one way. Whoever needs another direction changes the table here, and the design with it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Four folders up from dist/test/unit/architecture/. */
const sourceFolder = fileURLToPath(new URL('../../../../src/', import.meta.url));

/**
 * What each part of src/ may import from the others, as folders (`wire/`) or single files. A file that stands in src/
 * itself is a part of its own.
 */
const allowed: Record<string, readonly string[]> = {
  'version.ts': [],
  'printable.ts': [],
  'listening-socket.ts': [],
  'cancellation.ts': [],
  'errors.ts': ['printable.ts'],
  'wire/': ['errors.ts'],
  'auth/': ['wire/', 'errors.ts'],
  'tls/': [
    'errors.ts',
    'cancellation.ts',
    'certs/certificate-facts.ts',
    'certs/pem.ts',
    'config/model.ts',
    'config/tls-profiles.ts',
    'observe/events.ts',
    'observe/observers.ts',
    'observe/weak-tls.ts',
  ],
  'admission/': ['wire/', 'errors.ts', 'config/model.ts'],
  'proxy/': [
    'admission/',
    'auth/',
    'wire/',
    'tls/',
    'errors.ts',
    'cancellation.ts',
    'listening-socket.ts',
    'config/model.ts',
    'observe/events.ts',
    'observe/observers.ts',
  ],
  'config/': ['errors.ts', 'certs/certificate-facts.ts', 'certs/pem.ts'],
  'certs/': ['errors.ts', 'printable.ts'],
  'doctor/': [
    'proxy/',
    'tls/',
    'wire/',
    'certs/',
    'config/',
    'observe/',
    'errors.ts',
    'cancellation.ts',
    'printable.ts',
  ],
  'load/': ['config/model.ts', 'printable.ts'],
  'observe/': ['errors.ts', 'printable.ts', 'listening-socket.ts', 'config/model.ts'],
  'young-generation.ts': ['observe/events.ts'],
  'workers/': [
    'admission/',
    'auth/rsa-key.ts',
    'config/model.ts',
    'proxy/',
    'observe/',
    'errors.ts',
    'listening-socket.ts',
    'young-generation.ts',
  ],
  // Puts the parts together, for the command line and for programs alike.
  'service.ts': ['config/', 'proxy/', 'observe/', 'errors.ts', 'listening-socket.ts', 'version.ts'],
  'index.ts': ['service.ts', 'config/', 'proxy/', 'observe/', 'errors.ts'],
  'commands/': [
    'service.ts',
    'doctor/',
    'load/',
    'config/',
    'proxy/',
    'observe/',
    'certs/',
    'workers/',
    'young-generation.ts',
    'listening-socket.ts',
    'errors.ts',
    'printable.ts',
    'version.ts',
  ],
  'command-line.ts': ['commands/', 'config/', 'errors.ts', 'version.ts'],
  'cli.ts': ['young-generation.ts', 'command-line.ts'],
};

/** Packages that only some files may know. */
const packageOwners: Record<string, readonly string[]> = {
  'prom-client': ['observe/metrics/'],
  pino: ['observe/log.ts', 'observe/log-output.ts'],
  'pino-pretty': ['observe/log.ts'],
  'node-forge': [
    'certs/authority.ts',
    'certs/node-forge-tbs.d.ts',
    // Its part that reads DER.
    'certs/certificate-facts.ts',
    'certs/node-forge-asn1.d.ts',
  ],
  yargs: ['command-line.ts', 'commands/'],
  zod: ['config/'],
  yaml: ['config/'],
  mysql2: ['doctor/', 'load/', 'commands/'],
  'hdr-histogram-js': ['load/latencies.ts'],
  'node:tls': ['tls/', 'doctor/', 'config/', 'certs/', 'observe/metrics/', 'commands/'],
  'node:net': [
    'listening-socket.ts',
    'tls/',
    'doctor/',
    'load/',
    'config/',
    'admission/',
    'certs/',
    'proxy/',
    'observe/',
    'workers/',
    'commands/',
  ],
};

interface Import {
  /** Relative to src/. */
  readonly from: string;
  readonly specifier: string;
}

const importPattern =
  /(?:^|[\n;])\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

function importsIn(from: string, source: string): Import[] {
  return [...withoutComments(source).matchAll(importPattern)].map(([, named, dynamic]) => ({
    from,
    specifier: named ?? dynamic ?? '',
  }));
}

/** Comments that hold an example must not count; `//` behind a colon is a URL. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:])\/\/.*$/gm, '$1');
}

/** Why the import is not allowed; undefined when it is. */
function objectionTo({ from, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return objectionToPackage(from, specifier);
  const target = path.posix.join(path.posix.dirname(from), specifier.replace(/\.js$/, '.ts'));
  if (target.startsWith('..')) return 'leaves src/';
  const part = partOf(from);
  if (part === partOf(target)) return undefined;
  const targets = allowed[part];
  if (targets === undefined) return `${part} is not in the table of this test`;
  return isIn(target, targets)
    ? undefined
    : `${part} may only import from ${targets.join(', ') || 'nothing'}`;
}

function objectionToPackage(from: string, specifier: string): string | undefined {
  const name = specifier.split('/')[0] ?? '';
  const owners = packageOwners[name];
  return owners === undefined || isIn(from, owners)
    ? undefined
    : `only ${owners.join(', ')} may import ${name}`;
}

const partOf = (file: string): string => file.replace(/\/.*$/, '/');

const isIn = (file: string, parts: readonly string[]): boolean =>
  parts.some((part) => (part.endsWith('/') ? file.startsWith(part) : file === part));

function sourceFiles(): string[] {
  return readdirSync(sourceFolder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(path.sep).join('/'))
    .sort();
}

const read = (file: string): string => readFileSync(path.join(sourceFolder, file), 'utf8');

test('every import in src/ points the way it may', () => {
  const imports = sourceFiles().flatMap((file) => importsIn(file, read(file)));
  assert.ok(imports.length > 100, `only ${imports.length} imports were found`);
  const objections = imports.flatMap((found) => {
    const objection = objectionTo(found);
    return objection === undefined ? [] : [`${found.from} imports ${found.specifier}: ${objection}`];
  });
  assert.deepEqual(objections, []);
});

test('no file only passes on what others export, but the entry of the package', () => {
  const barrels = sourceFiles().filter((file) => {
    const isIndex = path.posix.basename(file) === 'index.ts';
    const reExportsAll = /^\s*export\s+\*/m.test(withoutComments(read(file)));
    return file !== 'index.ts' && (isIndex || reExportsAll);
  });
  assert.deepEqual(barrels, []);
});

test('TLS sockets are made in one place', () => {
  const users = sourceFiles().filter((file) => /\bTLSSocket\b/.test(withoutComments(read(file))));
  assert.deepEqual(users, ['tls/upgrade.ts']);
});

test('the code for the browser stands alone: it imports what is beside it, and types of the state', () => {
  const folder = 'observe/page/browser/';
  const ofBrowser = sourceFiles().filter((file) => file.startsWith(folder));
  assert.ok(ofBrowser.length > 10, `only ${ofBrowser.length} files were found`);
  const strangers = ofBrowser.flatMap((file) =>
    importsIn(file, withoutStateTypes(read(file))).filter(
      ({ specifier }) => !/^\.\/[\w-]+\.js$/.test(specifier),
    ),
  );
  assert.deepEqual(strangers, []);
  const users = sourceFiles().filter(
    (file) =>
      !file.startsWith(folder) &&
      importsIn(file, read(file)).some(({ specifier }) => specifier.includes('/browser/')),
  );
  assert.deepEqual(users, []);
});

/** Types are gone when the code runs. */
const withoutStateTypes = (source: string): string =>
  source.replace(/^import type \{[^}]*\} from '\.\.\/\.\.\/state\/state\.js';$/gm, '');

test('every part of the table that exists is scanned', () => {
  const parts = new Set(sourceFiles().map(partOf));
  const unknown = [...parts].filter((part) => !(part in allowed));
  assert.deepEqual(unknown, []);
  for (const part of ['wire/', 'auth/', 'tls/', 'proxy/', 'config/', 'observe/'])
    assert.ok(parts.has(part), part);
});

test('violations are found, in every form of import', () => {
  const forms = [
    "import { a } from '%';",
    "import type { A } from '%';",
    "import a, { type B } from '%';",
    "import {\n  a,\n  b,\n} from '%';",
    "import * as a from '%';",
    "import '%';",
    "export { a } from '%';",
    "export * from '%';",
    "const a = await import('%');",
  ];
  const violations: [string, string][] = [
    ['wire/a.ts', '../proxy/session.js'],
    ['wire/a.ts', 'node:net'],
    ['wire/a.ts', 'node:tls'],
    ['auth/a.ts', 'node:net'],
    ['auth/a.ts', '../tls/upgrade.js'],
    ['tls/a.ts', '../wire/bytes.js'],
    ['tls/a.ts', '../config/load.js'],
    ['proxy/a.ts', '../observe/metrics/aggregates.js'],
    ['proxy/a.ts', '../config/load.js'],
    ['proxy/a.ts', 'pino'],
    ['proxy/a.ts', 'node:tls'],
    ['observe/log.ts', 'prom-client'],
    ['observe/metrics/aggregates.ts', '../../proxy/proxy.js'],
    ['config/a.ts', '../proxy/proxy.js'],
    ['tls/a.ts', 'node-forge'],
    ['errors.ts', './wire/bytes.js'],
    ['proxy/a.ts', '../../test/support/packets.js'],
    ['cli.ts', '../bench/micro.js'],
    ['elsewhere/a.ts', '../errors.js'],
  ];
  for (const [from, specifier] of violations) {
    for (const form of forms) {
      const found = importsIn(from, `const before = 1;\n${form.replace('%', specifier)}\n`);
      assert.deepEqual(found, [{ from, specifier }], form);
      assert.notEqual(found.map(objectionTo)[0], undefined, `${from} imports ${specifier}`);
    }
  }
});

test('what is allowed, and what only looks like an import, is let through', () => {
  const fine: [string, string][] = [
    ['proxy/a.ts', '../observe/events.js'],
    ['proxy/a.ts', '../config/model.js'],
    ['proxy/a.ts', './b.js'],
    ['tls/a.ts', 'node:tls'],
    ['observe/metrics/aggregates.ts', 'prom-client'],
    ['certs/authority.ts', 'node-forge'],
    ['command-line.ts', 'yargs/helpers'],
  ];
  for (const [from, specifier] of fine)
    assert.equal(objectionTo({ from, specifier }), undefined, `${from} ${specifier}`);
  const source =
    "// import { a } from '../proxy/a.js';\n/* import '../proxy/b.js'; */\nconst from = 'node:net';\n";
  assert.deepEqual(importsIn('wire/a.ts', source), []);
});
