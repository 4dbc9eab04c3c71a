/** Runs the proxy until a signal ends it: the place where its parts are put together. */
import { commandLineOptions } from '../config/command-line-options.js';
import { ConfigError, formatProblem } from '../config/config-error.js';
import { type ConfigSources, type LoadedConfig, loadConfig } from '../config/load.js';
import type { ProxyConfig } from '../config/model.js';
import { options } from '../config/option-table.js';
import { printConfig } from '../config/print.js';
import { fixedOptionNames } from '../config/restart-needed.js';
import { messageOf } from '../errors.js';
import { logObserver } from '../observe/connection-log.js';
import { createLogger, type Log, type Logger } from '../observe/log.js';
import { openFiles } from '../proxy/open-files.js';
import { startProxy } from '../proxy/proxy.js';
import { type ProxyStarter, type Service, startService } from '../service.js';
import { packageVersion } from '../version.js';
import { usableCores } from '../workers/cores.js';
import { startCrew } from '../workers/crew.js';
import { growYoungGenerationWithChurn } from '../young-generation.js';
import type { Command } from './command.js';
import { flag, flagsOf, givenFlags, oneText } from './flags.js';
import type { Outcome } from './outcome.js';
import { createReloads, fingerprintsNow, logWarnings } from './reloads.js';
import { connectServiceManager } from './service-manager.js';
import { listenForSignals, type ServiceSignals } from './signals.js';
import { inheritedSockets, startSuccessor, takeOver } from './successor.js';

export const startCommand: Command = {
  usage: 'start',
  isDefault: true,
  summary: 'Run the proxy',
  flags: {
    ...Object.fromEntries(
      commandLineOptions.map(({ name, metavar, description }) => [name, flag(metavar, description)]),
    ),
    ...flagsOf(options),
  },
  examples: [
    [
      '$0 --server db.example.com --server-ssl-ca ca.pem',
      'Plaintext clients on this machine, TLS to the server, whose certificate is verified (server-only)',
    ],
    [
      '$0 --server db.example.com --server-ssl-ca ca.pem --server-ssl-cert client-cert.pem --server-ssl-key client-key.pem',
      'The same for accounts that REQUIRE X509 (key pair)',
    ],
    [
      '$0 --listen 0.0.0.0:3307 --client-ssl-cert proxy.pem --client-ssl-key proxy-key.pem --server db.example.com',
      'TLS for clients from other machines too',
    ],
    ['$0 --config proxy.yaml --check-config', 'Say all that is wrong with a configuration'],
  ],
  epilogue:
    'Each option is also a key of the --config file and an environment variable, such as ' +
    'MYSQL_TLS_PROXY_SERVER_SSL_CA; flags come first, then the environment, then the file. ' +
    `A reload (SIGHUP) changes all of them but ${fixedOptionNames.join(', ')}. ` +
    'Exit codes: 0 clean, 1 failure while running, 2 wrong usage or configuration.',
  run: (values) => {
    const file = oneText(values, 'config');
    return start({
      sources: {
        flags: givenFlags(
          values,
          options.map(({ name }) => name),
        ),
        env: process.env,
        cwd: process.cwd(),
        terminal: process.stdout.isTTY === true,
        ...(file === undefined ? {} : { file }),
      },
      checkConfig: values['check-config'] === true,
      printConfig: values['print-config'] === true,
    });
  },
};

interface StartRequest {
  readonly sources: ConfigSources;
  readonly checkConfig: boolean;
  readonly printConfig: boolean;
}

/** Resolves when the proxy has stopped, or when there was nothing to run. */
async function start(request: StartRequest): Promise<Outcome> {
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig(request.sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return { exitCode: 2 };
  }
  if (request.printConfig) {
    process.stdout.write(printConfig(loaded));
    return { exitCode: 0 };
  }
  if (request.checkConfig) {
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`);
    process.stdout.write('configuration is valid\n');
    return { exitCode: 0 };
  }
  const { logLevel: level, logFormat: format } = loaded.config;
  const log = createLogger({ level, format });
  const signals = listenForSignals();
  try {
    return await run(loaded, { request, log, signals });
  } finally {
    signals.dispose();
    await log.close();
  }
}

interface RunContext {
  readonly request: StartRequest;
  readonly log: Log;
  readonly signals: ServiceSignals;
}

async function run(loaded: LoadedConfig, { request, log, signals }: RunContext): Promise<Outcome> {
  const { logger } = log;
  const { config } = loaded;
  const inherited = inheritedSockets();
  const isSuccessor = inherited.size > 0;
  const known = await fingerprintsNow(loaded);
  logWarnings(loaded.warnings, logger);
  warnOfFewFiles(config, logger);
  let service: Service;
  try {
    service = await startService(config, [logObserver(log), growYoungGenerationWithChurn()], {
      start: starterFor(config),
      inherited,
    });
  } catch (error) {
    return failedToStart(config, logger, messageOf(error));
  }
  const serviceManager = connectServiceManager(logger, { isSuccessor });
  const status = `listening on ${service.addresses.map(({ address }) => address).join(', ')}`;
  const reloads = await createReloads(loaded, {
    sources: request.sources,
    logger,
    service,
    known,
    onBegin: () => serviceManager.reloading(),
    onEnd: () => serviceManager.ready(status),
  });
  signals.onReload(reloads.reload);
  logReady(service, logger);
  serviceManager.ready(status);
  if (isSuccessor) takeOver(inherited, service.sockets);
  const end = await Promise.race([signals.stop, successor(service, { logger, signals })]);
  reloads.close();
  // To systemd the service goes on in the other process.
  if (end !== 'SIGUSR2') serviceManager.stopping('waiting for sessions to end');
  return stop(service, end, reloads.current(), { logger, signals });
}

interface StopContext {
  readonly logger: Logger;
  readonly signals: ServiceSignals;
}

/** Resolves when a new process accepts connections in the place of this one. */
function successor(service: Service, { logger, signals }: StopContext): Promise<'SIGUSR2'> {
  let isStarting = false;
  return new Promise((resolve) => {
    signals.onUpgrade(() => {
      if (isStarting) return;
      isStarting = true;
      logger.info('starting a new process in the place of this one');
      startSuccessor(service.sockets).then(
        ({ pid }) => {
          logger.info({ pid }, 'the new process accepts connections');
          resolve('SIGUSR2');
        },
        (error: unknown) => {
          isStarting = false;
          logger.error(`no new process takes the place of this one, which goes on: ${messageOf(error)}`);
        },
      );
    });
  });
}

/** A second signal does not wait for anyone. */
async function stop(
  service: Service,
  signal: NodeJS.Signals,
  { drainDelay, drainTimeout }: ProxyConfig,
  { logger, signals }: StopContext,
): Promise<Outcome> {
  const isHandedOver = signal === 'SIGUSR2';
  const times = { drain_delay_ms: isHandedOver ? 0 : drainDelay, drain_timeout_ms: drainTimeout };
  logger.info({ signal, connections: service.connections(), ...times }, 'stopping');
  const result = await Promise.race([
    service.close({ drainDelay: times.drain_delay_ms, drainTimeout, isHandedOver }),
    isHandedOver ? signals.stop : signals.stopAtOnce,
  ]);
  if (typeof result === 'string') {
    // Other processes do not end with this one.
    void service.close();
    logger.warn({ signal: result, connections: service.connections() }, 'stopped at once by a second signal');
    return { exitCode: 1, force: true };
  }
  if (result.cut > 0) {
    logger.warn(
      { cut: result.cut },
      `stopped: connections were cut that had not ended within ${drainTimeout / 1000} s; raise --drain-timeout, or look for long transactions`,
    );
    return { exitCode: 1 };
  }
  logger.info('stopped');
  return { exitCode: 0 };
}

/** Each worker has the same limit as this process. */
function warnOfFewFiles(config: ProxyConfig, logger: Logger): void {
  const files = openFiles();
  if (files === undefined) return;
  const servable = files.connections * workerCount(config);
  if (servable >= config.maxConnections) return;
  logger.warn(
    { limit: files.limit, connections: servable },
    `--max-connections is ${config.maxConnections}, but the limit of ${files.limit} open files for each process is enough for ` +
      `${servable} connections: raise it (LimitNOFILE= in systemd, ulimit -n), or lower --max-connections`,
  );
}

function workerCount({ workers, routes }: ProxyConfig): number {
  // Each needs a server connection at least.
  const most = Math.min(...routes.map(({ maxServerConnections = Infinity }) => maxServerConnections));
  return Math.min(workers === 'auto' ? usableCores() : workers, most);
}

function starterFor(config: ProxyConfig): ProxyStarter {
  const count = workerCount(config);
  if (count === 1) return startProxy;
  return (initial, observers, inherited, onCommands) =>
    startCrew(initial, observers, { count, inherited, onCommands });
}

function failedToStart({ logLevel }: ProxyConfig, logger: Logger, message: string): Outcome {
  if (logLevel === 'silent') process.stderr.write(`mysql-tls-proxy: cannot start: ${message}\n`);
  else logger.error(`cannot start: ${message}`);
  return { exitCode: 1 };
}

/** Scripts wait for this line, and read the real ports from it. */
function logReady({ addresses, adminAddress }: Service, logger: Logger): void {
  const byRoute = new Map<string, string[]>();
  for (const { route, address } of addresses) byRoute.set(route, [...(byRoute.get(route) ?? []), address]);
  const routes = Object.fromEntries(byRoute);
  const listen = addresses.map(({ address }) => address);
  logger.info({ listen, routes, admin: adminAddress ?? 'off', version: packageVersion() }, 'ready');
}
