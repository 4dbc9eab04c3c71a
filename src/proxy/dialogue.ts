/** What the steps of an authentication share: the login's, and those of a COM_CHANGE_USER later in the session. */

import type { KeyObject } from 'node:crypto';
import type { Legs } from '../auth/leg-security.js';
import type { CancelSignal } from '../cancellation.js';
import type { ConnectionRecord } from '../observe/events.js';
import type { Identity } from '../wire/login.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import type { Route } from './route.js';

export interface Dialogue {
  readonly client: ClientLeg;
  readonly server: ServerLeg;
  readonly legs: Legs;
  readonly route: Route;
  readonly record: ConnectionRecord;
  /** 0x02 begins an AuthNextFactor rather than a plugin's own data. */
  readonly multiFactor: boolean;
  /** Deadline, shutdown, and the client's disappearance. */
  readonly signal: CancelSignal;
}

/** What is known of the client's library, from its login. */
export interface ClientAbilities {
  /** The plugin that it named: one that it certainly has. */
  readonly plugin: string;
  /** It understands an AuthSwitchRequest. */
  readonly canSwitch: boolean;
  /** A client of the MariaDB family, which has MariaDB's own plugins. */
  readonly isMariaDb: boolean;
}

/** A login or a COM_CHANGE_USER, as far as its authentication goes. */
export interface AuthenticationRequest {
  readonly user: string;
  /** The same as it came: in the character set of the client. */
  readonly userBytes: Buffer;
  readonly authResponse: Buffer;
  readonly abilities: ClientAbilities;
  /** Its empty auth response is no password: the client waits for an AuthSwitchRequest. */
  readonly expectsSwitch: boolean;
  /** The server's default plugin, if it takes a scramble along with the request; undefined: it asks in any case. */
  readonly serverPlugin: string | undefined;
  /** The packet for the server: as the client sent it, or with another identity. */
  encode(identity?: Identity): Buffer;
}

/** How the server is told who wants in, and what is known when it begins to ask. */
export interface Opening {
  /** In the place of what the client said of itself; undefined: that is passed on. */
  readonly identity: Identity | undefined;
  /** The plugin of the auth response that the server gets. */
  readonly plugin: string;
  /** That the auth response was made with, 20 bytes. */
  readonly nonce: Buffer;
  readonly abilities: ClientAbilities;
  /** From the credentials file: the proxy answers the server, and the client is not asked any more. */
  readonly storedPassword: KeyObject | undefined;
  /** What the client's plugin expects in front of OK. */
  readonly beforeOk: Buffer | undefined;
}

/** How the server decided; its OK or ERR has been passed on. */
export type Decision = { readonly accepted: true } | { readonly accepted: false; readonly errno: number };

/** What client and server agreed on, for what comes after the login. */
export interface SessionTerms {
  /** Flags agreed on with the server; of a client that the proxy logged in they may be more than its own. */
  readonly capabilities: number;
  /** Flags agreed on with the client. */
  readonly clientCapabilities: number;
  readonly clientIsMariaDb: boolean;
  readonly legs: Legs;
  readonly multiFactor: boolean;
}
