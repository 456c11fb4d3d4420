/** What a broken channel has to tell, told on its fallback instead. */
import type { Channel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { readChannelState, reroute } from '../store/channel-state.ts';
import { alertsOf, type Outbox } from '../store/outbox.ts';
import { readAttempt } from './attempt.ts';

export interface FallbackParts {
  readonly redis: Redis;
  readonly outbox: Outbox;
  readonly channels: { get(name: string): Channel | undefined };
  readonly wake: (channel: string) => Promise<void>;
}

/** Entries moved at a time. */
const PAGE = 100;

/** The fallback of a channel if there is one that works. */
export async function fallbackOf(
  { redis, channels }: FallbackParts,
  { name, fallback }: Channel,
): Promise<Channel | undefined> {
  const other = fallback === undefined || fallback === name ? undefined : channels.get(fallback);
  if (!other) return undefined;
  return (await readChannelState(redis, other.name)).broken ? undefined : other;
}

/** Moves what a lane holds to the same lane of the fallback; what was moved once stays. Returns how many entries went. */
export async function moveLane(
  { redis, outbox, wake }: FallbackParts,
  from: Channel,
  to: Channel,
  lane: string,
  token: number,
): Promise<number> {
  const target = `${to.name}${lane.slice(from.name.length)}`;
  let moved = 0;
  for (;;) {
    const [head, known] = await Promise.all([
      outbox.readHead(lane, PAGE),
      outbox.readAttempt(lane),
    ]);
    const stays = head.findIndex((entry) => entry.from !== undefined);
    const entries = stays < 0 ? head : head.slice(0, stays);
    const [first] = entries;
    if (!first) break;
    const attempt = readAttempt(known, first.id);
    const unsure = attempt && (attempt.sending || attempt.repeated) ? attempt.count : 0;
    const texts = entries.map((entry, index) =>
      JSON.stringify({ ...entry, from: from.name, ...(index < unsure && { repeated: true }) }),
    );
    const alerts = entries.reduce((sum, entry) => sum + alertsOf(entry), 0);
    const source = { channel: from.name, lane, token };
    const place = { channel: to.name, lane: target };
    if (!(await reroute(redis, source, place, texts, alerts))) break;
    moved += entries.length;
  }
  if (moved > 0) await wake(to.name);
  return moved;
}
