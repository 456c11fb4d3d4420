import type { CallCount, RecordCount } from '../probe/probe.ts';
import type { EventTypeSet } from '../rules/condition/event-type-set.ts';

/** Kinds of records that tell of event types which are no calls, or of more than the call. */
const LIFECYCLE: Readonly<Record<string, readonly string[]>> = {
  fork: ['clone', 'clone3', 'fork', 'vfork'],
  exec: ['execve'],
  exit: ['procexit'],
};

/** How many records of each event type the kernel sent, and how many it could not. */
export type Tally = ReadonlyMap<string, { readonly sent: number; readonly lost: number }>;

/** Adds up what the probe counted by call, and by kind where no call is told. */
export function tallyOf(kinds: readonly RecordCount[], calls: readonly CallCount[]): Tally {
  const tally = new Map<string, { sent: number; lost: number }>();
  const add = (type: string, sent: number, lost: number) => {
    const before = tally.get(type) ?? { sent: 0, lost: 0 };
    tally.set(type, { sent: before.sent + sent, lost: before.lost + lost });
  };
  for (const { type, sent, lost } of calls) add(type, sent, lost);
  for (const { kind, fate, count } of kinds) {
    for (const type of LIFECYCLE[kind] ?? [])
      add(type, fate === 'sent' ? count : 0, fate === 'sent' ? 0 : count);
  }
  return tally;
}

/** The share of the records of these types that were seen, from 0 to 1; 1 when there were none. */
export function coverageOf(types: EventTypeSet, tally: Tally): number {
  let sent = 0;
  let lost = 0;
  for (const type of types === 'all' ? tally.keys() : types) {
    const one = tally.get(type);
    sent += one?.sent ?? 0;
    lost += one?.lost ?? 0;
  }
  return lost === 0 ? 1 : sent / (sent + lost);
}
