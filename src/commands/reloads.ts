/** Takes a changed configuration into use while the proxy runs: on SIGHUP, and when a file that it is made of changes. */
import { ConfigError, type ConfigProblem, formatProblem } from '../config/config-error.js';
import { FileWatcher } from '../config/file-watcher.js';
import { type Fingerprints, fingerprintsOf } from '../config/fingerprints.js';
import { type ConfigSources, type LoadedConfig, loadConfig } from '../config/load.js';
import type { ProxyConfig } from '../config/model.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../observe/log.js';
import type { Service } from '../service.js';

export interface ReloadContext {
  readonly sources: ConfigSources;
  readonly logger: Logger;
  readonly service: Service;
  /** What the files held before the service was built from them. */
  readonly known: Fingerprints;
  /** Around each reload, however it ends. */
  readonly onBegin: () => void;
  readonly onEnd: () => void;
}

export interface Reloads {
  /** Resolves when the reload is done, or has failed and the log says why. One after the other, whoever asks for them. */
  reload(): Promise<void>;
  /** The configuration in use. */
  current(): ProxyConfig;
  /** Files are not watched any more. */
  close(): void;
}

/** Of the files that are to be watched: none where the configuration says so. */
export function fingerprintsNow(loaded: LoadedConfig): Promise<Fingerprints> {
  return fingerprintsOf(watchedFiles(loaded));
}

/** All or nothing: whatever is wrong with the new configuration, the old one stays in use. */
export async function createReloads(
  initial: LoadedConfig,
  { sources, logger, service, known, onBegin, onEnd }: ReloadContext,
): Promise<Reloads> {
  let current = initial;
  let last = Promise.resolve();

  const reloadNow = async (changed?: readonly string[]) => {
    const knownBefore = await watcher.now();
    const attempt = attemptToLoad(sources);
    // Before certificates are read for use: a change from here on is another one.
    const added = attempt.files.filter((file) => !knownBefore.has(file));
    const known = new Map([...knownBefore, ...(await fingerprintsOf(added))]);
    onBegin();
    const files = await takeIntoUse(attempt, changed);
    onEnd();
    await watcher.follow(files, known);
  };
  const inTurn = (changed?: readonly string[]) => {
    last = last.then(() => reloadNow(changed));
    return last;
  };
  const watcher = new FileWatcher({
    changed: inTurn,
    unwatchable: (folder, error) =>
      logger.info(
        { folder, reason: messageOf(error) },
        'the system does not report changes in a folder with watched files, they are looked at every 30 s',
      ),
  });

  /** Gives the files to watch from now on. */
  async function takeIntoUse(
    attempt: Attempt,
    changed: readonly string[] | undefined,
  ): Promise<readonly string[]> {
    const byWhat = changed === undefined ? {} : { changed };
    try {
      // What is wrong is counted there.
      await service.reload(() => attempt.result().config);
      current = attempt.result();
      logger.level = current.config.logLevel;
      logWarnings(current.warnings, logger);
      logger.info(byWhat, 'configuration reloaded');
      return watchedFiles(current);
    } catch (error) {
      const found = error instanceof ConfigError ? error.problems : [];
      const problems = found.length > 0 ? found.map(formatProblem) : [messageOf(error)];
      const codes = found.flatMap(({ fault }) => fault?.code ?? []);
      logger.error(
        { ...byWhat, problems, ...(codes.length > 0 ? { codes } : {}) },
        'reload failed, the old configuration stays in use',
      );
      // What is wrong may be put right in a file that only the new configuration names.
      return watchedFiles({ ...current, files: [...new Set([...current.files, ...attempt.files])] });
    }
  }

  await watcher.follow(watchedFiles(initial), known);
  return { reload: () => inTurn(), current: () => current.config, close: () => watcher.close() };
}

interface Attempt {
  /** Those that the configuration names, whether it can be used or not. */
  readonly files: readonly string[];
  /** Throws what is wrong. */
  readonly result: () => LoadedConfig;
}

function attemptToLoad(sources: ConfigSources): Attempt {
  try {
    const loaded = loadConfig(sources);
    return { files: loaded.files, result: () => loaded };
  } catch (error) {
    return {
      files: error instanceof ConfigError ? error.files : [],
      result: () => {
        throw error;
      },
    };
  }
}

export function logWarnings(warnings: readonly ConfigProblem[], logger: Logger): void {
  for (const warning of warnings) {
    const { option, fault } = warning;
    logger.warn({ option, ...(fault === undefined ? {} : { code: fault.code }) }, formatProblem(warning));
  }
}

function watchedFiles({ config, files }: LoadedConfig): readonly string[] {
  return config.reloadOnChange === 'on' ? files : [];
}
