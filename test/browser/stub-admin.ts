/** An admin listener that says what a test wants it to say: the page as it is, the state made up. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadPage } from '../../src/observe/page/page.js';
import type { ConnectionList, ConnectionState, ProxyState } from '../../src/observe/state/state.js';

const page = loadPage();

export class StubAdmin {
  state: ProxyState;
  connections: readonly ConnectionState[] = [];
  /** As with `--metrics aggregates`: what /connections and /plaintext say instead. */
  refusal = '';
  /** What /events says instead of a stream. */
  eventsRefusal = '';
  /** /connections is never answered. */
  isListHanging = false;
  /** Each path with its query, in order. */
  readonly requests: string[] = [];
  readonly #streams = new Set<ServerResponse>();
  #server: Server | undefined;
  #port = 0;

  constructor(state: ProxyState) {
    this.state = state;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** On the same port as before, if it was started before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => this.#reply(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Breaks everything off, as a proxy that is killed. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#streams.clear();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** A new state for every page that listens, at once. */
  publish(state: ProxyState = this.state): void {
    this.state = state;
    for (const stream of this.#streams) send(stream, state);
  }

  get listeners(): number {
    return this.#streams.size;
  }

  #reply(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.origin);
    this.requests.push(`${url.pathname}${url.search}`);
    switch (url.pathname) {
      case '/':
        response.writeHead(200, {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': page.contentSecurityPolicy,
        });
        response.end(page.html);
        return;
      case '/events':
        if (this.eventsRefusal !== '') {
          sendText(response, 503, this.eventsRefusal);
          return;
        }
        response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
        this.#streams.add(response);
        response.on('close', () => this.#streams.delete(response));
        send(response, this.state);
        return;
      case '/plaintext':
        if (this.refusal === '') sendJson(response, this.state.plaintext);
        else sendText(response, 404, this.refusal);
        return;
      case '/connections':
        if (this.isListHanging) return;
        if (this.refusal === '') this.#listConnections(url.searchParams, response);
        else sendText(response, 404, this.refusal);
        return;
      default:
        sendText(response, 404, 'There is nothing here.');
    }
  }

  #listConnections(query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit'));
    const search = (query.get('search') ?? '').toLowerCase();
    const filters = [...query].filter(([name]) => name !== 'limit' && name !== 'search');
    const wrong = filters.find(([name]) => !(name in connectionExample));
    if (wrong !== undefined) {
      sendText(response, 400, `There is no field "${wrong[0]}".`);
      return;
    }
    const matched = this.connections.filter((connection) => {
      const has = ([name, value]: [string, string]): boolean =>
        String(connection[name as keyof ConnectionState]) === value;
      return (
        filters.every(has) &&
        Object.values(connection).some((value) => String(value).toLowerCase().includes(search))
      );
    });
    const list: ConnectionList = {
      at: this.state.at,
      total: this.connections.length,
      matched: matched.length,
      connections: matched.slice(0, limit),
    };
    sendJson(response, list);
  }
}

const send = (stream: ServerResponse, state: ProxyState): boolean =>
  stream.write(`event: state\ndata: ${JSON.stringify(state)}\n\n`);

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

export const connectionExample: ConnectionState = {
  id: 1,
  route: 'shop',
  state: 'session',
  client: '10.0.3.17:51514',
  client_program: 'checkout',
  user: 'shop_app',
  server_user: '',
  server: 'db-1.example.com:3306',
  server_version: '9.7.4',
  server_thread_id: 4711,
  server_connection: 'fresh',
  client_tls_version: 'TLSv1.3',
  client_cipher: 'TLS_AES_256_GCM_SHA384',
  client_tls_resumed: false,
  client_certificate_subject: '',
  server_tls_version: 'TLSv1.3',
  server_cipher: 'TLS_AES_256_GCM_SHA384',
  server_tls_resumed: true,
  server_certificate_subject: 'CN=db-1.example.com',
  client_plugin: 'caching_sha2_password',
  server_plugin: 'caching_sha2_password',
  path: 'relayed',
  opened_at: 0,
  client_bytes_in: 0,
  client_bytes_out: 0,
  server_bytes_in: 0,
  server_bytes_out: 0,
  commands: 0,
};
