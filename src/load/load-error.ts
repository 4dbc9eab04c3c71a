/** Why a load test could not be made, or broke off. The message names the side, the cause and the cure. */
export class LoadError extends Error {
  /** Whether anything was measured: without a connection nothing was. */
  readonly stage: 'connecting' | 'running';

  constructor(stage: 'connecting' | 'running', message: string) {
    super(message);
    this.name = 'LoadError';
    this.stage = stage;
  }
}
