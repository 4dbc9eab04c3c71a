/** What the main process and its workers tell each other. Sent by structured clone, so NaN and undefined arrive as they are. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import type { ClientEnd } from '../admission/client-address.js';
import type { ProxyConfig, UserCredential } from '../config/model.js';
import type { CommandChange } from '../observe/command-statistics.js';
import type { CertificateInUse, KeptCount, ServerConnections } from '../observe/events.js';
import type { SentEvent } from './event-messages.js';
import type { Counters } from './record-changes.js';
import type { SentError } from './sent-error.js';

export type ToWorker =
  | {
      readonly kind: 'start';
      readonly config: SentConfig;
      /** PEM of the proxy's own RSA key: the same in all workers. Undefined where none may be needed. */
      readonly rsaKey: string | undefined;
      readonly ticketSecret: Uint8Array;
    }
  /** Comes with the socket. */
  | {
      readonly kind: 'connection';
      readonly id: number;
      readonly route: string;
      readonly client: ClientEnd;
      /** `ask`: the worker finds out first who the client is. `wait`: it follows. */
      readonly verdict: Verdict | 'ask' | 'wait';
    }
  | { readonly kind: 'verdict'; readonly id: number; readonly verdict: Verdict }
  /** Others wait: see `Session.hurry`. */
  | { readonly kind: 'hurry'; readonly id: number }
  /** It may be: see `Stay.mayBeRefused`. */
  | { readonly kind: 'refuse'; readonly id: number }
  | { readonly kind: 'prepare'; readonly config: SentConfig }
  /** To what was prepared last. */
  | { readonly kind: 'use' }
  | { readonly kind: 'report'; readonly request: number }
  /** Sessions are to end. */
  | { readonly kind: 'end'; readonly timeoutMs: number };

export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'not_started'; readonly message: string }
  | { readonly kind: 'prepared' }
  | { readonly kind: 'not_prepared'; readonly message: string }
  | { readonly kind: 'report'; readonly request: number; readonly report: Report }
  | { readonly kind: 'ended'; readonly cut: number }
  /** Of one turn of the event loop, in their order. */
  | { readonly kind: 'news'; readonly news: readonly News[] };

export type News =
  /** The socket has arrived. */
  | { readonly kind: 'taken'; readonly id: number }
  | { readonly kind: 'enter'; readonly id: number; readonly client: ClientEnd }
  /** See `Stay.mayBeRefused`. */
  | { readonly kind: 'refusable'; readonly id: number }
  | { readonly kind: 'handshake_ended'; readonly id: number; readonly isClientsFault: boolean }
  | { readonly kind: 'ended'; readonly id: number }
  | { readonly kind: 'event'; readonly event: SentEvent };

/** What has changed since the last one, and what there is now. */
export interface Report {
  /** By the id of the connection. */
  readonly counters: readonly (readonly [id: number, counters: Counters])[];
  /** By route. */
  readonly commands: readonly (readonly [route: string, changes: readonly CommandChange[]])[];
  readonly certificates: readonly CertificateInUse[];
  readonly keptServers: readonly KeptCount[];
  readonly serverConnections: readonly ServerConnections[];
  /** Of the process. */
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** Whether a connection may come in. */
export type Verdict = { readonly refusal: SentError | undefined };

/** Passwords leave their KeyObjects only for the way from one process to the other. */
export type SentConfig = Omit<ProxyConfig, 'users'> & { readonly users: readonly SentUser[] };

type Secrets<Value> = {
  readonly [Key in keyof Value]: Value[Key] extends KeyObject ? Uint8Array : Value[Key];
};

interface SentUser {
  readonly user: string;
  readonly route: string | undefined;
  readonly client: { readonly password: Uint8Array } | { readonly doubleSha1: Uint8Array };
  readonly server: Secrets<UserCredential['server']>;
}

export function sendConfig(config: ProxyConfig): SentConfig {
  return { ...config, users: config.users.map(sendUser) };
}

export function receiveConfig(config: SentConfig): ProxyConfig {
  return { ...config, users: config.users.map(receiveUser) };
}

function sendUser({ user, route, client, server }: UserCredential): SentUser {
  return {
    user,
    route,
    client:
      'password' in client
        ? { password: client.password.export() }
        : { doubleSha1: client.doubleSha1.export() },
    server: { user: server.user, password: server.password.export() },
  };
}

function receiveUser({ user, route, client, server }: SentUser): UserCredential {
  return {
    user,
    route,
    client:
      'password' in client
        ? { password: createSecretKey(client.password) }
        : { doubleSha1: createSecretKey(client.doubleSha1) },
    server: { user: server.user, password: createSecretKey(server.password) },
  };
}
