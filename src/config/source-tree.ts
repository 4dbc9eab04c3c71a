/**
 * A configuration file, or the object that a program passes, as one kind of tree that remembers the lines.
 * Numbers of a file stay as they were written, because `0660` read as a number would lose that it is octal.
 */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { messageOf } from '../errors.js';
import type { ConfigProblem, Origin } from './config-error.js';

export type SourceNode = SourceMapping | SourceList | SourceScalar;

export interface SourceMapping {
  readonly kind: 'mapping';
  readonly origin: Origin;
  readonly entries: readonly { readonly key: string; readonly origin: Origin; readonly node: SourceNode }[];
}

export interface SourceList {
  readonly kind: 'list';
  readonly origin: Origin;
  readonly items: readonly SourceNode[];
}

export interface SourceScalar {
  readonly kind: 'scalar';
  readonly origin: Origin;
  readonly value: unknown;
}

/** The file's tree, or why it has none. */
export type FileReading =
  | { readonly tree: SourceMapping; readonly problems: readonly [] }
  | { readonly tree: undefined; readonly problems: readonly ConfigProblem[] };

/** A place where a text is not YAML. */
export interface SyntaxFault {
  readonly origin: Origin;
  /** Of the YAML parser, such as `BAD_INDENT`. Quotes nothing. */
  readonly code: string;
  /** May quote words of the text. */
  readonly message: string;
}

/** The tree of a YAML text, or where it is none. */
export type ParsedText =
  | { readonly tree: SourceNode; readonly faults: readonly [] }
  | { readonly tree: undefined; readonly faults: readonly SyntaxFault[] };

/** @param path absolute path of a configuration file: `.yaml`, `.yml` or `.json`. */
export function readConfigFile(path: string, origin: Origin): FileReading {
  const failed = (message: string, where: Origin = origin): FileReading => ({
    tree: undefined,
    problems: [{ option: 'config', origin: where, message }],
  });
  if (!['.yaml', '.yml', '.json'].includes(extname(path).toLowerCase())) {
    return failed(`"${path}": the name of a configuration file must end in .yaml, .yml or .json`);
  }
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return failed(`cannot read "${path}": ${messageOf(error)}`);
  }
  const { tree, faults } = parseText(text, path);
  if (tree === undefined) {
    const problems = faults.map(({ origin, message }) => ({
      option: 'config',
      origin,
      message: `the file can't be read: ${message}`,
    }));
    return { tree, problems };
  }
  if (tree.kind === 'mapping') return { tree, problems: [] };
  if (isNothing(tree)) {
    return { tree: { kind: 'mapping', origin: tree.origin, entries: [] }, problems: [] };
  }
  return failed('the file must hold keys and values, such as "server: db.example.com:3306"', tree.origin);
}

/** A key without value, or a file without contents. */
export function isNothing(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/**
 * Reads YAML, of which JSON is a subset.
 *
 * @param path of the file that the text comes from, for the origins.
 */
export function parseText(text: string, path: string): ParsedText {
  const lines = new LineCounter();
  // The pretty errors would quote the line, which may hold a secret.
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { kind: 'file', text: `file ${path}:${line}:${col}` };
  };
  const faults = [...document.errors, ...document.warnings].map(({ pos, code, message }) => ({
    origin: place(pos[0]),
    code,
    message,
  }));
  if (faults.length > 0) return { tree: undefined, faults };
  const line = (node: Node): Origin => ({
    kind: 'file',
    text: `file ${path}:${lines.linePos(node.range?.[0] ?? 0).line}`,
  });
  const { contents } = document;
  if (contents === null) return { tree: nothing({ kind: 'file', text: `file ${path}` }), faults: [] };
  let nodesLeft = MAX_NODES;
  const resolve = (alias: Extract<Node, { source: string; resolve: unknown }>) => alias.resolve(document);
  const count = () => {
    nodesLeft -= 1;
    if (nodesLeft < 0) throw new TooManyNodesError();
  };
  try {
    return { tree: fromYaml(contents, { resolve, line, count }), faults: [] };
  } catch (error) {
    if (!(error instanceof TooManyNodesError)) throw error;
    const message = `it holds more than ${MAX_NODES} values; an alias that refers to itself never ends`;
    return { tree: undefined, faults: [{ origin: line(contents), code: 'TOO_MANY_VALUES', message }] };
  }
}

/** Values of a file, those that aliases repeat included: a few lines of aliases can stand for billions. */
const MAX_NODES = 100_000;

/** Deeper than any configuration, and far from the end of the stack. */
const MAX_DEPTH = 100;

class TooManyNodesError extends Error {}

interface YamlReading {
  readonly resolve: (alias: Extract<Node, { source: string; resolve: unknown }>) => Node | undefined;
  readonly line: (node: Node) => Origin;
  /** Throws TooManyNodesError. */
  readonly count: () => void;
}

function fromYaml(node: Node, reading: YamlReading, depth = 0): SourceNode {
  const { resolve, line, count } = reading;
  count();
  if (depth > MAX_DEPTH) throw new TooManyNodesError();
  const origin = line(node);
  if (isAlias(node)) {
    const target = resolve(node);
    if (target !== undefined) return fromYaml(target, reading, depth + 1);
  }
  if (isMap<Node, Node | null>(node)) {
    const entries = node.items.map(({ key, value }) => ({
      key: isScalar(key) ? String(key.value) : String(key),
      origin: line(key),
      node: value === null ? nothing(line(key)) : fromYaml(value, reading, depth + 1),
    }));
    return { kind: 'mapping', origin, entries };
  }
  if (isSeq<Node | null>(node)) {
    const items = node.items.map((item) =>
      item === null ? nothing(origin) : fromYaml(item, reading, depth + 1),
    );
    return { kind: 'list', origin, items };
  }
  if (!isScalar(node)) return nothing(origin);
  return { kind: 'scalar', origin, value: typeof node.value === 'number' ? node.source : node.value };
}

function nothing(origin: Origin): SourceScalar {
  return { kind: 'scalar', origin, value: null };
}

/** The tree of an object that a program passes; keys that are undefined count as left out. */
export function readConfigObject(object: object): SourceMapping {
  const tree = fromValue(object, '');
  if (tree.kind === 'mapping') return tree;
  return { kind: 'mapping', origin: tree.origin, entries: [] };
}

function fromValue(value: unknown, path: string): SourceNode {
  const origin: Origin = { kind: 'argument', text: path === '' ? 'argument' : `argument ${path}` };
  if (Array.isArray(value)) {
    return { kind: 'list', origin, items: value.map((item, index) => fromValue(item, `${path}[${index}]`)) };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'scalar', origin, value };
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => {
      const node = fromValue(item, path === '' ? key : `${path}.${key}`);
      return { key, origin: node.origin, node };
    });
  return { kind: 'mapping', origin, entries };
}
