/** What is read from SHOW CREATE USER and SHOW GRANTS, as real servers word them; nothing of the hashes in them is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requirementIn } from '../../../src/doctor/login.js';

const hash = '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19';
const statements: readonly [statement: string, requirement: string | undefined, specified?: string][] = [
  [
    "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x' REQUIRE NONE PASSWORD EXPIRE DEFAULT",
    'NONE',
  ],
  [
    "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' REQUIRE SSL PASSWORD EXPIRE DEFAULT",
    'SSL',
  ],
  [`CREATE USER \`app\`@\`%\` IDENTIFIED BY PASSWORD '${hash}' REQUIRE X509`, 'X509'],
  [`CREATE USER \`app\`@\`%\` IDENTIFIED BY PASSWORD '${hash}'`, 'NONE'],
  [`GRANT USAGE ON *.* TO 'app'@'%' IDENTIFIED BY PASSWORD '${hash}' REQUIRE X509`, 'X509'],
  [
    "CREATE USER `app`@`%` REQUIRE SUBJECT '/CN=client' ISSUER '/CN=it''s us' PASSWORD EXPIRE DEFAULT",
    'SPECIFIED',
    "SUBJECT '/CN=client' ISSUER '/CN=it''s us'",
  ],
  [
    "CREATE USER `app`@`%` REQUIRE CIPHER 'TLS_AES_128_GCM_SHA256'",
    'SPECIFIED',
    "CIPHER 'TLS_AES_128_GCM_SHA256'",
  ],
  ['', undefined],
];

for (const [statement, requirement, specified = ''] of statements) {
  test(statement.replace(hash, '…') || 'nothing', () => {
    assert.deepEqual(requirementIn(statement), { requirement, specified });
  });
}
