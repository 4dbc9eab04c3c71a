/** The HTTP side: what scrapers and health checks ask for. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Address, formatAddress } from '../config/model.js';

/** What a scrape gets; a prom-client registry is one. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface AdminServerOptions {
  readonly listen: Address;
  readonly metrics: MetricsSource;
  /** Undefined when the proxy can serve clients, else why not. Asked on each request. */
  readonly unreadyReason: () => string | undefined;
}

export interface AdminServer {
  /** With the real port. */
  readonly address: string;
  /** Cuts what is still open and resolves when the port is free. */
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
}

const paths = ['/metrics', '/livez', '/readyz'] as const;

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
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function boundAddress(wanted: Address, bound: AddressInfo | string | null): string {
  if (wanted.kind === 'unix' || bound === null || typeof bound === 'string') return formatAddress(wanted);
  return formatAddress({ kind: 'tcp', host: wanted.host, port: bound.port });
}

function createHandler(options: AdminServerOptions): RequestListener {
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD', 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('Only GET and HEAD are allowed.\n');
      return;
    }
    reply(path, options).then(
      ({ status, body, contentType = 'text/plain; charset=utf-8' }) => {
        response.writeHead(status, {
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
        });
        response.end(body);
      },
      (error: unknown) => {
        response.writeHead(500, { 'Content-Type': 'text/plain; charset=utf-8' });
        response.end(`${error instanceof Error ? error.message : error}\n`);
      },
    );
  };
}

async function reply(path: string, { metrics, unreadyReason }: AdminServerOptions): Promise<Reply> {
  switch (path) {
    case '/metrics':
      return { status: 200, body: await metrics.metrics(), contentType: metrics.contentType };
    case '/livez':
      return { status: 200, body: 'ok\n' };
    case '/readyz': {
      const reason = unreadyReason();
      return reason === undefined
        ? { status: 200, body: 'ok\n' }
        : { status: 503, body: `not ready: ${reason}\n` };
    }
    default:
      return { status: 404, body: `There is nothing here. Paths: ${paths.join(' ')}\n` };
  }
}
