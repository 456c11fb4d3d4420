/**
 * Every Redis key of Tocsin. All keys share one hash tag, so that one script can touch any of them in a Redis Cluster. Keys that
 * need a lifetime of their own say so here.
 */
const TAG = '{tocsin}';

/** Prefix of the BullMQ queues; same tag, so a queue and our state live in one slot. */
export const QUEUE_PREFIX = `${TAG}:queue`;

/** Name of the queue that carries wake-ups of lanes. */
export const DELIVERIES_QUEUE = 'deliveries';

/** Where alerts live. All but `index` and `counter` are hashes by alert id or fingerprint. */
export const alertKeys = {
  /** HASH alert id -> the JSON line as the agent sent it. */
  body: `${TAG}:alerts:body`,
  /** HASH alert id -> `fingerprint count first last opened facts`; times in ms, facts a JSON list. */
  record: `${TAG}:alerts:record`,
  /** HASH fingerprint -> id of the youngest alert with it. */
  open: `${TAG}:alerts:open`,
  /** ZSET alert id by order of admission. */
  index: `${TAG}:alerts:index`,
  /** STRING the last order of admission that was given. */
  counter: `${TAG}:alerts:counter`,
} as const;

/** HASH state -> how many alerts ended in it. */
export const ledgerKey = `${TAG}:ledger`;

/** SET of channels whose lane has entries. */
export const lanesKey = `${TAG}:lanes`;

/** ZSET channel by the time (ms) at which its held counters may be told. */
export const heldDueKey = `${TAG}:held-due`;

/** LIST of dead letters, newest first. */
export const deadLettersKey = `${TAG}:dead-letters`;

/** The lane of a channel: what is to be told there, in order. */
export function laneKeys(channel: string) {
  const base = `${TAG}:lane:${channel}`;
  return {
    /** LIST of outbox entries, oldest first. */
    entries: `${base}:entries`,
    /** HASH rule -> alerts that the throttle holds back. */
    held: `${base}:held`,
    /** STRING theoretical arrival time of the throttle's bucket, microseconds. */
    bucket: `${base}:bucket`,
    /** HASH state -> alerts of this channel in it. */
    ledger: `${base}:ledger`,
    /** STRING fencing token of who drains the lane; expires with the lease. */
    lease: `${base}:lease`,
    /** STRING the last fencing token that was given. */
    fence: `${base}:fence`,
    /** STRING JSON of the notification that is being tried at the head of the lane; expires when nobody tries any more. */
    attempt: `${base}:attempt`,
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

/** HASH id -> JSON of a silence. */
export const silencesKey = `${TAG}:silences`;
/** STRING raised by each change of a silence. */
export const silencesVersionKey = `${TAG}:silences:version`;
