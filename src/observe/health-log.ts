/** One line when a server is left out, one when it is back, one when it refuses the user of health checks. */
import type { ProxyError } from '../errors.js';
import type { Observer } from './events.js';
import type { Log } from './log.js';
import { RepeatLimiter } from './repeats.js';

export function logServerHealth({
  logger,
  beforeClose,
}: Pick<Log, 'logger' | 'beforeClose'>): Pick<Observer, 'serverHealth' | 'serverChecked'> {
  /** Told to be down, and not yet to be back. */
  const down = new Set<string>();
  const denied = new Set<string>();
  // A server at the edge of its max_connections falls and rises every second.
  const repeats = new RepeatLimiter(({ code, route, client: server }, count, seconds) => {
    logger.warn(
      { route, server, leg: 'server', code, suppressed: count },
      `${code}: ${count} more times in ${seconds} s`,
    );
  });
  beforeClose(() => repeats.flush());
  const warn = (route: string, server: string, error: ProxyError, text: string): boolean => {
    const { code, definition } = error;
    if (!repeats.admits({ code, route, client: server })) return false;
    logger.warn({ route, server, leg: definition.leg, code }, text);
    return true;
  };
  return {
    serverHealth: ({ route, server, error, changed, by, isOnly }) => {
      const key = `${route} ${server}`;
      if (error === undefined) {
        if (down.delete(key))
          logger.info({ route, server }, `server ${server} is up again and gets connections`);
        return;
      }
      // Of an only server, the failures of its clients are logged.
      if (!changed || (isOnly && by === 'client')) return;
      // Another worker has found the same.
      if (down.has(key)) return;
      const what = isOnly
        ? `health checks of ${server} fail`
        : `server ${server} is left out until it answers again`;
      const text = `${what}: ${error.what}. ${error.definition.cure}`;
      if (warn(route, server, error, text)) down.add(key);
    },
    serverChecked: ({ route, server, result, error }) => {
      const key = `${route} ${server}`;
      if (result === 'success') denied.delete(key);
      if (result !== 'denied' || error === undefined || denied.has(key)) return;
      denied.add(key);
      warn(
        route,
        server,
        error,
        `health checks of ${server} can not log in: ${error.what}. ${error.definition.cure}`,
      );
    },
  };
}
