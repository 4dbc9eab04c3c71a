import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, type KeyObject } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { formatProblem } from '../../../src/config/config-error.js';
import { type LoadedConfig, parseConfig } from '../../../src/config/load.js';
import { findUser, type UserCredential } from '../../../src/config/model.js';
import { printConfig } from '../../../src/config/print.js';
import { canBeReadByOthers } from '../../../src/config/secret-file.js';
import { configFile, load, problemsOf, server, temporaryFolder } from './problems.js';

/** Must not be seen anywhere. */
const MARKER = 'Hunter2-Marker';
const hash = (password: string): string => {
  const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest();
  return `*${sha1(sha1(Buffer.from(password)))
    .toString('hex')
    .toUpperCase()}`;
};

const folder = temporaryFolder();
function write(name: string, text: string | Buffer, mode = 0o600): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}
write('app.password', `${MARKER}\n`);
write('other.password', 'other');
write('empty', '');
write('newline', '\n');
write('crlf', 'crlf\r\n');
write('two-newlines', ' two \n\n');
write('zero', `${MARKER}\0x`);
write('long', 'x'.repeat(1001));
write('longest', `${'x'.repeat(1000)}\n`);
write('open', MARKER, 0o644);
write('group', MARKER, 0o640);
write('group-writes', MARKER, 0o620);
write('others-execute', MARKER, 0o601);
mkdirSync(path.join(folder, 'directory'));
execFileSync('mkfifo', ['-m', '600', path.join(folder, 'fifo')]);

const env = { APP_PASSWORD: MARKER, EMPTY: '', LONG: 'x'.repeat(1001) };
const routes = `
routes:
  - { name: default, listen: "127.0.0.1:1", servers: s }
  - { name: reports, listen: "127.0.0.1:2", servers: s }
  - { name: through, listen: "127.0.0.1:3", servers: s, client: { ssl-mode: PASSTHROUGH } }
`;

let files = 0;
function sourcesWith(text: string, proxy = routes) {
  const credentials = write(`credentials-${files++}.yaml`, text);
  return { flags: { credentials }, file: configFile(proxy), env };
}

/** The problems of a credentials file, with its path left out. */
function problemsIn(text: string): string[] {
  const sources = sourcesWith(text);
  const problems = problemsOf(sources).map((problem) =>
    problem.replaceAll(sources.flags.credentials, 'c.yaml'),
  );
  return problems.map((problem) => problem.replaceAll(`${folder}/`, ''));
}

const loadText = (text: string, proxy?: string): LoadedConfig => load(sourcesWith(text, proxy));
const usersIn = (text: string): readonly UserCredential[] => loadText(text).config.users;
const warningsIn = (text: string, proxy?: string): string[] =>
  loadText(text, proxy).warnings.map(formatProblem);
const textOf = (key: KeyObject): string => key.export().toString();

/** The passwords in words, to compare. */
function plain({ user, route, client, server }: UserCredential) {
  const check =
    'password' in client ? textOf(client.password) : `*${client.doubleSha1.export().toString('hex')}`;
  return [user, route, check, server.user, textOf(server.password)];
}

describe('a credentials file', () => {
  it('has users with all they may have', () => {
    const text = `
- user: app
  password-file: app.password
  server-user: app_rw
  server-password-file: ${folder}/other.password
  route: reports
- { user: app, password-env: APP_PASSWORD }
- { user: hash, password-hash: "${hash('x').toLowerCase()}", server-password-env: APP_PASSWORD }
- { user: 0123, passwordFile: crlf }
`;
    assert.deepEqual(usersIn(text).map(plain), [
      ['app', 'reports', MARKER, 'app_rw', 'other'],
      ['app', undefined, MARKER, 'app', MARKER],
      ['hash', undefined, hash('x').toLowerCase(), 'hash', MARKER],
      ['0123', undefined, 'crlf', '0123', 'crlf'],
    ]);
  });

  it('may have the list under users, and be JSON', () => {
    for (const text of [
      'users:\n  - user: a\n    password-file: other.password\n',
      '{"users": [{"user": "a", "password-file": "other.password"}]}',
      '[{"user": "a", "password-file": "other.password"}]',
    ]) {
      assert.deepEqual(usersIn(text).map(plain), [['a', undefined, 'other', 'a', 'other']]);
    }
  });

  const passwords: readonly [file: string, password: string][] = [
    ['app.password', MARKER],
    ['crlf', 'crlf'],
    ['two-newlines', ' two \n'],
    ['longest', 'x'.repeat(1000)],
    ['newline', ''],
    ['empty', ''],
  ];
  for (const [file, password] of passwords) {
    it(`takes a password from ${file}, without one newline at the end`, () => {
      const [user] = usersIn(`- { user: a, password-file: ${file} }`);
      assert.ok(user);
      assert.equal(textOf(user.server.password), password);
    });
  }

  it('keeps a hash as its 20 bytes', () => {
    const [user] = usersIn(
      `- { user: a, password-hash: "${hash('a')}", server-password-file: other.password }`,
    );
    assert.ok(user && 'doubleSha1' in user.client);
    assert.equal(user.client.doubleSha1.symmetricKeySize, 20);
  });

  it('may have any name, and be a link', () => {
    const file = write('no-extension', '- { user: a, password-file: link }');
    symlinkSync('other.password', path.join(folder, 'link'));
    symlinkSync(file, path.join(folder, 'credentials-link'));
    const { config } = load({ flags: { server, credentials: path.join(folder, 'credentials-link') } });
    assert.equal(config.credentials, path.join(folder, 'credentials-link'));
    assert.equal(config.users.length, 1);
  });

  it('is read for programs too, with the variables of the process', (t) => {
    t.after(() => delete process.env['CREDENTIALS_TEST_PASSWORD']);
    process.env['CREDENTIALS_TEST_PASSWORD'] = MARKER;
    write('program.yaml', '- { user: a, password-env: CREDENTIALS_TEST_PASSWORD }');
    const { config } = parseConfig({ server, credentials: 'program.yaml' }, folder);
    assert.deepEqual(config.users.map(plain), [['a', undefined, MARKER, 'a', MARKER]]);
  });
});

const withKey = (keys: string) => `- { user: a, ${keys} }`;
const password = 'password-file: other.password';

const refused: readonly [what: string, text: string, problems: readonly RegExp[]][] = [
  [
    'an unknown key',
    '- user: a\n  password-file: other.password\n  pasword-file: x\n',
    [/^file c\.yaml:3, pasword-file: is not a key of a user \(did you mean "password-file"\?\)$/],
  ],
  [
    'a password',
    `- user: a\n  password: ${MARKER}\n  password-file: other.password`,
    [/^file c\.yaml:2, password: .*passwords do not stand in this file; use password-file or password-env$/],
  ],
  [
    'a password for the server',
    withKey(`${password}, serverPassword: ${MARKER}`),
    [/^file c\.yaml:1, serverPassword: .*; use server-password-file or server-password-env$/],
  ],
  [
    'a key that is none',
    withKey(`${password}, "${MARKER}!": x`),
    [/^file c\.yaml:1, credentials: is not a key of a user$/],
  ],
  [
    'a key in two spellings',
    withKey(`${password}, passwordFile: x`),
    [/^file c\.yaml:1, passwordFile: is given twice, once in another spelling \(password-file\)$/],
  ],
  [
    'a user without name',
    `- ${password}`,
    [/^file c\.yaml:1, user: is missing; write the name that the client logs in with$/],
  ],
  ['an empty name', `- { user: "", ${password} }`, [/^file c\.yaml:1, user: has no value; write one/]],
  [
    'a name that is no text',
    `- { user: true, ${password} }`,
    [/^file c\.yaml:1, user: must be a text; put it in quotes$/],
  ],
  ['a list of names', `- { user: [a], ${password} }`, [/user: must be a text/]],
  [
    'a long name',
    `- { user: ${'é'.repeat(129)}, ${password} }`,
    [/^file c\.yaml:1, user: is longer than the 128 characters that a server allows$/],
  ],
  [
    'a name with a zero byte',
    `- { user: "a\\0b", ${password} }`,
    [/^file c\.yaml:1, user: must not hold a zero byte$/],
  ],
  [
    'a wrong name for the server',
    withKey(`${password}, server-user: "a\\0b"`),
    [/^file c\.yaml:1, server-user: must not hold a zero byte$/],
  ],
  [
    'no way to check',
    '- user: a',
    [/^file c\.yaml:1, password-file: is missing: .*; add password-file, password-env or password-hash$/],
  ],
  [
    'three ways to check',
    `- user: a\n  password-hash: "${hash('a')}"\n  password-env: APP_PASSWORD\n  password-file: other.password\n  server-password-env: APP_PASSWORD`,
    [
      /^file c\.yaml:3, password-env: can't stand beside password-file; keep one of them$/,
      /^file c\.yaml:2, password-hash: can't stand beside password-file; keep one of them$/,
    ],
  ],
  [
    'two passwords for the server',
    withKey(`${password}, server-password-env: APP_PASSWORD, server-password-file: other.password`),
    [/^file c\.yaml:1, server-password-env: can't stand beside server-password-file; keep one of them$/],
  ],
  [
    'a hash alone',
    withKey(`password-hash: "${hash(MARKER)}"`),
    [
      /^file c\.yaml:1, password-hash: is not enough to log in to the server.*; add server-password-file or server-password-env$/,
    ],
  ],
  ...[
    hash(MARKER).slice(1),
    hash(MARKER).slice(0, -1),
    `${hash(MARKER)}0`,
    '$A$005$salt',
    hash(MARKER).replace(/.$/, 'G'),
  ].map((text): [string, string, RegExp[]] => [
    `a hash that is none: ${text.slice(0, 9)}… of ${text.length}`,
    withKey(`password-hash: "${text}", server-password-file: other.password`),
    [/^file c\.yaml:1, password-hash: must be "\*" and 40 hexadecimal digits, in quotes: /],
  ]),
  [
    'a hash without quotes',
    `- user: a\n  password-hash: ${hash(MARKER)}\n  server-password-file: other.password`,
    [
      /^file c\.yaml:2, password-hash: has no value; put the hash in quotes, because YAML takes \* for a reference$/,
    ],
  ],
  ['a key without value', '- user: a\n  password-file:\n', [/^file c\.yaml:2, password-file: has no value/]],
  [
    'a variable that is not set',
    withKey(`password-env: ${MARKER}`),
    [
      /^file c\.yaml:1, password-env: the variable \(not named here.*\) is not set, or empty; .*use password-file$/,
    ],
  ],
  [
    'a variable that is empty',
    withKey(`${password}, server-password-env: EMPTY`),
    [
      /^file c\.yaml:1, server-password-env: the variable .* is not set, or empty; .*use server-password-file$/,
    ],
  ],
  [
    'a password file that is missing',
    withKey(`password-file: ${MARKER}`),
    [
      /^file c\.yaml:1, password-file: the file \(not named here, in case it is the password itself\) does not exist$/,
    ],
  ],
  [
    'a path with a zero byte',
    withKey('password-file: "a\\0b"'),
    [/password-file: the file \(not named.*can't be read/],
  ],
  ['a folder', withKey('password-file: directory'), [/password-file: the file .* is not a regular file$/]],
  ['a FIFO', withKey('password-file: fifo'), [/password-file: the file .* is not a regular file$/]],
  ...['open', 'group', 'group-writes', 'others-execute'].map((name): [string, string, RegExp[]] => [
    `a password file that others may use: ${name}`,
    withKey(`${password}, server-password-file: ${name}`),
    [
      new RegExp(
        `^file c.yaml:1, server-password-file: "${name}" can be .* other users .*: chmod 600 '${name}', or mount it with mode 0400$`,
      ),
    ],
  ]),
  [
    'a password with a zero byte',
    withKey('password-file: zero'),
    [
      /^file c\.yaml:1, password-file: the password holds a zero byte, which no server takes; is it the right file\?$/,
    ],
  ],
  [
    'a long password',
    withKey('password-file: long'),
    [/password-file: the password is longer than 1000 bytes, which/],
  ],
  [
    'a long password in a variable',
    withKey('password-env: LONG'),
    [/password-env: the password is longer than 1000/],
  ],
  [
    'an unknown route',
    withKey(`${password}, route: report`),
    [
      /^file c\.yaml:1, route: is not a route \(did you mean "reports"\?\); the routes are: default, reports, through$/,
    ],
  ],
  [
    'a route with PASSTHROUGH',
    withKey(`${password}, route: through`),
    [
      /^file c\.yaml:1, route: the route through has --client-ssl-mode PASSTHROUGH, where the proxy takes no part/,
    ],
  ],
  [
    'a user twice',
    `- { user: a, ${password} }\n- { user: a, ${password} }\n`,
    [
      /^file c\.yaml:2, user: "a" for all routes is described already \(file c\.yaml:1\); remove one of the two$/,
    ],
  ],
  [
    'a user twice on a route',
    `- { user: a, ${password}, route: reports }\n- { user: a, ${password}, route: reports }\n`,
    [/^file c\.yaml:2, user: "a" for the route reports is described already/],
  ],
  ['a text', MARKER, [/^file c\.yaml:1, credentials: the file must hold a list/]],
  [
    'names as keys',
    `app: ${MARKER}`,
    [/^file c\.yaml:1, app: is not a key of the file, which holds a list of users/],
  ],
  ['users that are no list', `users: ${MARKER}`, [/^file c\.yaml:1, credentials: the file must hold a list/]],
  ['users that are texts', `- ${MARKER}`, [/^file c\.yaml:1, credentials: each element must have keys/]],
  [
    'broken YAML',
    `- user: a\n  password: [${MARKER}\n- b`,
    [/^file c\.yaml:3:1, credentials: the file is not valid YAML \(BAD_INDENT\)/],
  ],
  [
    'a tag',
    `- user: a\n  password: !${MARKER}\n`,
    [/^file c\.yaml:2:13, credentials: .*\(TAG_RESOLVE_FAILED\)/],
  ],
];

describe('a credentials file that is unusable', () => {
  for (const [what, text, expected] of refused) {
    it(`is refused: ${what}`, () => {
      const problems = problemsIn(text);
      assert.equal(problems.length, expected.length, problems.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
      assert.doesNotMatch(problems.join('\n'), new RegExp(`${MARKER}|${hash(MARKER).slice(1, -1)}`, 'i'));
    });
  }

  it('tells all problems at once, with those of the options', () => {
    const sources = sourcesWith('- user: a\n- password-file: other.password\n- x\n');
    const problems = problemsOf({ ...sources, flags: { ...sources.flags, 'log-level': 'x' } });
    assert.deepEqual(
      problems.map((problem) => problem.split(': ')[0]?.split('/').at(-1)),
      [
        'flag --log-level',
        `${path.basename(sources.flags.credentials)}:1, password-file`,
        `${path.basename(sources.flags.credentials)}:2, user`,
        `${path.basename(sources.flags.credentials)}:3, credentials`,
      ],
    );
  });

  it('is refused when it is missing, no file, or others may read it', () => {
    const problems = (credentials: string) => problemsOf({ flags: { server, credentials } }).join('\n');
    assert.match(problems(`${folder}/none`), /^flag --credentials: "\/.*none" does not exist$/);
    assert.match(
      problems(`${folder}/directory`),
      /^flag --credentials: "\/.*directory" is not a regular file$/,
    );
    assert.match(problems(`${folder}/fifo`), /^flag --credentials: "\/.*fifo" is not a regular file$/);
    for (const mode of [0o604, 0o640, 0o666, 0o602]) {
      const file = write('open.yaml', '[]', mode);
      assert.match(
        problems(file),
        /^flag --credentials: "\/.*open\.yaml" can be .* run: chmod 600 '\/.*open\.yaml', or mount it with mode 0400$/,
      );
    }
    assert.equal(problems(write('open.yaml', '[]', 0o400)), '');
  });
});

describe('who may read a secret', () => {
  const cases: readonly [mode: number, uid: number, user: number | undefined, others: boolean][] = [
    [0o600, 1000, 1000, false],
    [0o700, 1000, 1000, false],
    [0o640, 1000, 1000, true],
    [0o640, 0, 1000, false],
    [0o440, 0, 1000, false],
    [0o660, 0, 1000, true],
    [0o650, 0, 1000, true],
    [0o644, 0, 1000, true],
    [0o641, 0, 1000, true],
    [0o640, 0, 0, true],
    [0o666, 0, undefined, false],
  ];
  for (const [mode, uid, user, others] of cases) {
    it(`is ${others ? '' : 'not '}anyone: mode ${mode.toString(8)} of ${uid}, read by ${user}`, () => {
      assert.equal(canBeReadByOthers({ mode: 0o100000 | mode, uid }, user), others);
    });
  }
});

describe('a credentials file that is questionable', () => {
  const single = (mode: string) => `server: db.example.com\n${mode}`;
  const one = withKey(password);
  const warned: readonly [what: string, text: string, warning: RegExp, proxy?: string][] = [
    ['an empty list', '[]', /credentials: the file holds no users; add some, or remove --credentials$/],
    ['an empty file', '# nothing\n', /the file holds no users/],
    ['an empty list of users', 'users:\n', /the file holds no users/],
    [
      'an empty password',
      withKey('password-file: empty, server-password-file: other.password'),
      /:1, password-file: the file is empty, and so is the password: whoever knows the name of the user can log in$/,
    ],
    [
      'an empty password of the server',
      withKey(`${password}, server-password-file: newline`),
      /:1, server-password-file: the file is empty, and so is the password: the proxy logs in/,
    ],
    [
      'PASSTHROUGH everywhere',
      one,
      /^flag --credentials: is not used, because with --client-ssl-mode PASSTHROUGH/,
      single('client-ssl-mode: PASSTHROUGH\n'),
    ],
  ];
  for (const [what, text, pattern, proxy] of warned) {
    it(`is warned of: ${what}`, () => {
      const warnings = warningsIn(text, proxy);
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(warnings[0] ?? '', pattern);
    });
  }

  for (const mode of ['DISABLED', 'PREFERRED', 'AS_CLIENT']) {
    it(`is warned of: passwords of users to another machine with ${mode}`, () => {
      const [, warning = '', ...others] = warningsIn(one, single(`server-ssl-mode: ${mode}\n`));
      assert.match(
        warning,
        new RegExp(
          `^flag --credentials: on the route default, with --server-ssl-mode ${mode} to db.example.com:3306, `,
        ),
      );
      assert.deepEqual(others, []);
    });
  }

  it('is not: a server that is verified, or on this machine, or a route that no user is for', () => {
    assert.deepEqual(warningsIn(one), []);
    assert.deepEqual(warningsIn(one, 'server: 127.0.0.1\nserver-ssl-mode: DISABLED\n'), []);
    const far = `${routes}  - { name: far, listen: "127.0.0.1:4", servers: db, server: { ssl-mode: PREFERRED } }\n`;
    const about = (text: string) =>
      warningsIn(text, far).filter((warning) => warning.includes('--credentials'));
    assert.deepEqual(about(withKey(`${password}, route: reports`)), []);
    assert.equal(about(withKey(`${password}, route: far`)).length, 1);
    assert.equal(about(one).length, 1);
  });

  it('is not: a user for one route, and for all others', () => {
    assert.deepEqual(
      warningsIn(`- { user: a, ${password} }\n- { user: a, ${password}, route: reports }\n`),
      [],
    );
  });
});

describe('passwords', () => {
  const loaded = loadText(
    `- { user: a, password-file: app.password }\n- { user: b, password-hash: "${hash(MARKER)}", server-password-env: APP_PASSWORD }`,
  );

  it('are there, and yet nowhere to be seen', () => {
    assert.equal(loaded.config.users.flatMap(plain).includes(MARKER), true);
    const texts = [
      printConfig(loaded),
      JSON.stringify(loaded.config),
      inspect(loaded.config, { depth: null }),
      inspect(loaded, { depth: null, showHidden: true }),
    ];
    const secrets = [MARKER, hash(MARKER).slice(1)].flatMap((text) => [
      text,
      Buffer.from(text).toString('base64'),
      Buffer.from(text).toString('hex'),
    ]);
    for (const text of texts) {
      for (const one of secrets) assert.equal(text.toLowerCase().includes(one.toLowerCase()), false);
    }
  });

  it('are in keys that the frozen configuration leaves as they are', () => {
    assert.ok(Object.isFrozen(loaded.config.users));
    for (const user of loaded.config.users) {
      assert.ok(Object.isFrozen(user) && Object.isFrozen(user.server) && Object.isFrozen(user.client));
      assert.equal(Object.isFrozen(user.server.password), false);
    }
  });

  it('are read again each time, and a change is one', () => {
    const sources = sourcesWith('- { user: a, password-file: changing }');
    write('changing', 'old');
    const before = load(sources).config.users;
    write('changing', 'new');
    assert.deepEqual(
      [...before, ...load(sources).config.users].map((user) => textOf(user.server.password)),
      ['old', 'new'],
    );
  });
});

describe('the entry for a login', () => {
  const users = usersIn(
    `- { user: a, ${password}, server-user: all }\n- { user: a, ${password}, server-user: reports, route: reports }\n- { user: b, ${password}, route: reports }\n`,
  );
  const cases: readonly [user: string, route: string, found: string | undefined][] = [
    ['a', 'reports', 'reports'],
    ['a', 'default', 'all'],
    ['b', 'reports', 'b'],
    ['b', 'default', undefined],
    ['A', 'reports', undefined],
    ['', 'default', undefined],
  ];
  for (const [user, route, found] of cases) {
    it(`is ${found ?? 'none'} for "${user}" on ${route}`, () =>
      assert.equal(findUser(users, user, route)?.server.user, found));
  }
});

describe('a credentials file that is no list of a sensible size', () => {
  it('has no aliases that never end, or stand for billions', () => {
    const bomb = Array.from({ length: 10 }, (_, level) =>
      level === 0
        ? 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
        : `a${level}: &a${level} [${`*a${level - 1}, `.repeat(10)}]`,
    ).join('\n');
    for (const text of ['&a [*a]', bomb]) {
      assert.match(problemsIn(text).join(), /the file is not valid YAML \(TOO_MANY_VALUES\)/);
    }
  });

  it('is not longer than 1 MiB', () => {
    assert.match(problemsIn(`# ${'x'.repeat(1 << 20)}`).join(), /is longer than 1 MiB/);
  });

  it('may begin with a byte order mark', () => {
    assert.deepEqual(problemsIn('\uFEFF- { user: a, password-file: app.password }'), []);
  });

  it('may have names that only some clients can send, and says so', () => {
    const { warnings } = load(sourcesWith('- { user: jörg, password-file: app.password }'));
    assert.match(
      warnings.map(formatProblem).join(),
      /user: has characters beyond ASCII, which fits only clients/,
    );
  });
});
