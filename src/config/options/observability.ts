/** What can be seen of the proxy: the admin listener, metrics and the log. */
import { defineOption } from '../option-definition.js';
import { count, listenAddressOrOff, oneOf } from '../value-types.js';

export const observabilityOptions = [
  defineOption({
    name: 'admin-listen',
    scope: 'process',
    type: listenAddressOrOff,
    metavar: 'HOST:PORT|off',
    description:
      'Where the page for people (/), /metrics, /metrics/connections, /state, /events, /connections, /plaintext, /livez and /readyz are ' +
      'served over HTTP',
    default: '127.0.0.1:9307',
    reloadable: false,
  }),
  defineOption({
    name: 'metrics',
    scope: 'process',
    type: oneOf(['all', 'aggregates', 'none']),
    metavar: 'all|aggregates|none',
    description:
      'What is kept for admin-listen: all, aggregates (nothing about single connections and users: the page, /metrics and ' +
      '/state without them), or none (health checks alone)',
    default: 'all',
    reloadable: false,
  }),
  defineOption({
    name: 'connection-metrics-limit',
    scope: 'process',
    type: count,
    metavar: 'COUNT',
    description: 'How many connections /metrics/connections shows at most, the busiest first',
    default: '1000',
  }),
  defineOption({
    name: 'log-level',
    scope: 'process',
    type: oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    metavar: 'LEVEL',
    description: 'The least important messages to log: debug, info, warn, error or silent',
    default: 'info',
  }),
  defineOption({
    name: 'log-format',
    scope: 'process',
    type: oneOf(['json', 'pretty']),
    metavar: 'FORMAT',
    description: 'One JSON object a line (json), or text for people (pretty)',
    default: ({ terminal }) => (terminal ? 'pretty' : 'json'),
    defaultText: 'pretty on a terminal, else json',
    reloadable: false,
  }),
] as const;
