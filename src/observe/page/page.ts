/** The page of the admin listener: one HTML document with its style and script inside, and the policy that lets only these run. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Page {
  readonly html: string;
  /** Of the header Content-Security-Policy. */
  readonly contentSecurityPolicy: string;
}

const entry = 'browser/main.js';

/** Reads the built files; to be called once. */
export function loadPage(): Page {
  const style = read('page.css');
  const script = joinedModules(entry);
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`);
  return { html, contentSecurityPolicy: policyFor(script, style) };
}

/** The modules below `browser/` as one script: each a function that returns its exports, behind those that it imports. */
function joinedModules(first: string): string {
  const joined = new Map<string, string>();
  const add = (file: string): void => {
    if (joined.has(file)) return;
    const source = read(file);
    for (const [, , neighbour] of source.matchAll(importPattern)) add(`browser/${neighbour}`);
    joined.set(file, asFunction(file, source));
  };
  add(first);
  return `'use strict';\nconst modules = {};\n${[...joined.values()].join('')}`;
}

/** All of them are as tsc writes them: named imports from beside them, and `export` only in front of declarations. */
const importPattern = /^import (\{[^}]*\}) from '\.\/([\w-]+\.js)';$/gm;
const exportPattern = /^export ((?:async )?function|const|class) (\w+)/gm;

function asFunction(file: string, source: string): string {
  const names = [...source.matchAll(exportPattern)].map(([, , name]) => name);
  const body = source
    .replace(
      importPattern,
      (_, imported: string, neighbour: string) => `const ${imported} = modules['browser/${neighbour}'];`,
    )
    .replace(exportPattern, '$1 $2')
    .replace(/^export \{\};\n/m, '');
  return `modules['${file}'] = (() => {\n${body}return { ${names.join(', ')} };\n})();\n`;
}

function policyFor(script: string, style: string): string {
  const rules = {
    'default-src': "'none'",
    'script-src': hashOf(script),
    'style-src': hashOf(style),
    // /events and /connections.
    'connect-src': "'self'",
    // The icon in the tab.
    'img-src': 'data:',
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  };
  return Object.entries(rules)
    .map(([rule, value]) => `${rule} ${value}`)
    .join('; ');
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');
