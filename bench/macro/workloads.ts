/** The workloads of the rows: point selects, prepared statements, connections, large results and inserts, idle connections. */
import { bigValueBytes, itemCount } from './database.js';
import { measureConnects, measureIdleConnections } from './mysql2-load.js';
import { measureFromStartToEnd, measureSteadily, type SteadyLoad } from './sysbench.js';
import type { Workload } from './workload.js';

const megabytesPerEvent = bigValueBytes / 1_000_000;
const anyId = `sysbench.rand.uniform(1, ${itemCount})`;

export function pointSelect(threads: number): Workload {
  return steady('query', {
    script: lua('', '', `con:query("SELECT name FROM item WHERE id=" .. ${anyId})`),
    threads,
    counter: 'Com_select',
    unitsPerEvent: 1,
  });
}

/** Prepared once for each connection, then executed. */
export function preparedSelect(threads: number): Workload {
  const prepare = `
    statement = con:prepare("SELECT name FROM item WHERE id=?")
    id = statement:bind_create(sysbench.sql.type.INT)
    statement:bind_param(id)`;
  return steady('query', {
    script: lua('', prepare, `id:set(${anyId}) statement:execute()`),
    threads,
    counter: 'Com_stmt_execute',
    unitsPerEvent: 1,
  });
}

export function largeResult(threads: number): Workload {
  return steady('MB', {
    script: lua('', '', 'con:query("SELECT pad FROM big")'),
    threads,
    counter: 'Com_select',
    unitsPerEvent: megabytesPerEvent,
  });
}

export function largeInsert(threads: number): Workload {
  return steady('MB', {
    script: lua(
      `pad = string.rep("x", ${bigValueBytes})`,
      '',
      `con:query("INSERT INTO sink VALUES('" .. pad .. "')")`,
    ),
    threads,
    counter: 'Com_insert',
    unitsPerEvent: megabytesPerEvent,
  });
}

/** Connect, one point select, close. */
export function connectAndClose(threads: number): Workload {
  const script = `
    function thread_init() driver = sysbench.sql.driver() end
    function event()
      local con = driver:connect()
      con:query("SELECT name FROM item WHERE id=" .. ${anyId})
      con:disconnect()
    end`;
  return {
    unit: 'connection',
    run: (target, seconds) => measureFromStartToEnd(target, { script, threads }, seconds),
  };
}

/** The same over TLS on the client leg, by mysql2: sysbench's client library resumes no session. */
export function connectOverTls(concurrency: number, tls: 'full' | 'resumed'): Workload {
  return {
    unit: 'connection',
    run: (target, seconds) => measureConnects(target, { concurrency, tls }, seconds),
  };
}

export function idleConnections(count: number): Workload {
  return {
    unit: 'idle connection',
    needsFreshProgram: true,
    run: (target) => measureIdleConnections(target, count),
  };
}

function steady(unit: Workload['unit'], load: SteadyLoad): Workload {
  return { unit, run: (target, seconds) => measureSteadily(target, load, seconds) };
}

/**
 * A script whose threads each keep one connection. Of logins over TLS to a MySQL Router about one in five fails with error
 * 2027 in sysbench's client library: the login is not what is measured, and is tried again.
 */
function lua(before: string, afterConnect: string, event: string): string {
  return `${before}
    function connected()
      for attempt = 1, 20 do
        local isOpen, con = pcall(driver.connect, driver)
        if isOpen then return con end
      end
      return driver:connect()
    end
    function thread_init()
      driver = sysbench.sql.driver()
      con = connected()
      ${afterConnect}
    end
    function event() ${event} end
    function thread_done() con:disconnect() end`;
}
