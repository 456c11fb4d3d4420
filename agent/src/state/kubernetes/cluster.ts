import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteString } from '../../rules/field.ts';
import { elements, type Json, member, text } from '../runtimes/json-value.ts';
import { KubernetesApi, KubernetesError, type KubernetesSettings } from './api.ts';
import { controllerOf, type Owner, ownerOf, type Pod, podOf, selects } from './pod.ts';

/** What was had from the API; each is a count since the start. */
export interface ClusterCounters {
  lists: number;
  /** Pods that were added, changed or deleted. */
  changes: number;
  /** Calls that failed; for owners that may not be read too. */
  errors: number;
}

export interface ClusterOptions {
  readonly podLimit?: number;
  readonly objectLimit?: number;
  /** Waits after failures: the first, doubled up to the last, ms. */
  readonly firstWaitMs?: number;
  readonly lastWaitMs?: number;
}

interface Cached {
  /** When the answer came, ms; infinite until then. */
  at: number;
  readonly object: Promise<Json>;
}

const PAGE = 500;
/** Events of a deleted pod are still on their way for a while. */
const GRACE_MS = 60_000;
const FRESH_MS = 300_000;
const GONE = 410;
/** Forbidden, or not there. */
const REFUSED: ReadonlySet<number> = new Set([403, 404, GONE]);
const CORE = '/api/v1';
const APPS = '/apis/apps/v1';

/** The pods of this node and what they belong to, kept up to date by a watch. Nothing waits for it. */
export class Cluster {
  readonly counters: ClusterCounters = { lists: 0, changes: 0, errors: 0 };
  readonly #settings: KubernetesSettings;
  readonly #options: Required<ClusterOptions>;
  readonly #api: KubernetesApi;
  readonly #stop = new AbortController();
  readonly #pods = new Map<ByteString, Pod>();
  readonly #deletedAt = new Map<ByteString, number>();
  readonly #objects = new Map<string, Cached>();

  constructor(settings: KubernetesSettings, options: ClusterOptions = {}) {
    this.#settings = settings;
    this.#options = {
      podLimit: 2000,
      objectLimit: 4096,
      firstWaitMs: 1000,
      lastWaitMs: 60_000,
      ...options,
    };
    this.#api = new KubernetesApi(settings, this.#stop.signal);
  }

  get podCount(): number {
    return this.#pods.size;
  }

  /** A pod of this node, as far as it is known now. */
  pod(uid: ByteString): Pod | undefined {
    return this.#pods.get(uid);
  }

  /** Lists and watches until it is stopped; never rejects. */
  async run(): Promise<void> {
    const { firstWaitMs, lastWaitMs } = this.#options;
    const { signal } = this.#stop;
    let wait = firstWaitMs;
    while (!signal.aborted) {
      try {
        let version = await this.#list();
        for (wait = firstWaitMs; !signal.aborted; ) version = await this.#watch(version);
      } catch (error) {
        if (signal.aborted) return;
        // The history since the last version is gone, which is no failure: list again.
        if (error instanceof KubernetesError && error.status === GONE) continue;
        this.counters.errors++;
        await pause(wait, signal);
        wait = Math.min(wait * 2, lastWaitMs);
      }
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  #path(): string {
    const selector = encodeURIComponent(`spec.nodeName=${this.#settings.node}`);
    return `${CORE}/pods?fieldSelector=${selector}`;
  }

  /** Takes all pods of the node; the version to watch from. */
  async #list(): Promise<string> {
    const seen = new Set<ByteString>();
    let page: Json;
    let next: string | undefined;
    do {
      const more: string = next === undefined ? '' : `&continue=${encodeURIComponent(next)}`;
      page = await this.#api.get(`${this.#path()}&limit=${PAGE}${more}`);
      for (const object of elements(member(page, 'items'))) {
        const uid = this.#put(object);
        if (uid !== undefined) seen.add(uid);
      }
      next = text(member(page, 'metadata', 'continue'));
    } while (next !== undefined && seen.size < this.#options.podLimit);
    for (const uid of this.#pods.keys()) if (!seen.has(uid)) this.#delete(uid);
    this.counters.lists++;
    return text(member(page, 'metadata', 'resourceVersion')) ?? '';
  }

  /** Follows the changes since a version until the server ends the watch; the version then. */
  async #watch(since: string): Promise<string> {
    let version = since;
    let changes = 0;
    const started = performance.now();
    await this.#api.watch(
      `${this.#path()}&resourceVersion=${encodeURIComponent(since)}`,
      (event) => {
        const object = member(event, 'object');
        const type = text(member(event, 'type'));
        if (type === 'ERROR')
          throw new KubernetesError('the watch was refused', Number(member(object, 'code')) || 0);
        version = text(member(object, 'metadata', 'resourceVersion')) ?? version;
        if (type === 'BOOKMARK') return;
        changes++;
        this.counters.changes++;
        const uid = text(member(object, 'metadata', 'uid'));
        if (type !== 'DELETED') this.#put(object);
        else if (uid !== undefined) this.#delete(uid);
      },
    );
    // A server that ends every watch at once must not be asked without a pause.
    if (changes === 0 && performance.now() - started < 1000)
      await sleep(this.#options.firstWaitMs, undefined, {
        signal: this.#stop.signal,
        ref: false,
      }).catch(() => {});
    return version;
  }

  #put(object: Json): ByteString | undefined {
    const pod = podOf(object);
    if (pod === undefined) return undefined;
    this.#sweep();
    if (!this.#pods.has(pod.uid) && this.#pods.size >= this.#options.podLimit) return undefined;
    const known = this.#pods.get(pod.uid);
    this.#pods.set(pod.uid, known === undefined ? pod : { ...pod, owners: known.owners });
    this.#deletedAt.delete(pod.uid);
    for (const asked of this.#ownersOf(object, pod)) {
      asked
        .then((owners) => {
          const now = this.#pods.get(pod.uid);
          if (now !== undefined)
            this.#pods.set(pod.uid, { ...now, owners: { ...now.owners, ...owners } });
        })
        .catch(() => {});
    }
    return pod.uid;
  }

  #delete(uid: ByteString): void {
    if (this.#pods.has(uid) && !this.#deletedAt.has(uid))
      this.#deletedAt.set(uid, performance.now());
  }

  #sweep(): void {
    const before = performance.now() - GRACE_MS;
    for (const [uid, at] of this.#deletedAt) {
      if (at > before) break;
      this.#deletedAt.delete(uid);
      this.#pods.delete(uid);
    }
  }

  /** The owners by the chain of controllers, and services by their selectors. What may not be read is known by name and id alone. */
  #ownersOf(object: Json, pod: Pod): Promise<Pod['owners']>[] {
    const namespace = encodeURIComponent(pod.namespace);
    return [
      this.#owner(`${CORE}/namespaces/${namespace}`).then((ns) => (ns ? { ns: [ns] } : {})),
      this.#services(namespace, pod).then((svc) => (svc.length > 0 ? { svc } : {})),
      this.#controllers(object, namespace),
    ];
  }

  async #controllers(object: Json, namespace: string): Promise<Pod['owners']> {
    const controller = controllerOf(object);
    if (controller === undefined) return {};
    const { kind, owner } = controller;
    const name = encodeURIComponent(owner.name);
    if (kind === 'ReplicationController') {
      const path = `${CORE}/namespaces/${namespace}/replicationcontrollers/${name}`;
      return { rc: [(await this.#owner(path)) ?? owner] };
    }
    if (kind !== 'ReplicaSet') return {};
    const set = await this.#object(`${APPS}/namespaces/${namespace}/replicasets/${name}`);
    const rs = [ownerOf(set) ?? owner];
    const above = controllerOf(set);
    if (above?.kind !== 'Deployment') return { rs };
    const path = `${APPS}/namespaces/${namespace}/deployments/${encodeURIComponent(above.owner.name)}`;
    return { rs, deployment: [(await this.#owner(path)) ?? above.owner] };
  }

  async #services(namespace: string, pod: Pod): Promise<Owner[]> {
    const list = await this.#object(`${CORE}/namespaces/${namespace}/services?limit=${PAGE}`);
    return elements(member(list, 'items'))
      .filter((service) => selects(service, pod.labels))
      .map(ownerOf)
      .filter((owner) => owner !== undefined);
  }

  async #owner(path: string): Promise<Owner | undefined> {
    return ownerOf(await this.#object(path));
  }

  /** An object of the API, fresh within minutes; undefined when it cannot be had. */
  #object(path: string): Promise<Json> {
    const known = this.#objects.get(path);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.object;
    const cached: Cached = { at: Number.POSITIVE_INFINITY, object: this.#ask(path) };
    void cached.object.then(() => {
      cached.at = performance.now();
    });
    this.#objects.delete(path);
    this.#objects.set(path, cached);
    if (this.#objects.size > this.#options.objectLimit) {
      const [oldest] = this.#objects.keys();
      if (oldest !== undefined) this.#objects.delete(oldest);
    }
    return cached.object;
  }

  /** Asks until there is an answer or a refusal: a pod that does not change is not asked for again. Never rejects. */
  async #ask(path: string): Promise<Json> {
    const { firstWaitMs, lastWaitMs } = this.#options;
    const { signal } = this.#stop;
    for (let wait = firstWaitMs; !signal.aborted; wait = Math.min(wait * 2, lastWaitMs)) {
      try {
        return await this.#api.get(path);
      } catch (error) {
        this.counters.errors++;
        if (error instanceof KubernetesError && REFUSED.has(error.status)) return undefined;
        await pause(wait, signal);
      }
    }
    return undefined;
  }
}

/** Part of the time, so that not all agents ask at once; ends early when stopped. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const part = ms * (0.5 + Math.random() / 2);
  await sleep(part, undefined, { signal, ref: false }).catch(() => {});
}
