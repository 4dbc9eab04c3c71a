/** How a command ended, for the one place that exits. */
export interface Outcome {
  /** 0: clean; 1: failed while running; 2: wrong usage or configuration. */
  readonly exitCode: 0 | 1 | 2;
  /** Exit at once, although connections are still open. */
  readonly force?: boolean;
}
