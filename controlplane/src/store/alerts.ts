import type { Alert, Priority, StoredAlert } from '@tocsin/openapi';
import { isAtLeast, PRIORITIES } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import { alertKeys, fatePrefix } from './keys.ts';
import { loadScript, runScript } from './scripts.ts';

/** What a listing can be narrowed by; all given ones must fit. */
export interface AlertFilter {
  readonly rule?: string | undefined;
  readonly priority?: Priority | undefined;
  readonly minimumPriority?: Priority | undefined;
  readonly hostname?: string | undefined;
  /** Only alerts that were last seen at or after it, ms. */
  readonly since?: number | undefined;
}

interface AlertRecord {
  readonly fingerprint: string;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  /** Where its body is. */
  readonly body: readonly [bodies: string, from: number, to: number];
  readonly agent: string;
}

const pageScript = loadScript('page-alerts');
const PAGE = 500;
/** With bodies, of which each can be long. */
const PAGE_OF_BODIES = 250;
/** One listing looks at no more than this; the cursor goes on from there. */
const SCAN_LIMIT = 100_000;

export class AlertStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The alerts of these ids, in the same order; undefined for one that is not stored (any more). */
  async getMany(ids: readonly string[]): Promise<(StoredAlert | undefined)[]> {
    if (ids.length === 0) return [];
    const texts = await this.#redis.hmget(alertKeys.record, ...ids);
    return Promise.all(
      texts.map(async (text) => {
        const record = readRecord(text);
        if (!record) return undefined;
        const [bodies, from, to] = record.body;
        return compose(
          await this.#redis.getrange(alertKeys.bodiesPrefix + bodies, from, to),
          record,
        );
      }),
    );
  }

  async get(id: string): Promise<StoredAlert | undefined> {
    return (await this.getMany([id]))[0];
  }

  /** Which of these channels were told of an alert that is in no group, and when. */
  async told(id: string, channels: readonly string[]) {
    const keys = channels.map((channel) => `${fatePrefix}${id}-${channel}`);
    const fates = keys.length > 0 ? await this.#redis.mget(keys) : [];
    const past = channels.flatMap((channel, index) => {
      const fate = readFate(fates[index]);
      if (!fate) return [];
      const { at, what, detail } = fate;
      return [{ at: new Date(at).toISOString(), what, channel, ...(detail && { detail }) }];
    });
    const last = past[0]?.what ?? (channels.length === 0 ? 'unrouted' : 'failed');
    return { outcome: last === 'failed' ? 'pending' : last, past, next: [] };
  }

  /** Newest first. `cursor` is the order of admission below which the listing goes on. */
  async list(
    filter: AlertFilter,
    limit: number,
    cursor?: number,
  ): Promise<{ items: StoredAlert[]; next: number | null }> {
    const found: string[] = [];
    const size = isOfBodies(filter) ? PAGE_OF_BODIES : PAGE;
    const texts = isOfBodies(filter) ? textsOf(filter) : undefined;
    let below = cursor;
    for (let scanned = 0; scanned < SCAN_LIMIT; scanned += size) {
      const page = await this.#page(below, size, texts);
      for (const { id, order, record, body } of page) {
        if (!record || !isMatch(record, body, filter)) continue;
        if (found.length === limit) return { items: await this.#all(found), next: below ?? null };
        found.push(id);
        below = order;
      }
      if (page.length < size) return { items: await this.#all(found), next: null };
      if (found.length < limit) below = page.at(-1)?.order;
    }
    return { items: await this.#all(found), next: below ?? null };
  }

  /** `texts` narrow the bodies that are read; without them none is. */
  async #page(below: number | undefined, size: number, texts: readonly string[][] | undefined) {
    const keys = [alertKeys.index, alertKeys.counter, alertKeys.record];
    const prefix = texts ? alertKeys.bodiesPrefix : '';
    const args = [below ?? 0, size, prefix, JSON.stringify(texts ?? [])];
    const [first, ids, records, bodies] = (await runScript(
      this.#redis,
      pageScript,
      keys,
      args,
    )) as [number, string[], (string | null)[], (string | null)[]];
    return ids.map((id, index) => ({
      id,
      order: first - index,
      record: readRecord(records[index]),
      body: bodies[index],
    }));
  }

  async #all(ids: readonly string[]): Promise<StoredAlert[]> {
    return (await this.getMany(ids)).filter((alert) => alert !== undefined);
  }
}

/** Whether records are not enough to tell. */
const isOfBodies = ({ since: _, ...others }: AlertFilter) =>
  Object.values(others).some((value) => value !== undefined);

/** What the body of an alert holds that fits: of each list one. */
function textsOf({ rule, hostname, priority, minimumPriority }: AlertFilter): string[][] {
  const lists = [
    rule === undefined ? [] : [rule],
    hostname === undefined ? [] : [hostname],
    priority === undefined ? [] : [priority],
    minimumPriority === undefined
      ? []
      : PRIORITIES.filter((one) => isAtLeast(one, minimumPriority)),
  ];
  return lists
    .filter((texts) => texts.length > 0)
    .map((texts) => texts.map((text) => JSON.stringify(text)));
}

function isMatch(
  record: AlertRecord,
  body: string | null | undefined,
  filter: AlertFilter,
): boolean {
  const { rule, hostname, priority, minimumPriority, since } = filter;
  if (since !== undefined && record.last < since) return false;
  if (!isOfBodies(filter)) return true;
  if (!body) return false;
  const alert = JSON.parse(body) as Alert;
  return (
    (rule === undefined || alert.rule === rule) &&
    (hostname === undefined || alert.hostname === hostname) &&
    (priority === undefined || alert.priority === priority) &&
    (minimumPriority === undefined || isAtLeast(alert.priority, minimumPriority))
  );
}

/** What became of a notification: `failed` is tried again. */
export function readFate(
  text: string | null | undefined,
): { readonly at: number; readonly what: string; readonly detail: string } | undefined {
  const [, what, ms, detail = ''] = /^(\S+) (\d+)(?: (.*))?$/s.exec(text ?? '') ?? [];
  return what === undefined ? undefined : { at: Number(ms), what, detail };
}

function readRecord(text: string | null | undefined): AlertRecord | undefined {
  if (!text) return undefined;
  const [fingerprint = '', count, first, last, from, to, , bodies = '', agent = ''] =
    text.split(' ');
  return {
    ...{ fingerprint, count: Number(count), first: Number(first), last: Number(last), agent },
    body: [bodies, Number(from), Number(to)],
  };
}

/** The alert of a record and its body; undefined where one of them is gone. */
export function storedAlert(text: string, body: string): StoredAlert | undefined {
  const record = readRecord(text);
  return record && compose(body, record);
}

function compose(body: string, record: AlertRecord): StoredAlert | undefined {
  if (body === '') return undefined;
  const { uuid, ...alert } = JSON.parse(body) as Alert;
  return {
    id: uuid,
    ...alert,
    fingerprint: record.fingerprint,
    agent: record.agent,
    count: record.count,
    first_seen: new Date(record.first).toISOString(),
    last_seen: new Date(record.last).toISOString(),
  };
}
