/** Certificates that a server may show and a verifying proxy must not accept, and how a running server takes them. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Identity,
  issueCertificate,
  loopbackNames,
  type TestCertificates,
} from '../support/certificates.js';
import { makeCrl } from '../support/revocation-list.js';
import type { RealServer } from '../support/servers.js';

const dayMs = 24 * 60 * 60 * 1000;

/** `good` is the server's own; a CRL of the same CA names `revoked`. */
export interface ServerIdentities {
  readonly good: Identity;
  readonly otherName: Identity;
  readonly expired: Identity;
  readonly notYetValid: Identity;
  readonly selfSigned: Identity;
  readonly revoked: Identity;
}

export interface Lists {
  readonly otherCaFile: string;
  readonly crlFile: string;
  readonly expiredCrlFile: string;
  readonly crlOfOtherCaFile: string;
}

export function makeServerIdentities({ ca, server }: TestCertificates): ServerIdentities {
  const common = { commonName: 'Test server', purpose: 'server', issuer: ca, names: loopbackNames } as const;
  const fromNow = (days: number) => new Date(Date.now() + days * dayMs);
  return {
    good: server,
    otherName: issueCertificate({ ...common, names: ['db.example', '192.0.2.1'] }),
    expired: issueCertificate({ ...common, validFrom: fromNow(-20), validTo: fromNow(-10) }),
    notYetValid: issueCertificate({ ...common, validFrom: fromNow(10), validTo: fromNow(20) }),
    selfSigned: issueCertificate({ commonName: 'Test server', purpose: 'server', names: loopbackNames }),
    revoked: issueCertificate(common),
  };
}

export function makeLists({ ca }: TestCertificates, revoked: Identity, folder: string): Lists {
  const otherCa = issueCertificate({ commonName: 'Another CA', purpose: 'ca' });
  const past = { from: new Date(Date.now() - 20 * dayMs), to: new Date(Date.now() - 10 * dayMs) };
  const save = (name: string, pem: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, pem);
    return file;
  };
  return {
    otherCaFile: save('other-ca.pem', otherCa.certificate),
    crlFile: save('crl.pem', makeCrl(ca, [revoked.serialNumber])),
    expiredCrlFile: save('expired-crl.pem', makeCrl(ca, [revoked.serialNumber], past)),
    crlOfOtherCaFile: save('crl-of-other-ca.pem', makeCrl(otherCa, [])),
  };
}

/** Overwrites the files that the server was started with, and makes it read them. */
export async function installIdentity(
  server: RealServer,
  files: { cert: string; key: string },
  identity: Identity,
): Promise<void> {
  writeFileSync(files.cert, identity.certificate);
  writeFileSync(files.key, identity.key);
  await server.sql(server.kind === 'mariadb' ? 'FLUSH SSL' : 'ALTER INSTANCE RELOAD TLS');
}

/** For MySQL 9, which takes no certificate that has expired already. */
export async function installAndLetExpire(
  server: RealServer,
  files: { cert: string; key: string },
  issuer: Identity,
): Promise<void> {
  for (let lifetimeMs = 2_000; ; lifetimeMs *= 2) {
    // The certificate holds whole seconds.
    const validTo = new Date(Math.ceil((Date.now() + lifetimeMs) / 1000) * 1000);
    const common = { commonName: 'Test server', purpose: 'server', names: loopbackNames } as const;
    const identity = issueCertificate({ ...common, issuer, validTo });
    try {
      await installIdentity(server, files, identity);
    } catch (error) {
      const cameTooLate = Date.now() > validTo.getTime();
      if (cameTooLate) continue;
      throw error;
    }
    await delay(validTo.getTime() + 1_000 - Date.now());
    return;
  }
}
