/** The part of node-forge that reads DER, without the rest, which would cost a running proxy 10 MB. */
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge';

  export default asn1;
}
