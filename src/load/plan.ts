/** What a load test is to do. */
import type { MixSource } from './built-in-mixes.js';
import type { Side } from './side.js';

export interface LoadPlan {
  /** The target, and the baseline if there is one. */
  readonly sides: readonly Side[];
  readonly mix: MixSource;
  readonly connections: number;
  /** Milliseconds of measuring, over all sides. */
  readonly durationMs: number;
  /** Milliseconds for each side, not counted. */
  readonly warmUpMs: number;
  readonly reconnect: boolean;
}
