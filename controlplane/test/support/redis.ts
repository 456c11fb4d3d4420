import type { Redis } from 'ioredis';
import { EmbeddedRedis } from '../../src/store/embedded.ts';
import { requestClient } from '../../src/store/redis.ts';
import { tempFolder } from './control-plane.ts';

/** A connection to a Redis of its own, which ends with the test. */
export async function openRedis(t: { after(fn: () => unknown): void }): Promise<Redis> {
  const embedded = await EmbeddedRedis.start({
    dataDir: tempFolder(t),
    server: 'redis-server',
    fsync: 'everysec',
  });
  const redis = requestClient({ socket: embedded.socket });
  t.after(async () => {
    redis.disconnect();
    await embedded.stop();
  });
  await redis.connect();
  return redis;
}
