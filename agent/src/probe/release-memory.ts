import { Session } from 'node:inspector/promises';
import { trimMemory } from '@tocsin/native';

export { shareMemory } from '@tocsin/native';

/**
 * Collects the garbage of this thread, which takes some ten milliseconds, and gives the memory back. Left to itself V8 waits until more
 * is allocated, and a thread with little to do keeps what its start needed for good.
 */
export async function releaseMemory(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
  trimMemory();
}
