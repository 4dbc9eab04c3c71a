/** Asks the admin listener of a running proxy. */
import { request } from 'node:http';
import { type Address, formatAddress } from '../config/model.js';

export interface AdminReply {
  readonly status: number;
  readonly body: string;
}

type TcpAddress = Extract<Address, { kind: 'tcp' }>;

/** Why there is no reply that can be used; the message says what to do. */
export class AdminError extends Error {}

const PATIENCE_MS = 10_000;

/** The largest reply, that of a full report, has about 10 MB. */
const LONGEST_BODY = 64 * 1024 * 1024;

/** Rejects with AdminError. */
export function askAdmin(admin: TcpAddress, path: string, patienceMs = PATIENCE_MS): Promise<AdminReply> {
  const where = formatAddress(admin);
  const { host, port } = admin;
  return new Promise((resolve, reject) => {
    const asking = request(
      { host, port, path, agent: false, signal: AbortSignal.timeout(patienceMs) },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length <= LONGEST_BODY) return;
          reject(new AdminError(`${where} sends more than a report can have`));
          asking.destroy();
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
        response.on('error', (error) => reject(explained(error, where, patienceMs)));
      },
    );
    asking.on('error', (error) => reject(explained(error, where, patienceMs)));
    asking.end();
  });
}

function explained(error: NodeJS.ErrnoException, where: string, patienceMs: number): AdminError {
  if (error.name === 'AbortError') {
    return new AdminError(`${where} did not answer within ${patienceMs / 1000} s`);
  }
  return new AdminError(
    error.code === 'ECONNREFUSED'
      ? `nothing listens on ${where} (${error.code}): start the proxy, or give its --admin-listen address with --admin`
      : `${where} can not be asked: ${error.message}`,
  );
}
