import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionFilters } from '../../../../src/observe/page/browser/filters.js';

const tls12 = { client_tls_version: 'TLSv1.2', client_cipher: 'A' };

test('a segment replaces another one of its leg, and nothing else', () => {
  connectionFilters.read('route=shop&search=x&server_tls_version=TLSv1.3');
  connectionFilters.toggleSegment(tls12);
  connectionFilters.toggleSegment({ client_tls_version: 'none' });
  assert.equal(
    connectionFilters.query(),
    'route=shop&server_tls_version=TLSv1.3&client_tls_version=none&search=x',
  );
  connectionFilters.toggleSegment({ route: 'reports' });
  assert.equal(connectionFilters.fields.get('route'), 'reports');
  assert.equal(connectionFilters.fields.get('client_tls_version'), 'none');
});

test('a segment that is on goes off, with version and cipher', () => {
  connectionFilters.read('');
  connectionFilters.toggleSegment(tls12);
  connectionFilters.toggleSegment({ client_tls_version: 'TLSv1.2' });
  assert.equal(connectionFilters.query(), '');
});

test('values of details are added to what is there', () => {
  connectionFilters.read('client_cipher=A');
  connectionFilters.toggle({ client_tls_version: 'TLSv1.2' });
  assert.equal(connectionFilters.query(), 'client_cipher=A&client_tls_version=TLSv1.2');
});
