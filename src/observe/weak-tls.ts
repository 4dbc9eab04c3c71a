/** What a TLS connection can have that is weak, in one table: the label of the metric, and the words of the log. */

export interface WeaknessDefinition {
  /** What is weak, as the end of "weak TLS on the … leg: …". */
  readonly what: string;
  /** One sentence a leg. Undefined: it can not occur there. */
  readonly cure: { readonly client: string | undefined; readonly server: string };
}

/** Keys are label values of `weak_tls_connections_total`. */
export const weakTls = {
  old_version: {
    what: 'a version older than TLSv1.2 (RFC 8996)',
    cure: {
      client: 'Update the client library; when none is left, set --client-tls-profile intermediate.',
      server: 'Update the server; then set --server-tls-profile intermediate.',
    },
  },
  rsa_key_exchange: {
    what: 'keys exchanged with RSA',
    cure: {
      client: 'Update the client library, or leave kRSA out of --client-ssl-cipher.',
      server: 'Let the server offer ECDHE, or leave kRSA out of --server-ssl-cipher.',
    },
  },
  no_forward_secrecy: {
    what: 'no forward secrecy: whoever gets the private key can read what was recorded before',
    cure: {
      client: 'Update the client library, or allow only ECDHE in --client-ssl-cipher.',
      server: 'Let the server offer ECDHE, or allow only that in --server-ssl-cipher.',
    },
  },
  cbc: {
    what: 'a cipher in CBC mode',
    cure: {
      client: 'Update the client library, or allow only AESGCM and CHACHA20 in --client-ssl-cipher.',
      server: 'Let the server offer AES-GCM, or allow only AESGCM and CHACHA20 in --server-ssl-cipher.',
    },
  },
  no_encryption: {
    what: 'a cipher that encrypts nothing',
    cure: {
      client: 'Take NULL ciphers out of --client-ssl-cipher.',
      server: 'Take NULL ciphers out of --server-ssl-cipher.',
    },
  },
  sha1_signature: {
    what: 'a certificate signed with SHA-1 or MD5',
    cure: {
      client:
        'Replace the certificate of --client-ssl-cert, or that of the client, by one signed with SHA-256.',
      server: 'Replace the certificate of the server by one signed with SHA-256.',
    },
  },
  short_key: {
    what: 'a certificate whose RSA key is shorter than 2048 bit, or EC key than 224 bit',
    cure: {
      client:
        'Replace the certificate of --client-ssl-cert, or that of the client, by one with a longer key.',
      server: 'Replace the certificate of the server by one with a longer key.',
    },
  },
  unverified: {
    what: 'a certificate of the server that is not verified',
    cure: {
      client: undefined,
      server: 'Set --server-ssl-mode VERIFY_IDENTITY, and give the CA with --server-ssl-ca.',
    },
  },
} as const satisfies Record<string, WeaknessDefinition>;

export type TlsWeakness = keyof typeof weakTls;

export function weaknessesOfLeg(leg: 'client' | 'server'): readonly TlsWeakness[] {
  return (Object.keys(weakTls) as TlsWeakness[]).filter(
    (weakness) => weakTls[weakness].cure[leg] !== undefined,
  );
}
