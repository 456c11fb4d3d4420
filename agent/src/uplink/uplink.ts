import { setTimeout as delay } from 'node:timers/promises';
import { type Priority, SIGNATURE_HEADER, signBatch } from '@tocsin/openapi';
import type { AlertLine } from '../outputs/alert-line.ts';
import { agentFiles } from './agent-files.ts';
import { BackOff } from './back-off.ts';
import type { Batch } from './batch-file.ts';
import { Bell } from './bell.ts';
import { newCounters, type UplinkCounters } from './counters.ts';
import { lockDirectory } from './directory-lock.ts';
import { enrolAgent } from './enrolment.ts';
import { type Identity, loadIdentity } from './identity.ts';
import { type KeyPair, loadKeyPair } from './key-pair.ts';
import { Outbox } from './outbox.ts';
import type { SpoolLoss } from './spool.ts';
import { type Refusal, Transport, type TransportTimeouts } from './transport.ts';

const SYNC_EVERY_MS = 1000;
/** The one status that says the batch is safe: a portal or proxy may answer 200 to anything. */
const DURABLE = 202;
/** The same complaint is logged again after this time. */
const COMPLAIN_EVERY_MS = 600_000;
const HOW_TO_ENROL =
  'get a join token (tocsin agents) and run tocsin enroll on this host, or set agent.join_token';

export interface UplinkLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface UplinkOptions {
  readonly dataDir: string;
  readonly server: string;
  readonly hostname: string;
  readonly version: string;
  readonly spoolBytes: number;
  /** Used when this host is not enrolled, or not any more. */
  readonly joinToken?: string | undefined;
  readonly log: UplinkLog;
  /** Alerts were lost; told beside the counters so that it becomes an alert. */
  readonly onLoss?: (priority: Priority, alerts: number, reason: SpoolLoss) => void;
  readonly timeouts?: TransportTimeouts;
  readonly backOff?: { readonly firstMs: number; readonly capMs: number };
}

/** Brings alerts to the control plane: spooled, in batches, signed, in order, and only dropped after the control plane has them. */
export class Uplink {
  readonly counters: UplinkCounters = newCounters();
  readonly #options: UplinkOptions;
  readonly #log: UplinkLog;
  readonly #transport: Transport;
  readonly #outbox: Outbox;
  readonly #unlock: () => void;
  readonly #backOff: BackOff;
  readonly #bell = new Bell();
  readonly #syncTimer: NodeJS.Timeout;
  readonly #running: Promise<void>;
  /** Intake has ended: send what goes, wait for nothing. */
  readonly #draining = new AbortController();
  /** No more requests. */
  readonly #ended = new AbortController();
  #key: KeyPair | undefined;
  #identity: Identity | undefined;
  /** What to add to our clock, learnt when a signature was called stale. */
  #clockOffsetMs = 0;
  #wasStale = false;
  #complaint = { reason: '', atMs: 0 };

  /** Throws when the data directory cannot be used: locked, not writable, or a key file that is none. */
  static async start(options: UplinkOptions): Promise<Uplink> {
    const files = agentFiles(options.dataDir);
    const unlock = lockDirectory(files.folder);
    try {
      await loadKeyPair(files.key);
      return new Uplink(options, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  private constructor(options: UplinkOptions, unlock: () => void) {
    const { firstMs, capMs } = options.backOff ?? { firstMs: 250, capMs: 10_000 };
    this.#options = options;
    this.#log = options.log;
    this.#unlock = unlock;
    this.#outbox = new Outbox({
      folder: agentFiles(options.dataDir).spool,
      capacityBytes: options.spoolBytes,
      onLoss: (priority, alerts, reason) => {
        this.counters.dropped.add(`${reason}/${priority}`, alerts);
        options.onLoss?.(priority, alerts, reason);
      },
      onUnsaved: (reason) => {
        if (this.counters.unsaved++ === 0)
          this.#log.error({ reason }, 'batches are sent without a copy on disk');
      },
      onCorrupt: (bytes) => {
        this.counters.corruptBytes += bytes;
        this.#log.error({ bytes }, 'part of the spool cannot be read and is skipped');
      },
    });
    this.#transport = new Transport(options.server, options.timeouts);
    this.#backOff = new BackOff(firstMs, capMs);
    this.#syncTimer = setInterval(() => void this.#outbox.sync(), SYNC_EVERY_MS);
    this.#running = this.#run();
  }

  /** Who this agent is to the control plane, once it is enrolled. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  get waitingBytes(): number {
    return this.#outbox.waitingBytes;
  }

  /** Age of the oldest alert in the spool. */
  get waitingMs(): number {
    return Math.max(0, Date.now() - (this.#outbox.oldestTime ?? Date.now()));
  }

  /** Takes alerts over: when this returns, they are in the spool. */
  accept(alerts: readonly AlertLine[]): void {
    if (alerts.length === 0) return;
    this.counters.received += alerts.length;
    this.counters.shortened += alerts.filter(({ isShortened }) => isShortened).length;
    this.#outbox.append(
      alerts.map(({ alert, line }) => ({ priority: alert.priority as Priority, line })),
      Date.now(),
    );
    this.#bell.ring();
  }

  /** Sends what can be sent within `graceMs` without waiting for a control plane that is away; the rest stays in the spool. */
  async stop(graceMs: number): Promise<void> {
    this.#draining.abort();
    this.#bell.ring();
    const deadline = setTimeout(() => this.#ended.abort(), graceMs);
    await this.#running;
    clearTimeout(deadline);
    clearInterval(this.#syncTimer);
    await this.#transport.close();
    await this.#outbox.sync();
    this.#outbox.close();
    this.#unlock();
  }

  async #run(): Promise<void> {
    await this.#loadIdentity();
    while (!this.#ended.signal.aborted) {
      try {
        if (!(await this.#step())) return;
      } catch (error) {
        await this.#failed('local_error', (error as Error).message);
      }
    }
  }

  /** One attempt; false when there is nothing left to do before the end. */
  async #step(): Promise<boolean> {
    if (!this.#identity) {
      await this.#enrol('not_enrolled', 'this host is not enrolled');
      return true;
    }
    const batch = await this.#outbox.next();
    if (batch) await this.#send(batch, this.#identity);
    else if (this.#draining.signal.aborted) return false;
    else await this.#bell.wait();
    return true;
  }

  /** Another process (`tocsin enroll`) may have enrolled this host meanwhile. */
  async #loadIdentity(): Promise<void> {
    const files = agentFiles(this.#options.dataDir);
    this.#key = await loadKeyPair(files.key);
    this.#identity = await loadIdentity(files.identity, this.#options.server, this.#key);
  }

  async #enrol(reason: string, detail: string): Promise<void> {
    const { joinToken } = this.#options;
    let failure = { code: reason, detail };
    if (joinToken && !this.#draining.signal.aborted) {
      const newKey = reason === 'agent_revoked';
      const enrolment = await enrolAgent(
        this.#transport,
        { ...this.#options, joinToken, newKey },
        this.#ended.signal,
      );
      await this.#loadIdentity();
      if (enrolment.ok) {
        const { agent, kid, server } = enrolment.identity;
        this.counters.enrolments++;
        this.#recovered();
        this.#log.info({ agent, kid, server }, 'enrolled');
        return;
      }
      failure = { code: enrolment.code, detail: `${detail}, and cannot be: ${enrolment.detail}` };
    }
    await this.#failed(failure.code, `${failure.detail}; ${HOW_TO_ENROL}`);
    await this.#loadIdentity();
  }

  async #send(batch: Batch, { kid, agent, audience }: Identity): Promise<void> {
    const iat = Math.floor((Date.now() + this.#clockOffsetMs) / 1000);
    const claims = { kid, agent, seq: batch.sequence, iat, aud: audience };
    const signature = await signBatch(batch.body, claims, this.#key as KeyPair);
    const answer = await this.#transport.post(
      {
        path: '/v1/alerts',
        headers: {
          'content-type': 'application/x-ndjson',
          ...(batch.encoding === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
          [SIGNATURE_HEADER]: signature,
        },
        body: batch.body,
      },
      this.#ended.signal,
    );
    if (answer.kind === 'unreachable') return this.#failed('unreachable', answer.detail);
    if (answer.kind === 'refused') return this.#refused(answer);
    if (answer.status !== DURABLE)
      return this.#failed(
        'not_tocsin',
        `HTTP status ${answer.status} is no receipt of a control plane`,
      );
    this.counters.sentBatches++;
    this.counters.sentAlerts += batch.alerts;
    this.counters.sentBytes += batch.body.length;
    this.#outbox.confirm();
    this.#recovered();
  }

  async #refused(refusal: Refusal): Promise<void> {
    const { code, status, detail, retryAfterMs } = refusal;
    switch (code ?? (status === 413 ? 'body_too_large' : undefined)) {
      case 'batch_stale':
        return this.#signAgain(refusal);
      case 'sequence_conflict':
      case 'sequence_stale':
        // Our memory is older than the control plane's (a restored disk, a cloned host). The clock in milliseconds is ahead of any
        // number that was counted up batch by batch.
        this.counters.renumbered++;
        this.#outbox.renumber(Date.now());
        this.#log.warn({ reason: code, detail }, 'batch goes on under a new sequence number');
        return;
      case 'alert_invalid':
      case 'batch_unreadable':
      case 'validation_failed':
      case 'bad_request':
      case 'body_too_large':
        return this.#split(detail);
      case 'agent_unknown':
      case 'agent_revoked':
      case 'audience_mismatch':
        return this.#enrol(code as string, detail);
      default:
        return this.#failed(code ?? `status_${status}`, detail, retryAfterMs);
    }
  }

  /** At once the first time, as the batch may just have waited long; later it is our clock. */
  async #signAgain({ detail, serverTimeMs }: Refusal): Promise<void> {
    this.counters.resigned++;
    if (serverTimeMs !== undefined) this.#clockOffsetMs = serverTimeMs - Date.now();
    if (this.#wasStale) await this.#failed('batch_stale', detail);
    this.#wasStale = true;
  }

  #split(detail: string): void {
    const line = this.#outbox.refuse();
    if (line === undefined) {
      this.counters.split++;
      return;
    }
    this.counters.rejected++;
    const alert = line.slice(0, 200);
    this.#log.error({ detail, alert }, 'the control plane does not take this alert; put aside');
  }

  /** Tells what went wrong, once per kind and time, and waits. */
  async #failed(reason: string, detail: string, retryAfterMs = 0): Promise<void> {
    this.counters.retries.add(reason);
    const atMs = Date.now();
    if (this.#complaint.reason !== reason || atMs - this.#complaint.atMs > COMPLAIN_EVERY_MS) {
      this.#complaint = { reason, atMs };
      const { server } = this.#options;
      this.#log.error({ reason, detail, server }, 'alerts wait in the spool');
    }
    if (this.#draining.signal.aborted) return this.#ended.abort();
    const ms = Math.max(this.#backOff.nextMs(), retryAfterMs);
    await delay(ms, undefined, { signal: this.#draining.signal }).catch(() => undefined);
  }

  #recovered(): void {
    if (this.#complaint.reason !== '')
      this.#log.info({ after: this.#complaint.reason }, 'the control plane takes alerts again');
    this.#complaint = { reason: '', atMs: 0 };
    this.#wasStale = false;
    this.#backOff.reset();
  }
}
