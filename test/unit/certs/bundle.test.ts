import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { bundleAdvice, bundleOf, checkBundleFile } from '../../../src/certs/bundle.js';
import { type Identity, issueCertificate } from '../../support/certificates.js';

const top = mkdtempSync(path.join(tmpdir(), 'bundle-'));
after(() => rmSync(top, { recursive: true }));
const ca = issueCertificate({ commonName: 'CA', purpose: 'ca' });
const client = issueCertificate({ commonName: 'client', purpose: 'client', issuer: ca });
const server = issueCertificate({ commonName: 'server', purpose: 'server', issuer: ca });

function folderWith(serverText: string, ...authority: Identity[]): string {
  const folder = mkdtempSync(path.join(top, 'f-'));
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  write('server-cert.pem', serverText);
  write('client-cert.pem', client.certificate + client.key);
  for (const { certificate } of authority) write('ca.pem', certificate);
  return folder;
}

test('server, client, CA, in this order, and never a key', () => {
  const bundle = bundleOf(folderWith(server.key + server.certificate, ca));
  assert.equal(bundle.pem, server.certificate + client.certificate + ca.certificate);
  assert.deepEqual(bundle.holds, ['server-cert.pem', 'client-cert.pem', 'ca.pem']);
  assert.equal(bundle.worksForAll, true);
});

test('intermediate CAs are part of it, and count', () => {
  const middle = issueCertificate({ commonName: 'Middle', purpose: 'ca', issuer: ca });
  const leaf = issueCertificate({ commonName: 'server', purpose: 'server', issuer: middle });
  const whole = bundleOf(folderWith(leaf.certificate + middle.certificate, ca));
  assert.equal(whole.pem, leaf.certificate + client.certificate + middle.certificate + ca.certificate);
  assert.equal(whole.worksForAll, true);
  assert.equal(bundleOf(folderWith(leaf.certificate + middle.certificate)).worksForAll, false);
  assert.equal(bundleOf(folderWith(leaf.certificate, ca)).worksForAll, false);
});

test('a private key is not the place for it', () => {
  const folder = folderWith(server.key + server.certificate, ca);
  assert.throws(() => checkBundleFile(path.join(folder, 'server-cert.pem')), {
    message: /holds a private key; choose/,
  });
  checkBundleFile(path.join(folder, 'ca.pem'));
  checkBundleFile(path.join(folder, 'new.pem'));
});

test('it says whom it works for', () => {
  const adviceFor = (identity: Identity, ...authority: Identity[]) =>
    bundleAdvice('/b.pem', bundleOf(folderWith(identity.certificate, ...authority)));
  assert.match(adviceFor(server, ca), /It works for the clients of MySQL 5\.6/);
  assert.match(adviceFor(server), /neither yaSSL .* nor OpenSSL/);
  const other = issueCertificate({ commonName: 'CA', purpose: 'ca' });
  assert.match(adviceFor(server, other), /neither yaSSL .* nor OpenSSL/);
  const sameName = issueCertificate({ commonName: 'CA', purpose: 'server', issuer: ca });
  assert.match(adviceFor(sameName, ca), /same name as its CA/);
  const selfSigned = issueCertificate({ commonName: 'server', purpose: 'server' });
  assert.match(adviceFor(selfSigned), /It works for the clients of MySQL 5\.6/);
});

test('a missing certificate is named', () => {
  const folder = folderWith(server.certificate, ca);
  rmSync(path.join(folder, 'client-cert.pem'));
  assert.throws(() => bundleOf(folder), { message: /client-cert\.pem" does not exist/ });
});
