/** Times, counts and files that hold for all routes. */
import { defineOption } from '../option-definition.js';
import { defaultStateDirectory } from '../state-directory.js';
import {
  count,
  countOrAuto,
  directoryPath,
  duration,
  durationOrZero,
  filePath,
  oneOf,
} from '../value-types.js';

export const processOptions = [
  defineOption({
    name: 'connect-timeout',
    scope: 'process',
    type: duration,
    metavar: 'DURATION',
    description:
      'How long to wait for the TCP connection to one server (9s, 500ms, 1m; a bare number is seconds)',
    default: '5s',
  }),
  defineOption({
    name: 'handshake-timeout',
    scope: 'process',
    type: duration,
    metavar: 'DURATION',
    description:
      'How long a connection may take from accept to the end of authentication, TLS included, on routes without a ' +
      "route-handshake-timeout. Keep it below the server's connect_timeout, which is 10s by default",
    default: '9s',
  }),
  defineOption({
    name: 'workers',
    scope: 'process',
    type: countOrAuto,
    metavar: 'COUNT|auto',
    description:
      'How many processes serve connections, on the same addresses and with one admin listener; auto: one for each core that ' +
      'may be used. With 1 there is no other process. Has no effect in programs that use the library',
    default: 'auto',
    reloadable: false,
  }),
  defineOption({
    name: 'drain-delay',
    scope: 'process',
    type: durationOrZero,
    metavar: 'DURATION',
    description:
      'After SIGTERM or SIGINT /readyz fails at once, and listeners stay open for so long: as long as load balancers take to ' +
      'notice',
    default: '0s',
  }),
  defineOption({
    name: 'drain-timeout',
    scope: 'process',
    type: durationOrZero,
    metavar: 'DURATION',
    description:
      'How long sessions have to end when the proxy stops: by themselves, or between two commands outside of a transaction, ' +
      'with error 1053. What is left then is cut',
    default: '30s',
  }),
  defineOption({
    name: 'max-connections',
    scope: 'process',
    type: count,
    metavar: 'COUNT',
    description: 'How many clients may be connected at once, over all routes; more get error 1040',
    default: '4096',
  }),
  defineOption({
    name: 'credentials',
    scope: 'process',
    type: filePath,
    metavar: 'FILE',
    description:
      'YAML file with users whose login the proxy checks itself, and with what it then logs in to the server; see ' +
      'docs/authentication.md',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'reload-on-change',
    scope: 'process',
    type: oneOf(['on', 'off']),
    metavar: 'on|off',
    description:
      'Reload by itself when the configuration file or a file that an option or the credentials file names changes, as by ' +
      'SIGHUP; see docs/reload.md. Programs that use the library call reload() instead: it watches no files',
    default: 'on',
  }),
  defineOption({
    name: 'state-directory',
    scope: 'process',
    type: directoryPath,
    metavar: 'DIRECTORY',
    description:
      'Where the proxy keeps its own RSA key, so that it is the same after a restart; without a directory the key ' +
      'lives in memory only',
    default: ({ env }) => defaultStateDirectory(env),
    defaultText:
      '$STATE_DIRECTORY, else $XDG_STATE_HOME/mysql-tls-proxy, else $HOME/.local/state/mysql-tls-proxy; none in ' +
      'programs that use the library',
    directory: true,
    reloadable: false,
  }),
] as const;
