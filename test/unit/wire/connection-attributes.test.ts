/** Attributes are put together by hand here, so that a fault in the encoder can't hide in the decoder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ConnectionAttributes,
  clientProgram,
  decodeAttributes,
  withAttributes,
} from '../../../src/wire/connection-attributes.js';
import { decodeGreeting } from '../../../src/wire/greeting.js';
import { decodeLogin } from '../../../src/wire/login.js';
import { greetingOf, loadLogins, loginOf } from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';
import { attribute, attributesField, lengthEncoded } from '../../support/packets.js';

const NAMES = ['_client_ssl_version', '_client_ip'];
const ADDED = [
  ['_client_ssl_version', 'TLSv1'],
  ['_client_ip', '192.0.2.7'],
] as const;
const addedBytes = Buffer.from('\x13_client_ssl_version\x05TLSv1\x0a_client_ip\x09192.0.2.7', 'latin1');
const os = attribute('_os', 'Linux');

function decoded(tail: Buffer): ConnectionAttributes {
  const attributes = decodeAttributes(tail);
  assert.ok(attributes, `${tail.length} bytes hold no attributes`);
  return attributes;
}

const pairsOf = ({ read }: ConnectionAttributes) =>
  read.map(({ name, value }) => [name.toString('latin1'), value.toString('latin1')]);

const withAdded = (tail: Buffer) => withAttributes(decoded(tail), NAMES, ADDED);

test('names, values, and what stands behind the field', () => {
  const attributes = decoded(Buffer.from('\x09\x03_os\x04beos\x07rest', 'latin1'));
  assert.deepEqual(pairsOf(attributes), [['_os', 'beos']]);
  assert.deepEqual(attributes.unread, Buffer.alloc(0));
  assert.deepEqual(attributes.rest, Buffer.from('\x07rest'));
});

test('an empty field has no attributes; no field, and one that is cut short at any byte, is none', () => {
  assert.deepEqual(pairsOf(decoded(Buffer.from([0]))), []);
  const tail = attributesField([os, attribute('program_name', 'x'.repeat(300))]);
  for (const cut of truncations(tail)) assert.equal(decodeAttributes(cut), undefined, `${cut.length} bytes`);
  for (const first of [0xfb, 0xff]) assert.equal(decodeAttributes(Buffer.from([first, 0, 0])), undefined);
});

test('more attributes come behind the own ones, in front of the zstd level and of unknown bytes', () => {
  for (const rest of ['', '\x07', '\x07\0\0\0', 'unknown bytes of a later version']) {
    const tail = Buffer.concat([attributesField([os]), Buffer.from(rest)]);
    assert.deepEqual(
      withAdded(tail),
      Buffer.concat([attributesField([os, addedBytes]), Buffer.from(rest)]),
      JSON.stringify(rest),
    );
  }
});

test('an empty field is filled', () => {
  assert.deepEqual(
    withAdded(Buffer.from([0, 7])),
    Buffer.concat([attributesField([addedBytes]), Buffer.from([7])]),
  );
});

test('the length of the total grows from one byte to three', () => {
  // The client's own bytes, so that the field is exactly that long with the others.
  for (const [total, head] of [
    [250, [250]],
    [251, [0xfc, 251, 0]],
    [0xffff, [0xfc, 0xff, 0xff]],
  ] as const) {
    const own = attributeOfLength(total - addedBytes.length);
    const longer = withAdded(attributesField([own]));
    assert.deepEqual(longer.subarray(0, head.length), Buffer.from(head), `${total}`);
    assert.deepEqual(longer.subarray(head.length), Buffer.concat([own, addedBytes]), `${total}`);
  }
});

test('nothing is added where servers would refuse the field as too long', () => {
  const own = attributeOfLength(0x10000 - addedBytes.length);
  assert.deepEqual(withAdded(attributesField([own])), attributesField([own]));
  // Servers refuse this one already.
  const long = attributeOfLength(70_000);
  assert.deepEqual(withAdded(attributesField([long])), attributesField([long]));
  // What a client must not say is not there in any case.
  const spoofed = attribute('_client_ip', '203.0.113.1');
  assert.deepEqual(withAdded(attributesField([spoofed, own])), attributesField([own]));
  const unread = Buffer.from('\x05alone');
  assert.deepEqual(withAdded(attributesField([long, spoofed, unread])), attributesField([long, unread]));
});

test('the client can not say what is added, wherever it says it and however often', () => {
  const first = attribute('_client_ip', '203.0.113.1');
  const second = attribute('_client_ssl_version', 'TLSv1.3');
  const tail = attributesField([first, os, second, attribute('a', ''), first]);
  assert.deepEqual(withAdded(tail), attributesField([os, attribute('a', ''), addedBytes]));
});

test('nor when there is nothing to say instead', () => {
  const tail = attributesField([attribute('_client_ip', '203.0.113.1'), os]);
  assert.deepEqual(withAttributes(decoded(tail), NAMES, []), attributesField([os]));
});

test('nor under a name that servers show as the same one', () => {
  const shownTheSame = [
    '_client_ip ',
    // Cut after 32 characters.
    `_client_ip${' '.repeat(22)}x`,
    // Cut at a byte that is no UTF-8.
    '_client_ip\xff',
    '_client_ip\xffx',
    '_client_ip\0',
    '_client_ip\x7f',
  ];
  for (const name of shownTheSame) {
    const tail = attributesField([attribute(name, '203.0.113.1'), os]);
    assert.deepEqual(withAdded(tail), attributesField([os, addedBytes]), JSON.stringify(name));
  }
});

test('names that are only alike stay', () => {
  for (const name of [
    '_client_ipv6',
    '_client_ip.x',
    '_client_ip~',
    '_client_i',
    'client_ip',
    '_CLIENT_IP',
    ' _client_ip',
  ]) {
    const own = attribute(name, 'x');
    assert.deepEqual(withAdded(attributesField([own])), attributesField([own, addedBytes]), name);
  }
});

test('servers read up to what is malformed or has no name, so the others come in front of it', () => {
  const unreadable = {
    'a name without a value': Buffer.from('\x05alone'),
    'a value that is cut short': Buffer.from('\x01a\x05four'),
    'a length that is none': Buffer.from([0xfb, 1, 2]),
    'a length of more than can be counted': Buffer.from([0xfe, 255, 255, 255, 255, 255, 255, 255, 255]),
    'no name': Buffer.concat([attribute('', 'x'), attribute('_client_ip', '203.0.113.1')]),
  };
  for (const [what, unread] of Object.entries(unreadable)) {
    const spoofed = attribute('_client_ip', '203.0.113.1');
    const tail = Buffer.concat([attributesField([os, spoofed, unread]), Buffer.from([7])]);
    assert.deepEqual(pairsOf(decoded(tail)).at(0), ['_os', 'Linux'], what);
    assert.deepEqual(
      withAdded(tail),
      Buffer.concat([attributesField([os, addedBytes, unread]), Buffer.from([7])]),
      what,
    );
  }
});

test("lengths that are longer than they need to be are read, and stay in what is the client's", () => {
  const own = Buffer.from([
    0xfc,
    3,
    0,
    ...Buffer.from('_os'),
    0xfe,
    2,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    ...Buffer.from('ab'),
  ]);
  const tail = Buffer.concat([Buffer.from([0xfd, own.length, 0, 0]), own]);
  assert.deepEqual(pairsOf(decoded(tail)), [['_os', 'ab']]);
  assert.deepEqual(withAdded(tail), attributesField([own, addedBytes]));
});

const anyText = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom('_client_ip', '_client_ip ', '_client_ssl_version', '_client_name', 'program_name'),
  fc.string({ minLength: 240, maxLength: 300 }),
);

test('property: the own attributes and the rest stay byte for byte, and the added ones are read back', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          anyText.filter((name) => name !== ''),
          anyText,
        ),
        { maxLength: 12 },
      ),
      fc.uint8Array({ maxLength: 20 }),
      (pairs, behind) => {
        const rest = Buffer.from(behind);
        const own = pairs.map(([name, value]) => attribute(name, value));
        const tail = Buffer.concat([attributesField(own), rest]);
        const before = Buffer.from(tail);
        const result = decoded(withAdded(tail));
        assert.deepEqual(tail, before);
        assert.deepEqual(result.rest, rest);
        const kept = own.filter(
          (_, index) => !/^(_client_ip|_client_ssl_version)(?![!-~])/.test(pairs[index]?.[0] ?? ''),
        );
        assert.deepEqual(
          Buffer.concat(result.read.map(({ bytes }) => bytes)),
          Buffer.concat([...kept, addedBytes]),
        );
        assert.deepEqual(
          pairsOf(result).slice(-2),
          ADDED.map((pair) => [...pair]),
        );
        // What was added once is replaced, not repeated.
        assert.deepEqual(withAdded(withAdded(tail)), withAdded(tail));
      },
    ),
  );
});

test('the program of each recorded client', () => {
  const programs = new Set<string>();
  for (const recording of loadLogins()) {
    const payload = loginOf(recording);
    const flags = (payload.readUInt32LE(0) & decodeGreeting(greetingOf(recording)).capabilities) >>> 0;
    programs.add(clientProgram(decoded(decodeLogin(payload, flags).tail)));
  }
  assert.deepEqual([...programs].sort(), [
    'Node-MySQL-2 3.24.6',
    'libmysql 5.6.24',
    'mysql (libmariadb 3.3.19)',
    'mysql 9.7.4',
  ]);
});

test('the program, of whatever a client says of itself', () => {
  const cases: [Record<string, string>, string][] = [
    [{}, ''],
    [{ _os: 'Linux' }, ''],
    [{ _client_name: 'libmysql' }, 'libmysql'],
    [{ _client_version: '9.1.0' }, ''],
    [{ program_name: 'app' }, 'app'],
    [{ program_name: 'app', _client_version: '9.1.0' }, 'app'],
    [{ _client_name: 'pymysql', _client_version: '1.0.2' }, 'pymysql 1.0.2'],
    [
      { _client_name: 'mysqlnd', _client_version: '8.2.20', program_name: 'php-cli' },
      'php-cli (mysqlnd 8.2.20)',
    ],
    [{ _client_name: 'mysqlnd', program_name: 'php-cli' }, 'php-cli (mysqlnd)'],
    [{ _client_name: 'libmysql', _client_version: '9.1.0', program_name: 'mysqldump' }, 'mysqldump 9.1.0'],
    [{ _client_name: 'libmysql', program_name: 'mysqldump' }, 'mysqldump'],
    [{ _client_name: 'libmysql', _client_version: '9.1.0', program_name: 'app' }, 'app (libmysql 9.1.0)'],
    [{ _client_name: 'libmysql', _client_version: '9.1.0', program_name: '/usr/bin/mysql' }, 'mysql 9.1.0'],
    [{ program_name: 'C:\\Program Files\\app.exe' }, 'app.exe'],
    [{ program_name: ' app \n' }, 'app'],
    [{ program_name: Buffer.from('Gießkanne').toString('latin1') }, 'Gießkanne'],
    [{ program_name: '\xff' }, '\ufffd'],
    [{ program_name: 'x'.repeat(5000) }, 'x'.repeat(128)],
    [{ program_name: Buffer.from('🪣'.repeat(200)).toString('latin1') }, '🪣'.repeat(128)],
    [{ program_name: 'x'.repeat(126), _client_name: 'lib' }, `${'x'.repeat(126)} (`],
  ];
  for (const [pairs, expected] of cases) {
    const tail = attributesField(Object.entries(pairs).map(([name, value]) => attribute(name, value)));
    assert.equal(clientProgram(decoded(tail)), expected, JSON.stringify(pairs).slice(0, 100));
  }
});

test('of two programs the first is the one', () => {
  const tail = attributesField([attribute('program_name', 'one'), attribute('program_name', 'two')]);
  assert.equal(clientProgram(decoded(tail)), 'one');
});

function attributeOfLength(length: number): Buffer {
  // Name and value have lengths of one byte and of as many as the value needs.
  for (const header of [1, 3, 4]) {
    const bytes = attribute('k', 'x'.repeat(length - 2 - header));
    if (bytes.length === length) return bytes;
  }
  throw new Error(`no attribute has ${length} bytes`);
}

test('attributes of these tests are what the protocol says', () => {
  assert.deepEqual(lengthEncoded('ab'), Buffer.from('\x02ab'));
  assert.deepEqual(lengthEncoded('x'.repeat(251)).subarray(0, 4), Buffer.from([0xfc, 251, 0, 0x78]));
  assert.deepEqual(lengthEncoded('x'.repeat(0x10000)).subarray(0, 5), Buffer.from([0xfd, 0, 0, 1, 0x78]));
});
