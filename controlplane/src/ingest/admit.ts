/** Admission of a batch: one atomic step in Redis that checks for replay, folds, stores, throttles and fills the lanes. */
import { hash, randomUUID } from 'node:crypto';
import { type Alert, type BatchClaims, isAtLeast, type ProblemCode } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { ProblemError } from '../errors.ts';
import type { Grouping, IncomingAlert } from '../groups/grouping.ts';
import type { RoutingTable } from '../routing/route.ts';
import { groupScriptKeys } from '../store/groups.ts';
import {
  agentKeys,
  alertKeys,
  channelKeys,
  channelsVersionKey,
  heldDueKey,
  laneKeys,
  lanesKey,
  ledgerKey,
  outcomesKey,
  outcomesPrefix,
} from '../store/keys.ts';
import {
  digestPeriod,
  LANE_CAPACITY,
  laneScriptKeys,
  throttleOf,
  urgentLane,
} from '../store/outbox.ts';
import { loadScript, runScript } from '../store/scripts.ts';
import type { ReceivedAlert } from './batch.ts';
import { fingerprintOf, fingerprintOfLabels } from './fingerprint.ts';

export interface AdmitLimits {
  /** Identical alerts within it are folded, ms. */
  readonly windowMs: number;
  readonly retentionMs: number;
  /** Alerts kept. */
  readonly capacity: number;
}

export interface Admission {
  /** Alerts in the batch. */
  readonly alerts: number;
  /** The same batch was admitted before, and nothing changed now. */
  readonly repeated: boolean;
  /** Positions, from 0, of those that were stored as new, and not folded. */
  readonly stored: readonly number[];
  /** Channels whose lane got entries. */
  readonly woken: readonly string[];
  /** Old alerts that were dropped to make room. */
  readonly dropped: number;
  /** A group got something that does not wait. */
  readonly due: boolean;
}

/** A batch whose signature is verified. */
export interface AdmittedBatch {
  readonly claims: BatchClaims;
  /** Of the bytes that were signed. */
  readonly digest: string;
  /**
   * Reads its alerts. They are not kept while Redis works, since the collector would copy what lives that long, but read again in the
   * rare case that they are wanted again.
   */
  readonly read: () => readonly ReceivedAlert[];
  /** Its lines, when it came as lines. */
  readonly body?: Buffer;
}

/** Alerts of one batch that are the same thing, as the script takes them. */
interface Folded {
  readonly received: ReceivedAlert;
  /** In the batch. */
  readonly position: number;
  readonly fingerprint: string;
  occurrences: number;
  first: number;
  last: number;
}

/** Sequence numbers below the highest that are still told apart from replays. */
const REMEMBERED_SEQUENCES = 100;
const admitScript = loadScript('admit', 'groups');
/** Among the keys of the script. */
const BODIES_KEY = 11;

const REFUSALS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  agent_unknown: ['agent_unknown', 'No enrolled agent has this key: enrol the host again.'],
  agent_revoked: ['agent_revoked', 'This agent was revoked: enrol the host again.'],
  sequence_conflict: [
    'sequence_conflict',
    'Another body was accepted under this sequence number: use each number once.',
  ],
  sequence_stale: [
    'sequence_stale',
    `The sequence number is more than ${REMEMBERED_SEQUENCES} behind the highest that was accepted.`,
  ],
  bodies_lost: ['store_unavailable', 'The store took too long; try again.'],
};

/** The digest that tells two bodies under one sequence number apart: 128 bits of SHA-256 over the bytes that were signed. */
export const digestOf = (body: Buffer): string => hash('sha256', body, 'hex').slice(0, 32);

/** Half a surrogate pair is valid in JSON for us and not for Lua. */
const wellFormed = (text: string) => text.replace(/\p{Surrogate}/gu, '\ufffd');

/** Folds within the batch, so that a storm costs Redis one step and not one for each alert. */
function foldBatch(
  received: readonly ReceivedAlert[],
  agent: string,
  windowMs: number,
  isGrouped: boolean,
): Folded[] {
  const folded: Folded[] = [];
  const open = new Map<string, Folded>();
  let position = -1;
  for (const one of received) {
    position++;
    const fingerprint = one.external
      ? // Without groups, what is stored anew is told anew.
        fingerprintOfLabels(one.external.labels, agent, isGrouped ? one.external.said : undefined)
      : fingerprintOf(one.alert, agent);
    const same = one.external ? undefined : open.get(fingerprint);
    if (same && Math.abs(one.timeMs - same.first) < windowMs) {
      same.occurrences++;
      same.first = Math.min(same.first, one.timeMs);
      same.last = Math.max(same.last, one.timeMs);
      continue;
    }
    const { timeMs: first } = one;
    const fresh = { received: one, position, fingerprint, occurrences: 1, first, last: first };
    open.set(fingerprint, fresh);
    folded.push(fresh);
  }
  return folded;
}

/** What of a batch goes into groups; alerts with the same labels go together. The last of each row is its position in `folded`. */
function groupedOf(folded: readonly Folded[], agent: string, grouping: Grouping) {
  const incoming = new Map<unknown, { alert: Writable<IncomingAlert>; position: number }>();
  folded.forEach(({ received: { alert, external }, occurrences, first, last }, index) => {
    const labels = external?.labels ?? grouping.labelsOf(alert, agent);
    const same = external ? undefined : incoming.get(labels)?.alert;
    if (same) {
      same.startsAt = Math.min(first, same.startsAt ?? first);
      same.occurrences += occurrences;
      same.seen = [
        Math.min(first, same.seen?.[0] ?? first),
        Math.max(last, same.seen?.[1] ?? last),
      ];
      same.sample = alert.uuid;
      return;
    }
    const [startsAt, endsAt] = external ? [external.startsAt, external.endsAt] : [first, undefined];
    const seen = [first, last] as const;
    const own = { labels, startsAt, endsAt, occurrences, seen, sample: alert.uuid, agent };
    incoming.set(external ? index : labels, { alert: own, position: index + 1 });
  });
  const all = [...incoming.values()];
  return grouping.request(
    all.map(({ alert }) => alert),
    undefined,
    (index) => all[index]?.position,
  );
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Positions of channels as the script counts them, from 1. */
const positionsOf = ({ router }: RoutingTable, alert: Alert) =>
  router.route(alert).map((position) => position + 1);

interface AdmitRequest {
  readonly keys: readonly string[];
  readonly request: string;
  readonly bodies: Buffer;
  readonly alerts: number;
  /** Where in the batch those alerts are that the script speaks of. */
  readonly positions: readonly number[];
}

/** Bodies that wait longer for their admission are gone; it is tried again then. */
const INCOMING_SECONDS = 60;
/** Tells the bodies of this process from those of others. */
const PROCESS = randomUUID();
let incoming = 0;

function requestOf(
  { claims, digest, read, body }: AdmittedBatch,
  table: RoutingTable,
  limits: AdmitLimits,
  grouping: Grouping | undefined,
): AdmitRequest {
  const received = read();
  const folded = foldBatch(received, claims.agent, limits.windowMs, grouping !== undefined);
  const { agent, sequences } = agentKeys(claims.agent);
  const { record, bodiesPrefix, incomingPrefix, open, index, counter } = alertKeys;
  const keys = [agent, sequences, ledgerKey, record, open, index, counter];
  keys.push(lanesKey, heldDueKey, channelsVersionKey, outcomesKey);
  keys.push(`${incomingPrefix}${PROCESS}:${++incoming}`);
  const channels = grouping ? [] : table.channels;
  for (const { name } of channels) {
    const urgent = laneKeys(urgentLane(name)).entries;
    keys.push(...laneScriptKeys(name), urgent, channelKeys(name).ready);
  }
  const grouped = grouping && groupedOf(folded, claims.agent, grouping);
  if (grouped) keys.push(...groupScriptKeys(grouped));
  const lines = () => Buffer.from(`${folded.map(({ received: { line } }) => line).join('\n')}\n`);
  const bodies = body && folded.length === received.length ? body : lines();
  const places = placesOf(folded, bodies);

  const request = {
    agent: claims.agent,
    kid: claims.kid,
    seq: String(claims.seq),
    digest,
    version: table.version,
    remembered: REMEMBERED_SEQUENCES,
    window: limits.windowMs,
    retention: limits.retentionMs,
    capacity: limits.capacity,
    lane_capacity: LANE_CAPACITY,
    prefix: outcomesPrefix,
    batches: bodiesPrefix,
    ...(grouped && { grouped }),
    channels: channels.map((channel) => {
      const { interval, burst } = throttleOf(channel);
      const { name } = channel;
      return [name, interval, burst, urgentLane(name), digestPeriod(channel)];
    }),
    accepted: received.length,
    fingerprints: folded.map(({ fingerprint }) => fingerprint),
    ids: folded.map((one) => one.received.alert.uuid),
    seen: folded.map(
      ({ occurrences, first, last }, at) => `${occurrences} ${first} ${last} ${places[at]}`,
    ),
    ...(channels.length > 0 && {
      routed: folded.map(({ received: { alert } }) => [
        wellFormed(alert.rule),
        positionsOf(table, alert),
        isAtLeast(alert.priority, 'Critical') ? 1 : 0,
      ]),
    }),
  };
  return {
    ...{ keys, request: JSON.stringify(request), bodies },
    alerts: received.length,
    positions: folded.map(({ position }) => position),
  };
}

const NEWLINE = 0x0a;

/** Of the first and the last byte of each line in the bodies, which are these lines with a newline after each. */
function placesOf(folded: readonly Folded[], bodies: Buffer): string[] {
  const characters = folded.reduce((sum, { received: { line } }) => sum + line.length + 1, 0);
  // To count the bytes of a text takes long; where all are ASCII they are its characters.
  const isAscii = characters === bodies.length + (bodies.at(-1) === NEWLINE ? 0 : 1);
  let at = 0;
  return folded.map(({ received: { line } }) => {
    const from = at;
    at += (isAscii ? line.length : Buffer.byteLength(line)) + 1;
    return `${from} ${at - 2}`;
  });
}

/**
 * Admits a verified batch. Throws ProblemError when it is refused, and answers undefined when the channels are no longer those of the
 * table; nothing is stored then.
 */
export async function admitBatch(
  redis: Redis,
  batch: AdmittedBatch,
  table: RoutingTable,
  limits: AdmitLimits,
  grouping?: Grouping,
): Promise<Admission | undefined> {
  const { keys, request, bodies, alerts, positions } = requestOf(batch, table, limits, grouping);
  const bodiesKey = keys[BODIES_KEY] as string;
  const steps = [
    redis.set(bodiesKey, bodies, 'EX', INCOMING_SECONDS),
    runScript(redis, admitScript, keys, [request]),
  ];
  const [, answer] = await Promise.all(steps).catch((error: unknown) => {
    // They expire anyway; a Redis that is full has room sooner.
    redis.unlink(bodiesKey).catch(() => {});
    throw error;
  });
  const [status, stored = 0, some = [], woken = [], dropped = 0, due = 0] = answer as [
    ...[status: string, stored?: number, positions?: number[], channels?: number[]],
    ...[dropped?: number, due?: number],
  ];
  if (status === 'channels_changed') return undefined;
  const refusal = REFUSALS[status];
  if (refusal) throw new ProblemError(...refusal);
  return {
    ...{ alerts, dropped, due: due > 0 },
    repeated: status === 'repeated',
    stored: stored === positions.length ? positions : some.flatMap((at) => positions[at - 1] ?? []),
    woken: woken.flatMap((position) => table.channels[position - 1]?.name ?? []),
  };
}
