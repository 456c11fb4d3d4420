/** Tells on another channel that one is broken, and that it works again. */
import type { Channel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { readChannelState, setTold } from '../store/channel-state.ts';
import type { Outbox } from '../store/outbox.ts';
import type { Outcome } from './channel.ts';
import { fallbackOf } from './fallback.ts';
import type { DeliveryMetrics } from './metrics.ts';
import { noticeEntry } from './notice.ts';
import { MENDABLE } from './policy.ts';

export interface BrokenParts {
  readonly redis: Redis;
  readonly outbox: Outbox;
  readonly channels: { get(name: string): Channel | undefined; all(): readonly Channel[] };
  readonly logger: { warn(details: object, message: string): void };
  readonly metrics: Pick<DeliveryMetrics, 'broken'>;
  readonly wake: (channel: string) => Promise<void>;
}

/** What nobody has to mend may pass by itself: it is told when it did not for so many probes. */
const PROBES = 4;
/** A channel that comes and goes is not told of more often. */
const QUIET_MS = 10 * 60_000;
/** Channels that are asked whether they work. */
const ASKED = 20;

/** Called each time that a channel was found broken. */
export async function tellBroken(
  parts: BrokenParts,
  name: string,
  opens: number,
  outcome: Outcome,
): Promise<void> {
  if (outcome.result === 'ok') return;
  const { reason, detail } = outcome;
  const fields = { channel: name, reason, detail };
  if (opens === 1) {
    parts.logger.warn(fields, 'channel is broken');
    parts.metrics.broken.inc({ kind: parts.channels.get(name)?.kind ?? 'none', reason });
  }
  const state = await readChannelState(parts.redis, name);
  if (state.broken?.toldAt !== undefined || !(MENDABLE.has(reason) || opens >= PROBES)) return;
  if (Date.now() - (state.told ?? 0) < QUIET_MS) return;
  const other = await listenerOf(parts, name);
  if (!other) return;
  await setTold(parts.redis, name, other.name, Date.now());
  const output = `Nothing can be told on the channel ${name}: ${reason}: ${detail}${/[.?!]$/.test(detail) ? '' : '.'} It is tried again; what waits is kept.`;
  await tell(parts, other.name, 'Channel is broken', 'Critical', output, fields);
}

/** Called before the breaker is closed. */
export async function tellWorking(parts: BrokenParts, name: string): Promise<void> {
  parts.logger.warn({ channel: name }, 'channel works again');
  const toldAt = (await readChannelState(parts.redis, name)).broken?.toldAt;
  if (toldAt === undefined) return;
  const output = `The channel ${name} works again.`;
  await tell(parts, toldAt, 'Channel works again', 'Notice', output, { channel: name });
}

async function tell(
  { outbox, wake }: BrokenParts,
  channel: string,
  rule: string,
  priority: 'Critical' | 'Notice',
  output: string,
  fields: Record<string, string>,
): Promise<void> {
  await outbox.append(channel, noticeEntry(rule, priority, output, fields, Date.now()));
  await wake(channel);
}

/** Who is told: the fallback, or else the first channel that works. */
async function listenerOf(parts: BrokenParts, name: string): Promise<Channel | undefined> {
  const { channels, redis } = parts;
  const own = channels.get(name);
  const fallback = own && (await fallbackOf(parts, own));
  if (fallback) return fallback;
  const others = channels.all().filter((one) => one.name !== name && one.kind !== 'none');
  for (const other of others.slice(0, ASKED))
    if (!(await readChannelState(redis, other.name)).broken) return other;
  return undefined;
}
