/** Two chains for the client leg, so that a client that verifies tells by its success which certificate it was shown. */
import path from 'node:path';
import {
  issueCertificate,
  loopbackNames,
  makeCertificates,
  type SavedIdentity,
  saveIdentity,
  type TestCertificates,
} from '../support/certificates.js';

export interface CompatibilityCertificates {
  /** Of the servers, and the proxy's key pair toward them. */
  readonly serverLeg: TestCertificates;
  /** ECDSA, of a CA that only the new clients trust. */
  readonly forNewClients: { readonly ca: SavedIdentity; readonly proxy: SavedIdentity };
  /** RSA, of a CA that only the old clients trust, and that signed the replica's own key pair. */
  readonly forOldClients: {
    readonly ca: SavedIdentity;
    readonly proxy: SavedIdentity;
    readonly client: SavedIdentity;
  };
}

export function makeCompatibilityCertificates(folder: string): CompatibilityCertificates {
  const newCa = issueCertificate({ commonName: 'CA of the new clients', purpose: 'ca' });
  const oldCa = issueCertificate({ commonName: 'CA of the old clients', purpose: 'ca' });
  // yaSSL compares the name of the host with the common name and nothing else.
  const proxy = { commonName: '127.0.0.1', purpose: 'server', names: loopbackNames } as const;
  const ecdsa = issueCertificate({ ...proxy, issuer: newCa, keyType: 'ec' });
  const rsa = issueCertificate({ ...proxy, issuer: oldCa, keyType: 'rsa' });
  const client = issueCertificate({ commonName: 'Old replica', purpose: 'client', issuer: oldCa });
  const save = (identity: typeof rsa, name: string): SavedIdentity =>
    saveIdentity(identity, path.join(folder, `${name}.pem`), path.join(folder, `${name}-key.pem`));
  return {
    serverLeg: makeCertificates(path.join(folder, 'server-leg')),
    forNewClients: { ca: save(newCa, 'new-ca'), proxy: save(ecdsa, 'proxy-ecdsa') },
    forOldClients: {
      ca: save(oldCa, 'old-ca'),
      proxy: save(rsa, 'proxy-rsa'),
      client: save(client, 'old-replica'),
    },
  };
}
