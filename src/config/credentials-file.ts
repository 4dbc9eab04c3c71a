/**
 * The file with the users whose login the proxy checks itself. Messages never quote a value of it, for a password may
 * stand where the name of its file or variable belongs.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { ConfigProblem, Origin } from './config-error.js';
import type { RouteConfig, UserCredential } from './model.js';
import { kebabCase } from './option-names.js';
import { readSecretFile } from './secret-file.js';
import { isNothing, parseText, type SourceMapping, type SourceNode } from './source-tree.js';
import { didYouMean } from './suggestion.js';

export interface CredentialsReading {
  /** Only the entries that are right. */
  readonly users: readonly UserCredential[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  /** Absolute; also those that do not exist. */
  readonly passwordFiles: readonly string[];
}

export interface CredentialsContext {
  /** Where the path of the file was given. */
  readonly origin: Origin;
  readonly routes: readonly RouteConfig[];
  /** Where `password-env` and `server-password-env` find their variables. */
  readonly env: NodeJS.ProcessEnv;
}

interface Reading extends CredentialsContext {
  /** Relative paths start here. */
  readonly folder: string;
  readonly passwordFile: (path: string) => void;
  readonly problem: (option: string, origin: Origin, message: string) => void;
  readonly warn: (option: string, origin: Origin, message: string) => void;
}

/** A key of an entry; the text is undefined where the value is none, which has been said. */
interface Field {
  readonly key: string;
  readonly origin: Origin;
  readonly text: string | undefined;
}

type Fields = ReadonlyMap<string, Field>;

const OPTION = 'credentials';

const clientKeys = ['password-file', 'password-env', 'password-hash'];
const serverPasswordKeys = ['server-password-file', 'server-password-env'];
const knownKeys = ['user', ...clientKeys, 'server-user', ...serverPasswordKeys, 'route'];

/** Characters; the longest name that a server, MariaDB, knows. */
const LONGEST_USER = 128;
/** Bytes; a packet of a login has room for no more, and no server takes it. */
const LONGEST_PASSWORD = 1000;

/** @param path absolute. */
export function readCredentials(path: string, context: CredentialsContext): CredentialsReading {
  const users: UserCredential[] = [];
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const passwordFiles: string[] = [];
  const reading: Reading = {
    ...context,
    folder: dirname(path),
    passwordFile: (file) => void passwordFiles.push(file),
    problem: (option, origin, message) => void problems.push({ option, origin, message }),
    warn: (option, origin, message) => void warnings.push({ option, origin, message }),
  };
  const seen = new Map<string, Origin>();
  for (const entry of readEntries(path, reading)) {
    const user = readEntry(entry, reading, seen);
    if (user !== undefined) users.push(user);
  }
  return { users, problems, warnings, passwordFiles };
}

function readEntries(path: string, reading: Reading): readonly SourceNode[] {
  const { origin, problem, warn } = reading;
  const file = readSecretFile(path);
  if ('fault' in file) {
    problem(OPTION, origin, file.fault);
    return [];
  }
  const { tree, faults } = parseText(file.bytes.toString('utf8'), path);
  if (tree === undefined) {
    for (const { origin, code } of faults) {
      problem(
        OPTION,
        origin,
        `the file is not valid YAML (${code}); put texts with special characters in quotes`,
      );
    }
    return [];
  }
  const list = tree.kind === 'mapping' ? usersOf(tree, reading) : tree;
  if (list === undefined) return [];
  if (isNothing(list) || (list.kind === 'list' && list.items.length === 0)) {
    warn(OPTION, list.origin, 'the file holds no users; add some, or remove --credentials');
    return [];
  }
  if (list.kind === 'list') return list.items;
  problem(OPTION, list.origin, 'the file must hold a list, each element with keys such as "- user: NAME"');
  return [];
}

/** The list may stand under a key of its own. */
function usersOf(tree: SourceMapping, { problem }: Reading): SourceNode | undefined {
  for (const { key, origin } of tree.entries) {
    if (key === 'users') continue;
    const message =
      'is not a key of the file, which holds a list of users, each starting with "- user: NAME"';
    problem(shownKey(key), origin, message);
  }
  return tree.entries.find(({ key }) => key === 'users')?.node;
}

function readEntry(
  entry: SourceNode,
  reading: Reading,
  seen: Map<string, Origin>,
): UserCredential | undefined {
  if (entry.kind !== 'mapping') {
    reading.problem(OPTION, entry.origin, 'each element must have keys, such as user and password-file');
    return undefined;
  }
  const fields = readFields(entry, reading);
  const user = readUser(fields, entry.origin, reading);
  const client = readClient(fields, entry.origin, reading);
  const serverUser = fields.has('server-user') ? readName(fields.get('server-user'), reading) : user;
  const serverPassword = readServerPassword(fields, client, reading);
  const route = readRoute(fields.get('route'), reading);
  if (user !== undefined && route !== undefined)
    checkUnique(user, route.name, entry.origin, { reading, seen });
  if (!user || !client || !serverUser || !serverPassword || !route) return undefined;
  return { user, route: route.name, client, server: { user: serverUser, password: serverPassword } };
}

function readFields(entry: SourceMapping, { problem }: Reading): Fields {
  const fields = new Map<string, Field>();
  for (const { key: written, origin, node } of entry.entries) {
    const key = kebabCase(written);
    if (!knownKeys.includes(key)) {
      problem(shownKey(written), origin, `is not a key of a user${adviceFor(key)}`);
    } else if (fields.has(key)) {
      problem(written, origin, `is given twice, once in another spelling (${key})`);
    } else {
      fields.set(key, { key, origin, text: textOf(key, origin, node, problem) });
    }
  }
  return fields;
}

/** A key that looks like none is not repeated: it may be anything that slipped there. */
function shownKey(key: string): string {
  return /^[A-Za-z][\w-]{0,39}$/.test(key) ? key : OPTION;
}

function adviceFor(key: string): string {
  const password = /^(server-)?(password|passwd|pass|pwd|secret)$/.exec(key);
  if (password === null) return didYouMean(key, knownKeys);
  const leg = password[1] ?? '';
  return `: passwords do not stand in this file; use ${leg}password-file or ${leg}password-env`;
}

function textOf(
  key: string,
  origin: Origin,
  node: SourceNode,
  problem: Reading['problem'],
): string | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
  if (isNothing(node) && key === 'password-hash') {
    problem(key, origin, 'has no value; put the hash in quotes, because YAML takes * for a reference');
  } else if (isNothing(node) || (node.kind === 'scalar' && node.value === '')) {
    problem(key, origin, 'has no value; write one or remove the key');
  } else {
    problem(key, origin, 'must be a text; put it in quotes');
  }
  return undefined;
}

function readUser(fields: Fields, entry: Origin, reading: Reading): string | undefined {
  const field = fields.get('user');
  if (field === undefined)
    reading.problem('user', entry, 'is missing; write the name that the client logs in with');
  return readName(field, reading);
}

function readName(field: Field | undefined, { problem, warn }: Reading): string | undefined {
  if (field?.text === undefined) return undefined;
  if (field.text.includes('\0')) {
    problem(field.key, field.origin, 'must not hold a zero byte');
  } else if ([...field.text].length > LONGEST_USER) {
    problem(field.key, field.origin, `is longer than the ${LONGEST_USER} characters that a server allows`);
  } else {
    if (/[^\x20-\x7e]/.test(field.text)) {
      const message =
        'has characters beyond ASCII, which fits only clients that log in with utf8 or utf8mb4 as their character set';
      warn(field.key, field.origin, message);
    }
    return field.text;
  }
  return undefined;
}

function readClient(fields: Fields, entry: Origin, reading: Reading): UserCredential['client'] | undefined {
  const field = onlyOne(fields, clientKeys, reading);
  if (field === undefined) {
    if (!clientKeys.some((key) => fields.has(key))) {
      const message =
        'is missing: nothing says how the login of the client is checked; add password-file, password-env or password-hash';
      reading.problem('password-file', entry, message);
    }
    return undefined;
  }
  if (field.key === 'password-hash') {
    const doubleSha1 = readHash(field, reading);
    return doubleSha1 && { doubleSha1 };
  }
  const password = readPassword(field, reading);
  return password && { password };
}

/** The field that is given; undefined if there is none, or several, which is then reported. */
function onlyOne(fields: Fields, keys: readonly string[], { problem }: Reading): Field | undefined {
  const given = keys.map((key) => fields.get(key)).filter((field) => field !== undefined);
  const [first, ...others] = given;
  for (const { key, origin } of others) {
    problem(key, origin, `can't stand beside ${first?.key}; keep one of them`);
  }
  return others.length === 0 ? first : undefined;
}

function readServerPassword(
  fields: Fields,
  client: UserCredential['client'] | undefined,
  reading: Reading,
): KeyObject | undefined {
  const field = onlyOne(fields, serverPasswordKeys, reading);
  if (field !== undefined) return readPassword(field, reading);
  const hash = fields.get('password-hash');
  if (hash !== undefined && !serverPasswordKeys.some((key) => fields.has(key))) {
    const message =
      'is not enough to log in to the server, which takes the password itself; add server-password-file or ' +
      'server-password-env';
    reading.problem(hash.key, hash.origin, message);
  }
  return client !== undefined && 'password' in client ? client.password : undefined;
}

function readHash({ key, origin, text }: Field, { problem }: Reading): KeyObject | undefined {
  if (text === undefined) return undefined;
  const digits = /^\*([0-9a-f]{40})$/i.exec(text)?.[1];
  if (digits !== undefined) return secret(Buffer.from(digits, 'hex'));
  const message =
    'must be "*" and 40 hexadecimal digits, in quotes: the form in which mysql_native_password stores a password; ' +
    'the hashes of other plugins are of no use here, give the password with password-file';
  problem(key, origin, message);
  return undefined;
}

function readPassword(field: Field, reading: Reading): KeyObject | undefined {
  const bytes = field.key.endsWith('-env') ? fromVariable(field, reading) : fromFile(field, reading);
  if (bytes === undefined) return undefined;
  const { key, origin } = field;
  if (bytes.includes(0)) {
    reading.problem(
      key,
      origin,
      'the password holds a zero byte, which no server takes; is it the right file?',
    );
  } else if (bytes.length > LONGEST_PASSWORD) {
    const message = `the password is longer than ${LONGEST_PASSWORD} bytes, which no server takes; is it the right file?`;
    reading.problem(key, origin, message);
  } else {
    return secret(bytes);
  }
  bytes.fill(0);
  return undefined;
}

function fromVariable({ key, origin, text }: Field, { env, problem }: Reading): Buffer | undefined {
  if (text === undefined) return undefined;
  const value = env[text];
  // Empty is how compose files spell "nothing"; an empty password must not come about by mistake.
  if (value !== undefined && value !== '') return Buffer.from(value, 'utf8');
  const message =
    'the variable (not named here, in case it is the password itself) is not set, or empty; set it for the proxy, or ' +
    `use ${key.replace(/env$/, 'file')}`;
  problem(key, origin, message);
  return undefined;
}

function fromFile({ key, origin, text }: Field, reading: Reading): Buffer | undefined {
  if (text === undefined) return undefined;
  const { folder, passwordFile, problem, warn } = reading;
  const path = resolve(folder, text);
  passwordFile(path);
  const file = readSecretFile(path, 'the file (not named here, in case it is the password itself)');
  if ('fault' in file) {
    problem(key, origin, file.fault);
    return undefined;
  }
  const password = withoutNewline(file.bytes);
  if (password.length === 0) {
    const consequence = key.startsWith('server-')
      ? 'the proxy logs in to the server without one'
      : 'whoever knows the name of the user can log in';
    warn(key, origin, `the file is empty, and so is the password: ${consequence}`);
  }
  return password;
}

/** Of the same memory, so that to clear the one is to clear the other. */
function withoutNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}

/** Takes the bytes over: the key has its own copy, and they are cleared. */
function secret(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** Undefined if the route is unusable; a name of undefined stands for all routes. */
function readRoute(
  field: Field | undefined,
  { routes, problem }: Reading,
): { readonly name: string | undefined } | undefined {
  if (field === undefined) return { name: undefined };
  const { key, origin, text } = field;
  if (text === undefined) return undefined;
  const route = routes.find(({ name }) => name === text);
  const names = routes.map(({ name }) => name);
  if (route === undefined) {
    problem(key, origin, `is not a route${didYouMean(text, names)}; the routes are: ${names.join(', ')}`);
    return undefined;
  }
  if (route.client.sslMode === 'PASSTHROUGH') {
    const message =
      `the route ${route.name} has --client-ssl-mode PASSTHROUGH, where the proxy takes no part in the login; name ` +
      'another route, or remove this user';
    problem(key, origin, message);
    return undefined;
  }
  return { name: route.name };
}

function checkUnique(
  user: string,
  route: string | undefined,
  origin: Origin,
  { reading, seen }: { readonly reading: Reading; readonly seen: Map<string, Origin> },
): void {
  const key = JSON.stringify([user, route]);
  const first = seen.get(key);
  if (first === undefined) {
    seen.set(key, origin);
    return;
  }
  const where = route === undefined ? 'for all routes' : `for the route ${route}`;
  const message = `${JSON.stringify(user)} ${where} is described already (${first.text}); remove one of the two`;
  reading.problem('user', origin, message);
}
