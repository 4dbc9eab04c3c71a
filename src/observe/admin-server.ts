/** The HTTP side: what people, scrapers and health checks ask for. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { hostname } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Address, formatAddress } from '../config/model.js';
import { messageOf } from '../errors.js';
import { fdOf } from '../listening-socket.js';
import type { EventStream } from './event-stream.js';

export interface Reply {
  readonly status: number;
  readonly body: string;
  /** Text for people unless given. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a GET; whatever it throws is answered with 500. */
export type Endpoint = (query: URLSearchParams) => Reply | Promise<Reply>;

export interface AdminServerOptions {
  readonly listen: Address;
  /** By path. /livez and /readyz are there without. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly streams: ReadonlyMap<string, EventStream>;
  /** Undefined when the proxy can serve clients, else why not. Asked on each request. */
  readonly unreadyReason: () => string | undefined;
  /** Of the socket that another process has opened there. */
  readonly inheritedFd?: number | undefined;
}

export interface AdminServer {
  /** With the real port. */
  readonly address: string;
  /** Of the socket that listens. */
  readonly fd: number;
  /** Cuts what is still open and resolves when the port is free. */
  close(): Promise<void>;
}

/** They say nothing that would be worth stealing, and orchestrators ask under any name. */
const healthChecks: ReadonlySet<string> = new Set(['/livez', '/readyz']);

const PLAIN_TEXT = 'text/plain; charset=utf-8';

/** Nothing here is for other sites: not as a script, not in a frame, not from a cache. */
const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
} as const;

/** Silent connections must not use up the file descriptors that clients need. */
const MOST_SOCKETS = 200;
const HEADERS_MS = 10_000;

/** Rejects with the error of the system, such as EADDRINUSE. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ headersTimeout: HEADERS_MS }, createHandler(options));
  server.maxConnections = MOST_SOCKETS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const listening = () => {
      server.off('error', reject);
      resolve();
    };
    if (options.inheritedFd !== undefined) server.listen({ fd: options.inheritedFd }, listening);
    else if (options.listen.kind === 'unix') server.listen(options.listen.path, listening);
    else server.listen(options.listen.port, options.listen.host, listening);
  });
  return {
    address: boundAddress(options.listen, server.address()),
    fd: fdOf(server),
    close: () =>
      new Promise((resolve) => {
        for (const stream of options.streams.values()) stream.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function boundAddress(wanted: Address, bound: AddressInfo | string | null): string {
  if (wanted.kind === 'unix' || bound === null || typeof bound === 'string') return formatAddress(wanted);
  return formatAddress({ kind: 'tcp', host: wanted.host, port: bound.port });
}

function createHandler({ endpoints, streams, unreadyReason }: AdminServerOptions): RequestListener {
  const all = new Map<string, Endpoint>([
    ...endpoints,
    ['/livez', () => ({ status: 200, body: 'ok\n' })],
    ['/readyz', () => readiness(unreadyReason())],
  ]);
  const paths = [...all.keys(), ...streams.keys()].sort();
  const turns = new Turns(MOST_WAITING);
  return (request, response) => {
    // Not `new URL`, which throws for some of what can be asked for. A proxy in between may ask for the whole address.
    const target = (request.url ?? '').replace(/^https?:\/\/[^/?]*/i, '');
    const [path = '', ...query] = target.split('?');
    const answer = ({ status, body, contentType = PLAIN_TEXT, headers = {} }: Reply) => {
      response.writeHead(status, {
        ...SECURITY_HEADERS,
        'Content-Type': contentType,
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      });
      response.end(body);
    };
    const tried = async (endpoint: Endpoint) => {
      try {
        answer(await endpoint(new URLSearchParams(query.join('?'))));
      } catch (error) {
        answer({ status: 500, body: `${messageOf(error)}\n` });
      }
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer({
        status: 405,
        body: 'Only GET and HEAD are allowed.\n',
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const endpoint = all.get(path);
    if (endpoint !== undefined && healthChecks.has(path)) return void tried(endpoint);
    const objection = objectionTo(request);
    if (objection !== undefined) return answer({ status: 403, body: objection });
    const stream = streams.get(path);
    if (stream !== undefined) return stream.send(request, response, SECURITY_HEADERS);
    if (endpoint === undefined) {
      return answer({ status: 404, body: `There is nothing here. Paths: ${paths.join(' ')}\n` });
    }
    const isTaken = turns.take(async () => {
      if (!request.socket.destroyed) await tried(endpoint);
    });
    if (!isTaken) answer({ status: 503, body: 'Too many requests are waiting. Ask less often.\n' });
  };
}

/**
 * One request after the other, and what clients send in between: each answer may take milliseconds, and Node hands over all
 * requests of a chunk at once.
 */
class Turns {
  readonly #most: number;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(most: number) {
    this.#most = most;
  }

  /** False where too many wait. `work` must not reject. */
  take(work: () => Promise<void>): boolean {
    if (this.#waiting >= this.#most) return false;
    this.#waiting += 1;
    this.#last = this.#last.then(async () => {
      await nextTurn();
      await work();
      this.#waiting -= 1;
    });
    return true;
  }
}

const MOST_WAITING = 100;

function readiness(reason: string | undefined): Reply {
  return reason === undefined
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: `not ready: ${reason}\n` };
}

/**
 * A web site can have the browser of somebody who works here ask for anything, and can let its own name point to 127.0.0.1 and
 * so read the answer. It can not do that under a name or address that is not its own.
 */
function objectionTo({ headers, socket }: IncomingMessage): string | undefined {
  if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate')
    return 'Other sites may not ask here.\n';
  if (headers.host === undefined || !isLoopback(socket.localAddress)) return undefined;
  const name = headers.host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) !== 0 || name === hostname() || /^([\w-]+\.)*localhost\.?$/i.test(name)) return undefined;
  return 'Over a loopback address the admin listener answers to localhost, to IP addresses, and to the name of this machine.\n';
}

/** Of a socket; undefined for a socket file. */
function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(::ffff:)?127\./.test(address));
}
