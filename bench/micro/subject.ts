/** One of several functions that do the same work on the same bytes. */

/**
 * `shipping`: what the proxy runs. `floor`: less than it has to do, to show how far any way could go. `rejected`: another way
 * to do it. `mysql2`: what mysql2 does with the same bytes.
 */
export type Variant = 'shipping' | 'floor' | 'rejected' | 'mysql2';

export interface Subject {
  readonly group: string;
  /** The bytes, and how they are cut. */
  readonly traffic: string;
  readonly name: string;
  readonly variant: Variant;
  /** Of one pass: packets, or whatever else is done once for each. */
  readonly packets: number;
  readonly bytes: number;
  /** Does all of the work once. What it returns depends on it, so that nothing of it can be left out. */
  readonly pass: () => number | Promise<number>;
  /**
   * What the work comes to. The same for all of a group and traffic that say the same of it; undefined for those that can not
   * tell.
   */
  readonly outcome: () => unknown;
}
