/** What node-forge has, and its types lack. */
import type {} from 'node-forge';

declare module 'node-forge' {
  namespace pki {
    /** The part of a certificate that is signed. */
    function getTBSCertificate(certificate: Certificate): asn1.Asn1;
  }
}
