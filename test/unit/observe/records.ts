import {
  type ConnectionRecord,
  newConnectionRecord,
  type Observer,
  type TlsDescription,
} from '../../../src/observe/events.js';

let lastId = 0;

export function connectionRecord(fields: Partial<ConnectionRecord> = {}): ConnectionRecord {
  lastId += 1;
  const known = { id: lastId, route: 'default', clientAddress: '203.0.113.7:51234' };
  return { ...newConnectionRecord(known), ...fields };
}

/** As the proxy does when a login is accepted. */
export function establish(observer: Observer, connection: ConnectionRecord): void {
  connection.isSession = true;
  observer.established?.(connection);
}

export const tls13: TlsDescription = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  resumed: true,
  weaknesses: [],
  peerSubject: 'CN=db',
  handshakeSeconds: 0.003,
};

export const tls10: TlsDescription = {
  version: 'TLSv1',
  cipher: 'AES256-SHA',
  resumed: false,
  weaknesses: [],
  peerSubject: '',
  handshakeSeconds: 0.2,
};

export const weakTls10: TlsDescription = {
  ...tls10,
  weaknesses: ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc'],
};
