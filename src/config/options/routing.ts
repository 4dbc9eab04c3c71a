/** Where the clients of a route connect, and which servers they get to. */
import { defineOption, repeatable } from '../option-definition.js';
import {
  durationOrOff,
  fileMode,
  filePath,
  listenAddress,
  network,
  oneOf,
  serverAddress,
  switchedOn,
  userName,
} from '../value-types.js';

export const routingOptions = [
  defineOption({
    name: 'listen',
    scope: 'route',
    type: listenAddress,
    list: repeatable,
    metavar: 'HOST:PORT|unix:PATH',
    description:
      'Where clients connect; an IPv6 address in brackets; port 0 takes a free one. Old programs that connect to ' +
      '"localhost" use a socket file: name it with unix:PATH',
    default: ['127.0.0.1:3307'],
    reloadable: false,
  }),
  defineOption({
    name: 'listen-mode',
    scope: 'route',
    type: fileMode,
    metavar: 'MODE',
    description:
      'Mode of the socket files that the proxy listens on, in octal; who may write to one may connect',
    default: '0660',
    reloadable: false,
  }),
  defineOption({
    name: 'proxy-protocol-from',
    scope: 'route',
    type: network,
    list: repeatable,
    metavar: 'CIDR',
    description:
      'Networks of the balancers in front of the proxy: each connection from there must begin with a PROXY header, version 1 ' +
      'or 2, whose client address then counts. From anywhere else a header is refused. Name nobody but balancers: whoever ' +
      'connects from there can pose as any address. Not for clients on a socket file; see docs/proxy-protocol.md',
  }),
  defineOption({
    name: 'server',
    scope: 'route',
    type: serverAddress,
    list: repeatable,
    metavar: 'HOST[:PORT]',
    description: 'The MySQL server (port 3306 when left out); of several, routing-strategy chooses',
  }),
  defineOption({
    name: 'routing-strategy',
    scope: 'route',
    type: oneOf(['first-available', 'round-robin', 'least-connections']),
    metavar: 'STRATEGY',
    description:
      'Which of several servers a connection goes to: first-available (the first, in the order given), round-robin (each ' +
      'in turn) or least-connections (the one with the fewest open connections). One that failed is left out for a ' +
      'while; see docs/servers.md',
    default: 'first-available',
  }),
  defineOption({
    name: 'health-check-interval',
    scope: 'route',
    type: durationOrOff,
    metavar: 'DURATION|off',
    description:
      'How often each server is checked: TCP, greeting and TLS as for a client, and a login with health-check-user',
    default: ({ value }) => (hasSeveral(value('server')) ? '10s' : 'off'),
    defaultText: '10s for a route with several servers, else off',
  }),
  defineOption({
    name: 'health-check-user',
    scope: 'route',
    type: userName,
    metavar: 'USER',
    description:
      'Log in as this user at each health check. Without it, a check leaves with a login that the server refuses',
  }),
  defineOption({
    name: 'health-check-password-file',
    scope: 'route',
    type: filePath,
    metavar: 'FILE',
    description: 'File that holds the password of health-check-user',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'allow-socket-server',
    scope: 'route',
    type: switchedOn,
    metavar: '',
    description:
      'Allow --server unix:PATH. Dangerous: accounts that use auth_socket or unix_socket then let any client in as ' +
      'the user that runs the proxy, without a password',
    default: 'false',
  }),
] as const;

function hasSeveral(values: unknown): boolean {
  return Array.isArray(values) && values.length > 1;
}
