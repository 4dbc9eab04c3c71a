import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHosts } from '../../../src/certs/host-names.js';
import { optionFileValue, shellWord, usageAdvice } from '../../../src/certs/usage-advice.js';
import { run } from '../../support/run.js';

test('a shell takes any path for one word', async () => {
  for (const text of ['/a/b-c_d.pem', '/a b', "/it's", '/$HOME', '/`x`', '/a"b', '/a\\b', '/*', '/ü']) {
    const { stdout } = await run('sh', ['-c', `printf '%s|' ${shellWord(text)}`]);
    assert.equal(stdout, `${text}|`);
  }
  assert.equal(shellWord('/a/b-c_d.pem'), '/a/b-c_d.pem');
});

test('values for option files are quoted where they must be', () => {
  assert.equal(optionFileValue('/a/b.pem'), '/a/b.pem');
  assert.equal(optionFileValue('/a #b/c.pem'), '"/a #b/c.pem"');
  assert.equal(optionFileValue('/a\\s/c.pem'), '"/a\\\\s/c.pem"');
});

test('the command names a host of the certificate', () => {
  const serverIn = (...hosts: string[]) =>
    /--server (\S+)/.exec(usageAdvice('/certs', readHosts(hosts)))?.[1];
  assert.equal(serverIn('*.example.com', 'db.example.com'), 'db.example.com');
  assert.equal(serverIn('2001:db8::1'), "'[2001:db8::1]'");
  assert.equal(serverIn('*.example.com'), 'HOST');
});
