/** What is known of a server now: without health checks it is only tried when a client needs it. */
import type { ServerState } from '../../state/state.js';

/** `silent`: it did not answer when it was last needed, but that is a while ago. */
export type Standing = 'not needed' | 'up' | 'down' | 'silent';

const recentMs = 5 * 60 * 1000;

export function standingOf({ up, tried_at: triedAt }: ServerState, now: number): Standing {
  if (up === null) return 'not needed';
  if (up) return 'up';
  return triedAt !== null && now - triedAt > recentMs ? 'silent' : 'down';
}
