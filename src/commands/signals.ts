/** The signals that a service gets. */

export interface ServiceSignals {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly stop: Promise<NodeJS.Signals>;
  /** Resolves with the second one: whoever sends it does not want to wait. */
  readonly stopAtOnce: Promise<NodeJS.Signals>;
  /** Calls `handler` on each SIGHUP, one after the other. */
  onReload(handler: () => Promise<void>): void;
  /** Calls `handler` on each SIGUSR2. */
  onUpgrade(handler: () => void): void;
  /** Signals have their usual effect again. */
  dispose(): void;
}

export function listenForSignals(): ServiceSignals {
  const received: NodeJS.Signals[] = [];
  let first: (signal: NodeJS.Signals) => void = () => undefined;
  let second: (signal: NodeJS.Signals) => void = () => undefined;
  let reload = async (): Promise<void> => undefined;
  let reloading = Promise.resolve();
  let upgrade = (): void => undefined;
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    first = resolve;
  });
  const stopAtOnce = new Promise<NodeJS.Signals>((resolve) => {
    second = resolve;
  });
  const onStop = (signal: NodeJS.Signals) => {
    received.push(signal);
    if (received.length === 1) first(signal);
    else second(signal);
  };
  const onHangUp = () => {
    reloading = reloading.then(() => reload());
  };
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  const onUser2 = () => upgrade();
  process.on('SIGHUP', onHangUp);
  process.on('SIGUSR2', onUser2);
  return {
    stop,
    stopAtOnce,
    onReload: (handler) => {
      reload = handler;
    },
    onUpgrade: (handler) => {
      upgrade = handler;
    },
    dispose: () => {
      process.off('SIGTERM', onStop);
      process.off('SIGINT', onStop);
      process.off('SIGHUP', onHangUp);
      process.off('SIGUSR2', onUser2);
    },
  };
}
