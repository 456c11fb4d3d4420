/** A signal that ends when one of `sources` does or time is up. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Forgets the sources. `AbortSignal.any` never would: each attempt would leave a trace in signals that live as long as the process. */
  release(): void;
}

/**
 * Starts to watch: `AbortSignal.any` keeps its sources only weakly, so that Node 20 may collect an `AbortSignal.timeout` among them, and
 * the time is never up. What aborted first is the reason.
 */
export function startDeadline(sources: readonly AbortSignal[], ms: number): Deadline {
  const controller = new AbortController();
  const follow = (event: Event) => controller.abort((event.target as AbortSignal).reason);
  const timer = setTimeout(
    () => controller.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')),
    ms,
  );
  for (const source of sources) {
    if (source.aborted) controller.abort(source.reason);
    else source.addEventListener('abort', follow, { once: true });
  }
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener('abort', follow);
    },
  };
}
