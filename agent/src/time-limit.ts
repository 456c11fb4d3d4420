/**
 * Runs `work` with a signal that ends when `signal` does or after `ms`. The timer holds what it ends: `AbortSignal.any` keeps its
 * sources only weakly, so that Node 20 may collect an `AbortSignal.timeout` among them, and the time is never up.
 */
export async function withinTime<T>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')),
    ms,
  );
  try {
    return await work(signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
  } finally {
    clearTimeout(timer);
  }
}
