/** Which files a configuration is made of, for whoever watches them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../../../src/config/config-error.js';
import { routeKey } from '../../../src/config/option-names.js';
import { options } from '../../../src/config/option-table.js';
import { filePath } from '../../../src/config/value-types.js';
import { makeCertificates } from '../../support/certificates.js';
import { configFile, load, temporaryFolder } from './problems.js';

const fileOptions = options.filter(({ file }) => file);

/** A list option gets two files. The name says route and option, so that no two are the same. */
const filesFor = (route: string, { name, list }: (typeof options)[number]): readonly string[] =>
  (list === undefined ? [''] : ['-1', '-2']).map((suffix) => `${route}-${name}${suffix}.pem`);

function filesOf(file: string): readonly string[] {
  try {
    return load({ file }).files;
  } catch (error) {
    if (error instanceof ConfigError) return error.files;
    throw error;
  }
}

test('every option that takes the path of a file is marked as one', () => {
  const unmarked = options.filter(({ type, file }) => type === (filePath as unknown) && !file);
  assert.deepEqual(
    unmarked.map(({ name }) => name),
    [],
  );
  assert.ok(fileOptions.length >= 10, `only ${fileOptions.length} options take a file`);
});

test('all files of all options, of each route, are in the list, though none of them is usable', () => {
  const routes = ['one', 'two'].map((name, index) => {
    const route: Record<string, unknown> = { name, listen: `127.0.0.1:${index + 1}`, servers: 's' };
    const legs: Record<string, Record<string, unknown>> = { client: {}, server: {}, route };
    for (const option of fileOptions.filter(({ scope }) => scope !== 'process')) {
      const target = legs[option.scope];
      if (target === undefined) throw new Error(`${option.name} has the scope ${option.scope}`);
      target[routeKey(option)] = filesFor(name, option);
      if (option.list === undefined) target[routeKey(option)] = filesFor(name, option)[0];
    }
    return { ...route, client: legs['client'], server: legs['server'] };
  });
  const ofProcess = fileOptions.filter(({ scope }) => scope === 'process');
  const process = Object.fromEntries(ofProcess.map((option) => [option.name, filesFor('all', option)[0]]));
  const file = configFile(JSON.stringify({ ...process, routes }), 'proxy.json');
  const expected = [
    ...ofProcess.flatMap((option) => filesFor('all', option)),
    ...['one', 'two'].flatMap((route) =>
      fileOptions.filter(({ scope }) => scope !== 'process').flatMap((option) => filesFor(route, option)),
    ),
  ].map((name) => path.join(path.dirname(file), name));
  assert.deepEqual([...filesOf(file)].sort(), [file, ...expected].sort());
});

test('those of a valid configuration are in the list once, with the password files that the credentials file names', () => {
  const folder = temporaryFolder();
  const { ca, server, client } = makeCertificates(folder);
  for (const name of ['in.password', 'out.password'])
    writeFileSync(path.join(folder, name), 'x', { mode: 0o600 });
  const credentials = path.join(folder, 'credentials.yaml');
  writeFileSync(
    credentials,
    '- {user: a, password-file: in.password, server-password-file: ./out.password}\n' +
      '- {user: b, password-file: in.password, route: default}\n',
    { mode: 0o600 },
  );
  const file = configFile('server: 127.0.0.1:1\n');
  const flags = {
    'server-ssl-ca': ca.certificateFile,
    'client-ssl-ca': ca.certificateFile,
    'client-ssl-cert': [server.certificateFile],
    'client-ssl-key': [server.keyFile],
    'server-ssl-cert': client.certificateFile,
    'server-ssl-key': client.keyFile,
    credentials,
  };
  const { files } = load({ flags, file });
  const expected = [
    file,
    ca.certificateFile,
    server.certificateFile,
    server.keyFile,
    client.certificateFile,
    client.keyFile,
    credentials,
    path.join(folder, 'in.password'),
    path.join(folder, 'out.password'),
  ];
  assert.deepEqual([...files].sort(), expected.sort());
});

test('a configuration file that can not be read is in the list, and a password file that is missing', () => {
  const broken = configFile('a: [\n');
  assert.deepEqual(filesOf(broken), [broken]);
  const missing = path.join(temporaryFolder(), 'missing.yaml');
  assert.deepEqual(filesOf(missing), [missing]);
  const file = configFile('server: 127.0.0.1:1\ncredentials: c.yaml\n');
  const folder = path.dirname(file);
  writeFileSync(path.join(folder, 'c.yaml'), '- {user: a, password-file: p}\n', { mode: 0o600 });
  assert.deepEqual(filesOf(file), [file, path.join(folder, 'c.yaml'), path.join(folder, 'p')]);
});
