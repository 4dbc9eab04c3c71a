/** The articles' puzzle as a table: what each client generation does with its settings, against servers of each kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientSettings, type ServerAsSeen, type Verdict } from '../../../src/doctor/client-settings.js';

const modern: ServerAsSeen = {
  offersTls: true,
  versions: ['TLSv1.2', 'TLSv1.3'],
  requirement: 'NONE',
  acceptsPlaintext: true,
};
const yassl: ServerAsSeen = { ...modern, versions: ['TLSv1'] };

function verdicts(server: ServerAsSeen, client: string): Record<string, Verdict> {
  const rows = clientSettings(server).filter((row) => row.client.startsWith(client));
  return Object.fromEntries(rows.map(({ settings, verdict }) => [settings, verdict]));
}

test('before 5.7.3 --ssl alone is plaintext, and nothing is more than advice', () => {
  assert.deepEqual(verdicts(yassl, 'MySQL 5.5'), {
    '--ssl, or MASTER_SSL=1, alone': 'only seems to work',
    '--ssl-ca': 'only seems to work',
    '--ssl-cert --ssl-key': 'only seems to work',
    '--ssl-ca --ssl-cert --ssl-key': 'only seems to work',
  });
});

test('an account with REQUIRE X509 lets in only who shows a certificate', () => {
  const server = { ...yassl, requirement: 'X509' } as const;
  assert.deepEqual(verdicts(server, 'MySQL 5.5'), {
    '--ssl, or MASTER_SSL=1, alone': 'fails',
    '--ssl-ca': 'fails',
    '--ssl-cert --ssl-key': 'works',
    '--ssl-ca --ssl-cert --ssl-key': 'works',
  });
  assert.deepEqual(verdicts({ ...modern, requirement: 'X509' }, 'MySQL 8'), {
    '--ssl-mode=PREFERRED (the default)': 'fails',
    '--ssl-mode=REQUIRED': 'fails',
    '--ssl-mode=VERIFY_CA --ssl-ca': 'fails',
    '--ssl-mode=VERIFY_IDENTITY --ssl-ca': 'fails',
    '--ssl-mode=VERIFY_IDENTITY --ssl-ca --ssl-cert --ssl-key': 'works',
  });
});

test('from 5.7.3 on --ssl insists, and --ssl-ca alone still does not', () => {
  assert.deepEqual(verdicts(modern, 'MySQL 5.7.3'), { '--ssl': 'works', '--ssl-ca': 'only seems to work' });
  const withoutTls = { ...modern, offersTls: false, versions: undefined };
  assert.deepEqual(verdicts(withoutTls, 'MySQL 5.7.3'), {
    '--ssl': 'fails',
    '--ssl-ca': 'only seems to work',
  });
});

test('REQUIRE SSL turns what only seemed to work into what works', () => {
  const verdict = verdicts({ ...modern, requirement: 'SSL' }, 'MySQL 8')[
    '--ssl-mode=PREFERRED (the default)'
  ];
  assert.equal(verdict, 'works');
});

test('no version in common fails, whatever the settings; without TLS nothing is in common that matters', () => {
  assert.deepEqual(new Set(Object.values(verdicts(yassl, 'MySQL 8'))), new Set(['fails']));
  assert.equal(verdicts(modern, 'MySQL 5.5')['--ssl-ca'], 'fails');
  assert.equal(verdicts(yassl, 'MySQL 5.7.11')['--ssl-mode=REQUIRED'], 'works');
});

test('a server that refuses plaintext ends what only seemed to work', () => {
  const strict = { ...modern, acceptsPlaintext: false };
  assert.equal(verdicts(strict, 'MySQL 5.5')['--ssl, or MASTER_SSL=1, alone'], 'fails');
  const unreachable = { ...strict, offersTls: false, versions: undefined };
  assert.deepEqual(new Set(Object.values(verdicts(unreachable, 'MySQL 8'))), new Set(['fails']));
});
