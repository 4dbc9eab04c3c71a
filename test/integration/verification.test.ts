/** Which certificates of a real server the proxy accepts, what the client is told of the others, and no harm done. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { issueCertificate, makeCertificates, saveIdentity } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type Account, warmUp } from './accounts.js';
import {
  installAndLetExpire,
  installIdentity,
  makeLists,
  makeServerIdentities,
  type ServerIdentities,
} from './bad-certificates.js';
import {
  assertNothingCounted,
  forgetErrors,
  type StrictServer,
  startStrictServer,
} from './other-loopback.js';
import { startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip } from './real-server.js';

const folder = makeTemporaryFolder();
const certificates = makeCertificates(folder);
const identities = makeServerIdentities(certificates);
const { otherCaFile, crlFile, expiredCrlFile, crlOfOtherCaFile } = makeLists(
  certificates,
  identities.revoked,
  folder,
);
const ca = certificates.ca.certificateFile;
const attempts = 10;

interface Case {
  readonly only?: 'mariadb';
  readonly what: string;
  readonly shows: keyof ServerIdentities;
  readonly trusts: { serverSslCa: string; serverSslCrl?: string };
  /** Undefined: the proxy connects. */
  readonly refusal: Readonly<Record<'VERIFY_CA' | 'VERIFY_IDENTITY', RegExp | undefined>>;
}

const always = (refusal: RegExp | undefined) => ({ VERIFY_CA: refusal, VERIFY_IDENTITY: refusal });
const cases: readonly Case[] = [
  { what: 'a good certificate', shows: 'good', trusts: { serverSslCa: ca }, refusal: always(undefined) },
  {
    what: 'a certificate of another CA',
    shows: 'good',
    trusts: { serverSslCa: otherCaFile },
    refusal: always(
      / is signed by a CA that the proxy does not (know|trust) .* Give the CA .* with --server-ssl-ca/,
    ),
  },
  {
    what: 'a certificate for another name',
    shows: 'otherName',
    trusts: { serverSslCa: ca },
    refusal: {
      VERIFY_CA: undefined,
      VERIFY_IDENTITY:
        / is for another name: .*192\.0\.2\.1.*\. Connect to a name that the certificate contains/,
    },
  },
  {
    what: 'an expired certificate',
    shows: 'expired',
    trusts: { serverSslCa: ca },
    refusal: always(/ has expired .* Renew the certificate of the server\./),
  },
  {
    what: 'a certificate of the future',
    // MySQL 9 does not start with one.
    only: 'mariadb',
    shows: 'notYetValid',
    trusts: { serverSslCa: ca },
    refusal: always(/ is not valid yet .* Check the clocks of both machines/),
  },
  {
    what: 'a self-signed certificate',
    shows: 'selfSigned',
    trusts: { serverSslCa: ca },
    refusal: always(/ is self-signed .* Give that very certificate with --server-ssl-ca/),
  },
  {
    what: 'a revoked certificate',
    shows: 'revoked',
    trusts: { serverSslCa: ca, serverSslCrl: crlFile },
    refusal: always(/ is revoked .* the list in --server-ssl-crl names it as revoked\./),
  },
  {
    what: 'a revoked certificate, without the list',
    shows: 'revoked',
    trusts: { serverSslCa: ca },
    refusal: always(undefined),
  },
  {
    what: 'a good certificate with a list that does not name it',
    shows: 'good',
    trusts: { serverSslCa: ca, serverSslCrl: crlFile },
    refusal: always(undefined),
  },
  {
    what: 'a good certificate with an expired list',
    shows: 'good',
    trusts: { serverSslCa: ca, serverSslCrl: expiredCrlFile },
    refusal: always(/ the revocation list has expired .* Give with --server-ssl-crl a current list/),
  },
  {
    what: 'a good certificate with the list of another CA',
    shows: 'good',
    trusts: { serverSslCa: ca, serverSslCrl: crlOfOtherCaFile },
    refusal: always(
      / is of a CA that has no list in --server-ssl-crl .* Give with --server-ssl-crl a current list/,
    ),
  },
];

interface Setup extends StrictServer {
  readonly files: { ca: string; cert: string; key: string };
  shown: keyof ServerIdentities;
}

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(nameOf[kind], () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (!isUnavailable(setup)) await setup.close();
    });

    for (const { what, shows, trusts, refusal, only } of cases) {
      if (only !== undefined && only !== kind) continue;
      for (const serverSslMode of ['VERIFY_CA', 'VERIFY_IDENTITY'] as const) {
        const expected = refusal[serverSslMode];
        test(`${serverSslMode} ${expected === undefined ? 'accepts' : 'refuses'} ${what}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          await show(ready, shows);
          if (expected === undefined) return assertLetsIn(ready, { serverSslMode, ...trusts });
          await assertRefuses(ready, { serverSslMode, ...trusts }, expected);
        });
      }
    }

    test('REQUIRED accepts any certificate', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      for (const shows of ['good', 'otherName', 'selfSigned', 'revoked'] as const) {
        await show(ready, shows);
        await assertLetsIn(ready, { serverSslMode: 'REQUIRED' });
      }
    });

    test('a TLS session from before does not let a certificate in that came later', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      await show(ready, 'good');
      const proxy = await startProxyUnderTest({ ...toServer(ready), serverSslCa: ca });
      t.after(() => proxy.close());
      for (let i = 0; i < 3; i++) await login(proxy, ready.account);
      const resumed = proxy.established.map(({ serverTls }) => serverTls.resumed);
      assert.deepEqual(resumed, [false, true, true]);
      await show(ready, 'otherName');
      await assert.rejects(login(proxy, ready.account), { errno: 2026, message: / is for another name: / });
      await show(ready, 'good');
      await login(proxy, ready.account);
    });

    test('a client certificate that the server does not trust is named as the cause', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      await show(ready, 'good');
      const stranger = saveIdentity(
        issueCertificate({ commonName: 'Stranger', purpose: 'client' }),
        path.join(folder, 'stranger.pem'),
        path.join(folder, 'stranger-key.pem'),
      );
      const keyPair = { serverSslCert: stranger.certificateFile, serverSslKey: stranger.keyFile };
      const proxy = await startProxyUnderTest({ ...toServer(ready), serverSslCa: ca, ...keyPair });
      t.after(() => proxy.close());
      await assert.rejects(login(proxy, ready.account), {
        errno: 2026,
        message:
          /server leg: .* does not trust the CA of the client certificate .* Give with --server-ssl-cert a certificate of the CA/,
      });
    });
  });
}

/** Makes the server show a certificate, and forget what it has against the proxy's host. */
async function show(setup: Setup, which: keyof ServerIdentities): Promise<void> {
  const { server, files } = setup;
  const takesTime = which === 'expired' && server.kind === 'mysql9';
  if (!takesTime) await installIdentity(server, files, identities[which]);
  else if (setup.shown !== which) await installAndLetExpire(server, files, certificates.ca);
  setup.shown = which;
  await forgetErrors(server);
}

function toServer({ detour }: Setup): ProxyOptions {
  return { server: `${detour.host}:${detour.port}` };
}

async function login({ host, port }: { host: string; port: number }, account: Account): Promise<void> {
  const connection = await createConnection({ host, port, ...account });
  await connection.end();
}

async function assertLetsIn(setup: Setup, options: ProxyOptions): Promise<void> {
  const proxy = await startProxyUnderTest({ ...toServer(setup), ...options });
  try {
    await login(proxy, setup.account);
    assert.match(proxy.established[0]?.serverTls.version ?? '', /^TLSv1\.3$/);
  } finally {
    await proxy.close();
  }
}

async function assertRefuses(setup: Setup, options: ProxyOptions, reason: RegExp): Promise<void> {
  const proxy = await startProxyUnderTest({ ...toServer(setup), ...options });
  try {
    for (let i = 0; i < attempts; i++) {
      await assert.rejects(
        login(proxy, setup.account),
        (error: Error & { errno: number; sqlState: string }) => {
          assert.equal(error.errno, 2026);
          assert.equal(error.sqlState, 'HY000');
          assert.match(error.message, /^mysql-tls-proxy, server leg: /);
          assert.match(error.message, reason);
          return true;
        },
      );
    }
    assert.equal(proxy.established.length, 0);
    await proxy.quiet();
  } finally {
    await proxy.close();
  }
  await assertNothingCounted(setup.server);
}

async function prepare(kind: 'mysql9' | 'mariadb'): Promise<Setup | Unavailable> {
  const { serverTls } = certificates;
  const files = { ca, cert: path.join(folder, `${kind}.pem`), key: path.join(folder, `${kind}-key.pem`) };
  copyFileSync(serverTls.cert, files.cert);
  copyFileSync(serverTls.key, files.key);
  const started = await startStrictServer(kind, { tls: files });
  if (isUnavailable(started)) return started;
  if (kind === 'mysql9') await warmUp(started.server, started.account, certificates);
  return { ...started, files, shown: 'good' };
}
