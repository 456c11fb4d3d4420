import { setTimeout as delay } from 'node:timers/promises';

/** Polls until a condition holds; says what it waited for when it never does. */
export async function waitFor(
  what: string,
  holds: () => boolean,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await delay(5);
  }
}
