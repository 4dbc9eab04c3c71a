/** A terminal sends SIGINT to all processes at once, but the main process says when a worker ends. Takes effect when it is imported. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
