/** How many clients a route takes, from where, and how long they may keep silent. */
import { defineOption, repeatable } from '../option-definition.js';
import { count, duration, keepAliveTime, longDurationOrOff, network, rate } from '../value-types.js';

export const limitOptions = [
  defineOption({
    name: 'max-server-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many connections the route has open at its servers at most, those that wait for another client included; more ' +
      'clients wait for connect-timeout at most, and then get error 1040. Divided among workers',
  }),
  defineOption({
    name: 'allow-from',
    scope: 'route',
    type: network,
    list: repeatable,
    metavar: 'CIDR',
    description:
      'Networks whose clients may connect, if not all; others get error 1130 before a server is bothered. Clients on a socket ' +
      'file always may',
  }),
  defineOption({
    name: 'route-max-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description: 'How many clients may be connected to the route at once; more get error 1040',
  }),
  defineOption({
    name: 'route-connection-rate',
    scope: 'route',
    type: rate,
    metavar: 'COUNT/s|m|h',
    description:
      'How many new connections the route takes in a second, minute or hour, at once or spread; more get error 1040',
  }),
  defineOption({
    name: 'route-max-handshakes',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many handshakes of the route may be under way at once, each of which holds a connection of the server; more wait, ' +
      'and as long as they do, handshakes whose client keeps silent for half a second end',
    default: '100',
  }),
  defineOption({
    name: 'route-handshake-timeout',
    scope: 'route',
    type: duration,
    metavar: 'DURATION',
    description: 'handshake-timeout for this route',
  }),
  defineOption({
    name: 'address-max-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many connections one source address may have at once, or one /64 network of IPv6 addresses; more get error 1040. ' +
      'Does not hold for clients on a socket file',
  }),
  defineOption({
    name: 'address-connection-rate',
    scope: 'route',
    type: rate,
    metavar: 'COUNT/s|m|h',
    description: 'route-connection-rate for one source address, counted as by address-max-connections',
  }),
  defineOption({
    name: 'address-max-handshakes',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description: 'route-max-handshakes for one source address, counted as by address-max-connections',
  }),
  defineOption({
    name: 'idle-timeout',
    scope: 'route',
    type: longDurationOrOff,
    metavar: 'DURATION|off',
    description:
      'How long a client may send no command before it gets error 4031 and its connection ends, up to a quarter later; up to ' +
      '168h. Where commands can not be seen (compression, PASSTHROUGH): how long no byte may come from either side',
    default: 'off',
  }),
  defineOption({
    name: 'tcp-keep-alive',
    scope: 'route',
    type: keepAliveTime,
    metavar: 'DURATION|off',
    description:
      'After how long a silence TCP asks a peer whether it is still there, on both legs: ten times, once a second, after which the ' +
      'connection ends. Where a firewall forgets connections that are idle, stay below its time. From 1s to 8h',
    default: '60s',
  }),
] as const;
