import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { options } from '../../../src/config/option-table.js';
import { configFile, load, problemsOf } from './problems.js';

/** The problems of a file, with its path left out. */
function fileProblems(text: string, name?: string): string[] {
  const file = configFile(text, name);
  return problemsOf({ file }).map((problem) => problem.replaceAll(`${path.dirname(file)}/`, ''));
}

const route = 'name: a, servers: s';

const refused: readonly [what: string, text: string, problems: readonly RegExp[]][] = [
  [
    'an unknown key',
    'server: s\nclient-sslmode: x\n',
    [/^file proxy\.yaml:2, client-sslmode: is not a key \(did you mean "client-ssl-mode"\?\)$/],
  ],
  [
    'a key in another spelling',
    'server: s\nLOG_LEVEL: info\n',
    [/yaml:2, LOG_LEVEL: is not a key \(did you mean "log-level"\?\)/],
  ],
  ['a key that is like nothing', 'server: s\nqwertyuiop: x\n', [/qwertyuiop: is not a key$/]],
  [
    'one key in two spellings',
    'server: s\nlog-level: info\nlogLevel: info\n',
    [/yaml:3, logLevel: is given twice, once in another spelling \(log-level\)/],
  ],
  [
    'a key twice',
    'server: s\nserver: t\n',
    [/^file proxy\.yaml:2:1: the file can't be read: Map keys must be unique$/],
  ],
  ['broken YAML', 'server: s\nlisten: [a\nb: c\n', [/^file proxy\.yaml:3:1: the file can't be read: /]],
  ['an unknown tag', 'server: !env DB\n', [/proxy\.yaml:1:9: .*Unresolved tag: !env/]],
  ['a list at the top', '- a\n', [/yaml:1:.*must hold keys and values/]],
  [
    'a key without value',
    'server:\n',
    [/yaml:1, server: has no value/, /^server: is missing; name the MySQL server/],
  ],
  [
    'keys where a value belongs',
    'server: { a: b }\n',
    [/server: must be a value, not keys and values/, /^server: is missing/],
  ],
  ['a list of lists', 'server: [[a]]\n', [/must be a list of plain values/, /^server: is missing/]],
  ['an empty list', 'server: []\n', [/is an empty list/]],
  ['a wrong value', 'server: s\nlog-level: loud\n', [/^file proxy\.yaml:2, log-level: "loud" is unknown/]],
  ['a flag that is no key', 'server: s\ncheck-config: true\n', [/check-config: is not a key/]],

  ['routes that are no list', 'routes: { name: a }\n', [/yaml:1, routes: must be a list/]],
  ['no routes', 'routes: []\n', [/routes: is empty; describe at least one route/]],
  ['a route that is a text', 'routes: [a]\n', [/each element must have keys/]],
  ['a route without name', 'routes: [{ servers: s }]\n', [/each route needs a name/]],
  [
    'a route with a bad name',
    'routes: [{ name: "a b", servers: s }]\n',
    [/each route needs a name of up to 64 letters/],
  ],
  [
    'a name twice',
    `routes:\n  - { ${route} }\n  - { ${route} }\n`,
    [/yaml:3, routes: the name "a" is taken/],
  ],
  [
    'an unknown key in a route',
    `routes: [{ ${route}, listn: x }]\n`,
    [/route a, listn: is not a key of a route \(did you mean "listen"\?\)/],
  ],
  [
    'an unknown key in a leg',
    `routes: [{ ${route}, server: { ssl-mod: x } }]\n`,
    [/route a, ssl-mod: is not a key of server \(did you mean "ssl-mode"\?\)/],
  ],
  [
    'a prefix inside a leg',
    `routes: [{ ${route}, server: { server-ssl-mode: x } }]\n`,
    [/server-ssl-mode: is not a key of server/],
  ],
  [
    'an option of the process in a route',
    `routes: [{ ${route}, log-level: info }]\n`,
    [/log-level: is not a key of a route/],
  ],
  [
    'an address for the settings of the leg',
    'routes: [{ name: a, server: s }]\n',
    [
      /route a, server: must hold keys and values of the server leg.* go under "servers"/,
      /^route a, server: is missing/,
    ],
  ],
  [
    'a text for the settings of the leg',
    `routes: [{ ${route}, client: x }]\n`,
    [/route a, client: must hold keys and values of the client leg, such as ssl-mode$/],
  ],
  ['no servers', 'routes: [{ name: a }]\n', [/^route a, server: is missing/]],
  [
    'options of a route beside routes',
    `log-level: info\nlisten: 127.0.0.1:1\nroutes: [{ ${route} }]\n`,
    [/yaml:2, listen: describes the route "default", but the routes are: a; write it inside/],
  ],
  [
    'an option inside and outside',
    'listen: 127.0.0.1:1\nroutes: [{ name: default, servers: s, listen: 127.0.0.1:2 }]\n',
    [/yaml:1, listen: is given twice: here and inside the route "default"/],
  ],
];

describe('a configuration file', () => {
  for (const [what, text, expected] of refused) {
    it(`must not have ${what}`, () => {
      const problems = fileProblems(text);
      assert.equal(problems.length, expected.length, problems.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
    });
  }

  it('must exist and have a known extension', () => {
    assert.match(
      problemsOf({ file: '/nowhere/proxy.yaml' }).join(),
      /^flag --config: cannot read "\/nowhere\/proxy.yaml": ENOENT/,
    );
    assert.match(
      problemsOf({ env: { MYSQL_TLS_PROXY_CONFIG: '/nowhere/a.yml' } }).join(),
      /^environment MYSQL_TLS_PROXY_CONFIG: cannot read/,
    );
    assert.match(fileProblems('a', 'proxy.toml').join(), /must end in \.yaml, \.yml or \.json/);
  });

  it('does not show the line that can not be read, which may hold a secret', () => {
    assert.doesNotMatch(fileProblems('server: [hunter2\nx: y\n').join(), /hunter2/);
  });

  it('may be JSON, with tabs and a $schema', () => {
    const file = configFile(
      '{\n\t"$schema": "x",\n\t"server": ["a", "b:1"],\n\t"maxConnections": 7\n}\n',
      'proxy.json',
    );
    const { config } = load({ file });
    assert.equal(config.maxConnections, 7);
    assert.equal(config.routes[0]?.servers.length, 2);
  });

  it('reads a mode as octal whether it is quoted or not', () => {
    for (const mode of ['0640', '"0640"', '640', '0o640']) {
      const { config } = load({ file: configFile(`server: s\nlisten-mode: ${mode}\n`) });
      assert.equal(config.routes[0]?.listenMode, 0o640, mode);
    }
  });

  it('may be empty, when the server is given elsewhere', () => {
    for (const text of ['', '# nothing\n', '---\n']) {
      assert.equal(load({ flags: { server: 's' }, file: configFile(text) }).config.routes.length, 1);
    }
  });

  it('may share settings between routes by YAML anchors', () => {
    const { config } = load({
      file: configFile(
        'routes:\n  - { name: a, listen: "127.0.0.1:1", servers: s, server: &tls { ssl-mode: required } }\n' +
          '  - { name: b, listen: "127.0.0.1:2", servers: s, server: *tls }\n',
      ),
    });
    assert.deepEqual(
      config.routes.map((one) => one.server.sslMode),
      ['REQUIRED', 'REQUIRED'],
    );
  });

  it('takes flags for its route called default', () => {
    const file = configFile(
      'routes:\n  - { name: default, listen: "127.0.0.1:1", servers: s }\n  - { name: b, listen: "127.0.0.1:2", servers: s }\n',
    );
    const { config, origins } = load({ file, flags: { listen: '127.0.0.1:9' } });
    assert.deepEqual(
      config.routes.map(({ listen }) => listen.map((one) => one.kind === 'tcp' && one.port)),
      [[9], [2]],
    );
    assert.equal(origins.get('default/listen')?.text, 'flag --listen');
    assert.equal(origins.get('b/listen')?.text, `file ${file}:3`);
  });

  it('refuses flags for a route that it does not have', () => {
    const file = configFile(`routes: [{ ${route} }]\n`);
    assert.deepEqual(
      problemsOf({ file, flags: { listen: '127.0.0.1:9' }, env: { MYSQL_TLS_PROXY_LOG_LEVEL: 'info' } }),
      [
        'flag --listen: describes the route "default", but the routes are: a; write it inside one of these, or call one "default"',
      ],
    );
  });

  it('knows every option, flat and inside routes, in both spellings', () => {
    const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    for (const spell of [(name: string) => name, camel]) {
      const flat = options.map((option) => `${spell(option.name)}: "\\0"`).join('\n');
      assert.deepEqual(
        fileProblems(flat).filter((problem) => problem.includes('is not a key')),
        [],
      );
      const leg = (scope: string) =>
        options
          .filter((option) => option.scope === scope)
          .map((option) => `${spell(option.name.slice(scope.length + 1))}: "\\0"`)
          .join(', ');
      const routes = `routes: [{ ${route}, listen: x, ${spell('listen-mode')}: x, client: { ${leg('client')} }, server: { ${leg('server')} } }]`;
      assert.deepEqual(
        fileProblems(routes).filter((problem) => problem.includes('is not a key')),
        [],
      );
    }
  });
});
