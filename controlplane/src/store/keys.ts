/**
 * Every Redis key of Tocsin. All keys share one hash tag, so that one script can touch any of them in a Redis Cluster. Keys that
 * need a lifetime of their own say so here.
 */
const TAG = '{tocsin}';

/** Prefix of the BullMQ queues; same tag, so a queue and our state live in one slot. */
export const QUEUE_PREFIX = `${TAG}:queue`;

/** Name of the queue that carries wake-ups of lanes. */
export const DELIVERIES_QUEUE = 'deliveries';

/** Where alerts live. */
export const alertKeys = {
  /** HASH alert id -> `fingerprint count first last from to opened bodies agent`; times in ms, first and last byte of its body in the bodies. */
  record: `${TAG}:alerts:record`,
  /** With a number, STRING the bodies of a batch: JSON lines as the agent sent them. Gone with the last record that points there. */
  bodiesPrefix: `${TAG}:alerts:bodies:`,
  /** With a name of its own, STRING the bodies of a batch that is about to be admitted; expires. */
  incomingPrefix: `${TAG}:alerts:incoming:`,
  /** HASH fingerprint -> id of the youngest alert with it. */
  open: `${TAG}:alerts:open`,
  /** LIST alert ids in the order of admission. */
  index: `${TAG}:alerts:index`,
  /** STRING the number of the last of them; they have no gaps. */
  counter: `${TAG}:alerts:counter`,
} as const;

/** HASH state -> how many alerts ended in it. */
export const ledgerKey = `${TAG}:ledger`;

/** SET of channels that have lanes with entries. */
export const lanesKey = `${TAG}:lanes`;

/** ZSET channel by the time (ms) at which its held counters may be told. */
export const heldDueKey = `${TAG}:held-due`;

/** With the name of a lane, what its keys begin with. */
export const lanePrefix = `${TAG}:lane:`;

/** A lane of a channel: what is to be told there, in order. It has the name of the channel, and for a group `#` and the group. */
export function laneKeys(lane: string) {
  const base = lanePrefix + lane;
  return {
    /** LIST of outbox entries, oldest first. */
    entries: `${base}:entries`,
    /** STRING JSON of the notification that is being tried at the head of the lane; expires when nobody tries any more. */
    attempt: `${base}:attempt`,
  } as const;
}

/** A channel: its lanes, and what is the same for all of them. */
export function channelKeys(channel: string) {
  const base = lanePrefix + channel;
  return {
    /** ZSET lane by the time (ms) at which it is tried next, 0 for what is urgent. A lane without a group comes in when one looks. */
    ready: `${base}:ready`,
    /**
     * HASH what holds back all lanes, times in ms: `paused_until` (a person; `inf`: until it is resumed), `quiet_until` (the provider
     * asked for it), and of one that fails `failures` (in a row), `opens`, `opened_at`, `open_until`, `reason`, `detail`, `told_at` (a channel), and `told` (when).
     */
    state: `${base}:state`,
    /** ZSET id of a dead letter by the time (ms) at which it was given up. */
    letters: `${base}:letters`,
    /** HASH id -> JSON of the dead letter: time, lane, reason, detail, repeated, entry. */
    letter: `${base}:letter`,
    /** LIST of JSON of the last attempts, newest first. */
    log: `${base}:log`,
    /** HASH `result reason` -> attempts that ended so; also `last_ok` and `last_failure` (ms). */
    stats: `${base}:stats`,
    /** HASH rule -> alerts that the throttle holds back. */
    held: `${base}:held`,
    /** HASH agent -> those of them that this channel accounts for in the ledger. */
    heldUnits: `${base}:held-units`,
    /** STRING theoretical arrival time of the throttle's bucket, microseconds. */
    bucket: `${base}:bucket`,
    /** HASH state -> alerts of this channel in it. */
    ledger: `${base}:ledger`,
    /** With a digest of the key of a group, STRING what the channel keeps of it; expires after a month. */
    memory: `${base}:memory:`,
    /** STRING fencing token of who drains the channel; expires with the lease. */
    lease: `${base}:lease`,
    /** STRING the last fencing token that was given. */
    fence: `${base}:fence`,
  } as const;
}

/** SET of the ids of all agents. */
export const agentsKey = `${TAG}:agents`;

/** The state of one agent. */
export function agentKeys(agent: string) {
  return {
    /** HASH hostname, version, kid, x (public key), enrolled_at, last_seen, last_sequence, alerts, revoked. */
    agent: `${TAG}:agent:${agent}`,
    /** ZSET `sequence digest` by sequence number, the youngest only. */
    sequences: `${TAG}:agent:${agent}:sequences`,
  } as const;
}

/** STRING, expires with the token; the digest of the token stands in for the token. */
export const joinTokenKey = (digest: string) => `${TAG}:join-token:${digest}`;

/** HASH name -> JSON channel, secrets sealed. */
export const channelsKey = `${TAG}:channels`;

/** STRING, raised by each change of a channel. */
export const channelsVersionKey = `${TAG}:channels:version`;

/** HASH name of a token -> JSON with its digest and role. */
export const tokensKey = `${TAG}:tokens`;

/** STRING what agents must name as `aud`; made once. */
export const audienceKey = `${TAG}:audience`;

/** STRING that `/readyz` writes, with a lifetime of a minute. */
export const probeKey = `${TAG}:probe`;

/** Alerts that fire or ended lately, by fingerprint of their labels: what groups and inhibition look at. */
export const activeKeys = {
  /** HASH fingerprint -> record; its format is told in `scripts/lib/groups.lua`. */
  record: `${TAG}:active`,
  /** ZSET fingerprint by the time (ms) at which it ends or was told to have ended. */
  ends: `${TAG}:active:ends`,
  /** ZSET those of them that can hold back others, by the same. */
  sources: `${TAG}:active:sources`,
  /** STRING raised by each change of a source. */
  sourcesVersion: `${TAG}:active:sources:version`,
} as const;

/** Groups of alerts that are told together. */
export const groupKeys = {
  /** ZSET group by the time (ms) at which it must be looked at. */
  due: `${TAG}:groups:due`,
  /** SET of groups that are claimed first once they are due. */
  urgent: `${TAG}:groups:urgent`,
  /** HASH group -> state; its format is told in `scripts/lib/groups.lua`. */
  state: `${TAG}:groups`,
  /** SET of groups in which something that was never told may be held back. */
  unsaid: `${TAG}:groups:unsaid`,
  /** HASH route -> how many groups it has. */
  byRoute: `${TAG}:groups:by-route`,
  /** HASH route -> theoretical arrival time of its bucket of new groups, microseconds. */
  newBuckets: `${TAG}:groups:new-buckets`,
  /** HASH route -> theoretical arrival time of its throttle's bucket, microseconds. */
  buckets: `${TAG}:groups:buckets`,
  /** STRING the last fencing number that was given. */
  fence: `${TAG}:groups:fence`,
  /** STRING signature of the configuration that the groups are of. */
  configuration: `${TAG}:groups:configuration`,
  /** STRING the time (ms) up to which ends of holds were seen. */
  holdsSeen: `${TAG}:groups:holds-seen`,
  /** LIST of JSON [id, ms, reason, channel], the last notifications of a group, youngest first; expires after a week. */
  history: (group: string) => `${TAG}:group:${group}:history`,
  /** HASH fingerprint -> flags, the members of one group. */
  members: (group: string) => `${TAG}:group:${group}`,
  /** LIST what a flush that was committed still changes in many members, in parts; with a fence, before it is committed. */
  rows: (group: string, fence?: number) =>
    `${TAG}:group:${group}:rows${fence === undefined ? '' : `:${fence}`}`,
  /** HASH `agent route` -> alerts that go with the next notification of the group, counted by a flush of many members. */
  units: (group: string) => `${TAG}:group:${group}:units`,
} as const;

/** HASH outcome -> alerts, of all agents and routes; `accepted` is the sum of the others. */
export const outcomesKey = `${TAG}:outcomes`;
/** With `agent:` and an id, or `route:` and an id, the same of one. */
export const outcomesPrefix = `${outcomesKey}:`;

/** HASH version -> JSON of the routing; the youngest are kept. */
export const routingVersionsKey = `${TAG}:routing`;
/** STRING the current version of the routing. */
export const routingVersionKey = `${TAG}:routing:version`;
/** STRING digest of the routing of the file that was last taken. */
export const routingFileKey = `${TAG}:routing:file`;
/** SET of the agents and routes that have an account: `agent:` or `route:` and an id. */
export const outcomeScopesKey = `${outcomesPrefix}scopes`;

/** With the id of a notification, STRING `fate ms`, and with `failed` and `dead_lettered` why: what became of it; expires after a week. */
export const fatePrefix = `${TAG}:fate:`;

/** HASH id -> JSON of a silence. */
export const silencesKey = `${TAG}:silences`;
/** STRING raised by each change of a silence. */
export const silencesVersionKey = `${TAG}:silences:version`;
