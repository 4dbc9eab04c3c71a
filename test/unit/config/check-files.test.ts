import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { issueCertificate, makeCertificates, saveIdentity } from '../../support/certificates.js';
import { makeCrl } from '../../support/revocation-list.js';
import { flagProblems, flagWarnings, temporaryFolder } from './problems.js';

const folder = temporaryFolder();
const { ca, server, client } = makeCertificates(folder);

function write(name: string, text: string, mode = 0o600): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const encrypted = (type: 'pkcs1' | 'pkcs8') =>
  createPrivateKey(client.key)
    .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'correct horse' })
    .toString();
const encryptedKey = write('encrypted.pem', encrypted('pkcs8'));
const oldEncryptedKey = write('old-encrypted.pem', encrypted('pkcs1'));
const passphrase = write('passphrase', 'correct horse\n');
const garbage = write('garbage.pem', 'hello\n');
const brokenCertificate = write(
  'broken.pem',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
);
const brokenKey = write('broken-key.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
const bundle = write('bundle.pem', `${ca.certificate}\n# another\n${server.certificate}`);
const halfBroken = write(
  'half-broken.pem',
  `${ca.certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
);
const ecKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const shortKeys = generateKeyPairSync('rsa', { modulusLength: 1024 });
const pssKeys = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
const pem = (key: KeyObject) =>
  key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }).toString();
const crl = write('crl.pem', makeCrl(ca, []));
const otherKey = write('other-key.pem', server.key);
mkdirSync(path.join(folder, 'directory'));

/** Root may read everything, so for it the test becomes someone else for a moment. */
function asUnprivilegedUser<Result>(action: () => Result): Result {
  const user = process.geteuid?.();
  if (user !== 0) return action();
  process.seteuid?.(65534);
  try {
    return action();
  } finally {
    process.seteuid?.(user);
  }
}

const now = Date.now();
const day = 24 * 60 * 60 * 1000;
function certificateValid(name: string, from: number, to: number) {
  const identity = issueCertificate({
    commonName: name,
    purpose: 'server',
    issuer: ca,
    validFrom: new Date(now + from * day),
    validTo: new Date(now + to * day),
  });
  return saveIdentity(identity, path.join(folder, `${name}.pem`), path.join(folder, `${name}-key.pem`));
}

const pair = (certificate: string, key: string) => ({
  'server-ssl-cert': certificate,
  'server-ssl-key': key,
});
const clientPair = (certificate: string, key: string) => ({
  'client-ssl-cert': certificate,
  'client-ssl-key': key,
});
const at = (name: string) => path.join(folder, name);

const refused: readonly [what: string, flags: Record<string, unknown>, problem: RegExp][] = [
  [
    'a file that is missing',
    { 'server-ssl-ca': at('none.pem') },
    /^flag --server-ssl-ca: "\/.*none\.pem" does not exist; correct the path$/,
  ],
  [
    'a file below a file',
    { 'server-ssl-ca': `${garbage}/x` },
    /--server-ssl-ca: ".*garbage\.pem\/x" does not exist; correct the path$/,
  ],
  [
    'a folder',
    { 'server-ssl-ca': at('directory') },
    /--server-ssl-ca: ".*directory" is not a regular file; name a file$/,
  ],
  [
    'a CA file without certificates',
    { 'server-ssl-ca': garbage },
    /--server-ssl-ca: ".*garbage\.pem" holds no certificate in PEM form; give a PEM file .openssl x509/,
  ],
  [
    'a CA file that is a key',
    { 'server-ssl-ca': client.keyFile },
    /holds no certificate in PEM form but a private key; are certificate and key swapped\?$/,
  ],
  [
    'a broken certificate',
    { 'server-ssl-ca': brokenCertificate },
    /--server-ssl-ca: certificate 1 in ".*broken\.pem" is unusable: /,
  ],
  [
    'a broken second certificate',
    { 'server-ssl-ca': halfBroken },
    /certificate 2 in ".*half-broken\.pem" is unusable/,
  ],
  [
    'a key that is missing',
    pair(client.certificateFile, at('none.pem')),
    /^flag --server-ssl-key: ".*none\.pem" does not exist; correct the path$/,
  ],
  [
    'a key file without key',
    pair(client.certificateFile, garbage),
    /--server-ssl-key: ".*garbage\.pem" holds no private key in PEM form; give a PEM file$/,
  ],
  [
    'a certificate as key',
    pair(client.certificateFile, client.certificateFile),
    /--server-ssl-key: .*but a certificate; are certificate and key swapped\?$/,
  ],
  [
    'a broken key',
    pair(client.certificateFile, brokenKey),
    /--server-ssl-key: ".*broken-key\.pem" is not a usable private key: /,
  ],
  [
    'a key of another certificate',
    pair(client.certificateFile, otherKey),
    /^flag --server-ssl-key: does not belong to the certificate in --server-ssl-cert; give the matching one$/,
  ],
  [
    'a key of another certificate for clients',
    clientPair(server.certificateFile, client.keyFile),
    /^flag --client-ssl-key: does not belong to the certificate in --client-ssl-cert/,
  ],
  [
    'an encrypted key',
    pair(client.certificateFile, encryptedKey),
    /--server-ssl-key: ".*encrypted\.pem" is encrypted; give its passphrase with --server-ssl-key-passphrase-file$/,
  ],
  [
    'an encrypted key of the old form',
    pair(client.certificateFile, oldEncryptedKey),
    /is encrypted; give its passphrase/,
  ],
  [
    'an encrypted key for clients',
    clientPair(client.certificateFile, encryptedKey),
    /--client-ssl-key: .* is encrypted; decrypt it with: openssl pkey/,
  ],
  [
    'a wrong passphrase',
    {
      ...pair(client.certificateFile, encryptedKey),
      'server-ssl-key-passphrase-file': write('wrong', 'battery staple\n'),
    },
    /^flag --server-ssl-key: ".*encrypted\.pem" can't be decrypted with the passphrase in --server-ssl-key-passphrase-file; correct that file$/,
  ],
  [
    'an empty passphrase file',
    { ...pair(client.certificateFile, encryptedKey), 'server-ssl-key-passphrase-file': write('empty', '\n') },
    /^flag --server-ssl-key-passphrase-file: ".*empty" is empty; write the passphrase into its first line$/,
  ],
  [
    'an empty password file of health checks',
    { 'health-check-user': 'monitor', 'health-check-password-file': write('no-password', '\n') },
    /^flag --health-check-password-file: ".*no-password" is empty; write the password into its first line$/,
  ],
  [
    'a password file of health checks that others can read',
    { 'health-check-user': 'monitor', 'health-check-password-file': write('open', 'secret\n', 0o644) },
    /^flag --health-check-password-file: ".*open" can be read or written by other users.*chmod 600/,
  ],
  [
    'an RSA key that is missing',
    { 'rsa-private-key': at('none.pem') },
    /^flag --rsa-private-key: ".*none\.pem" does not exist; correct the path$/,
  ],
  [
    'a public key in place of the RSA key',
    { 'rsa-private-key': write('public.pem', pem(shortKeys.publicKey)) },
    /^flag --rsa-private-key: .* holds no private key in PEM form but a public key; give the private key/,
  ],
  [
    'an encrypted RSA key',
    { 'rsa-private-key': encryptedKey },
    /^flag --rsa-private-key: ".*encrypted\.pem" is encrypted; decrypt it with: openssl pkey/,
  ],
  [
    'a broken RSA key',
    { 'rsa-private-key': brokenKey },
    /^flag --rsa-private-key: .* not a usable private key/,
  ],
  [
    'a key of an elliptic curve in place of the RSA key',
    { 'rsa-private-key': write('ec.pem', pem(ecKeys.privateKey)) },
    /^flag --rsa-private-key: ".*ec\.pem" is not an RSA key \(ec\); make one with: openssl genrsa/,
  ],
  [
    'an RSA key that can only sign',
    { 'rsa-private-key': write('pss.pem', pem(pssKeys.privateKey)) },
    /is not an RSA key \(rsa-pss\)/,
  ],
  [
    'a short RSA key',
    { 'rsa-private-key': write('short.pem', pem(shortKeys.privateKey)) },
    /^flag --rsa-private-key: ".*short\.pem" has 1024 bit, and it must have 2048 to 4096; make one with: openssl/,
  ],
  [
    'a CRL that is none',
    { 'server-ssl-crl': ca.certificateFile },
    /^flag --server-ssl-crl: ".*ca\.pem" holds no certificate revocation list in PEM form; give the list of the CA as PEM/,
  ],
];

describe('files that are unusable', () => {
  for (const [what, flags, pattern] of refused) {
    it(`are refused: ${what}`, () => {
      const problems = flagProblems(flags);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', pattern);
    });
  }

  it('are refused: one that may not be read', () => {
    const file = write('forbidden.pem', ca.certificate, 0o000);
    const problems = asUnprivilegedUser(() => flagProblems({ 'server-ssl-ca': file }));
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /"\/.*forbidden\.pem" can't be read by the user that runs the proxy; change its owner or mode$/,
    );
  });

  it('never let a passphrase through that was given in place of its file', () => {
    const problems = flagProblems({
      ...pair(client.certificateFile, encryptedKey),
      'server-ssl-key-passphrase-file': 'hunter2',
    });
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^flag --server-ssl-key-passphrase-file: the file \(not named here.*does not exist; correct the path$/,
    );
    assert.doesNotMatch(problems.join(), /hunter2/);
  });
});

describe('files that are usable', () => {
  const usable: readonly [what: string, flags: Record<string, unknown>][] = [
    ['a key pair', pair(client.certificateFile, client.keyFile)],
    ['several CA certificates with text between', { 'server-ssl-ca': bundle }],
    ['an RSA key', { 'rsa-private-key': server.keyFile }],
    ['a CRL', { 'server-ssl-crl': crl }],
    [
      'an encrypted key with its passphrase',
      { ...pair(client.certificateFile, encryptedKey), 'server-ssl-key-passphrase-file': passphrase },
    ],
    [
      'an encrypted key of the old form',
      { ...pair(client.certificateFile, oldEncryptedKey), 'server-ssl-key-passphrase-file': passphrase },
    ],
  ];
  for (const [what, flags] of usable) {
    it(`are taken: ${what}`, () => assert.deepEqual(flagWarnings(flags), []));
  }
});

describe('files that are questionable', () => {
  const readable = write('readable-key.pem', client.key, 0o640);
  const readablePassphrase = write('readable-passphrase', 'correct horse', 0o604);
  const expired = certificateValid('expired', -20, -10);
  const future = certificateValid('future', 10, 20);
  const warned: readonly [what: string, flags: Record<string, unknown>, warning: RegExp][] = [
    [
      'a key that the group can read',
      pair(client.certificateFile, readable),
      /^flag --server-ssl-key: ".*readable-key\.pem" can be read by other users of this machine; chmod 600/,
    ],
    [
      'a passphrase that others can read',
      { ...pair(client.certificateFile, encryptedKey), 'server-ssl-key-passphrase-file': readablePassphrase },
      /^flag --server-ssl-key-passphrase-file: ".*" can be read by other users/,
    ],
    [
      'an RSA key that the group can read',
      { 'rsa-private-key': readable },
      /^flag --rsa-private-key: ".*readable-key\.pem" can be read by other users of this machine; chmod 600/,
    ],
    [
      'an expired certificate',
      clientPair(expired.certificateFile, expired.keyFile),
      /^flag --client-ssl-cert: the certificate expired on /,
    ],
    [
      'a certificate of the future',
      clientPair(future.certificateFile, future.keyFile),
      /^flag --client-ssl-cert: the certificate is valid only from /,
    ],
    [
      'a CRL that is not used',
      { 'server-ssl-mode': 'REQUIRED', 'server-ssl-crl': crl },
      /^flag --server-ssl-crl: is not used/,
    ],
  ];
  for (const [what, flags, pattern] of warned) {
    it(`are warned of: ${what}`, () => {
      const warnings = flagWarnings(flags);
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(warnings[0] ?? '', pattern);
    });
  }
});
