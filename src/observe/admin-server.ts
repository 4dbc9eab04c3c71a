/** The HTTP side: what people, scrapers and health checks ask for. */
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { type Address, formatAddress } from '../config/model.js';
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
}

export interface AdminServer {
  /** With the real port. */
  readonly address: string;
  /** Cuts what is still open and resolves when the port is free. */
  close(): Promise<void>;
}

/** They say nothing that would be worth stealing, and orchestrators ask under any name. */
const healthChecks: ReadonlySet<string> = new Set(['/livez', '/readyz']);

const PLAIN_TEXT = 'text/plain; charset=utf-8';

/** Nothing here is for other sites: not as a script, not in a frame, not from a cache. */
const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
} as const;

/** Rejects with the error of the system, such as EADDRINUSE. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer(createHandler(options));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const listening = () => {
      server.off('error', reject);
      resolve();
    };
    if (options.listen.kind === 'unix') server.listen(options.listen.path, listening);
    else server.listen(options.listen.port, options.listen.host, listening);
  });
  return {
    address: boundAddress(options.listen, server.address()),
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

function createHandler({ listen, endpoints, streams, unreadyReason }: AdminServerOptions): RequestListener {
  const all = new Map<string, Endpoint>([
    ...endpoints,
    ['/livez', () => ({ status: 200, body: 'ok\n' })],
    ['/readyz', () => readiness(unreadyReason())],
  ]);
  const paths = [...all.keys(), ...streams.keys()].sort();
  return (request, response) => {
    // Not `new URL`, which throws for some of what can be asked for.
    const [path = '', ...query] = (request.url ?? '').split('?');
    const answer = ({ status, body, contentType = PLAIN_TEXT, headers = {} }: Reply) => {
      response.writeHead(status, {
        ...SECURITY_HEADERS,
        'Content-Type': contentType,
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      });
      response.end(body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer({
        status: 405,
        body: 'Only GET and HEAD are allowed.\n',
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const objection = objectionToHost(listen, request.headers.host);
    if (objection !== undefined && !healthChecks.has(path)) return answer({ status: 403, body: objection });
    const stream = streams.get(path);
    if (stream !== undefined && request.method === 'GET') return stream.send(response, SECURITY_HEADERS);
    const endpoint = all.get(path);
    if (endpoint === undefined) {
      return answer({ status: 404, body: `There is nothing here. Paths: ${paths.join(' ')}\n` });
    }
    Promise.resolve()
      .then(() => endpoint(new URLSearchParams(query.join('?'))))
      .then(answer, (error: unknown) =>
        answer({ status: 500, body: `${error instanceof Error ? error.message : error}\n` }),
      );
  };
}

function readiness(reason: string | undefined): Reply {
  return reason === undefined
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: `not ready: ${reason}\n` };
}

/**
 * A web site can let its own name point to 127.0.0.1, and so read what is served there with the browser of somebody who
 * works on this machine. It can not do that under a name or address that is not its own.
 */
function objectionToHost(listen: Address, host: string | undefined): string | undefined {
  if (listen.kind === 'unix' || host === undefined || !isLoopback(listen.host)) return undefined;
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) !== 0 || name === listen.host || /^(.*\.)?localhost$/i.test(name)) return undefined;
  return 'The admin listener is on a loopback address: ask for it as localhost or by its address.\n';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
