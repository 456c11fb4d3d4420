/**
 * The routing that is in force: from the configuration file or from the API, checked as a whole, with its versions. Every replica
 * follows the version that each change raises. What cannot be used is refused, and the one before stays.
 */
import { hash } from 'node:crypto';
import type { Complaint, RoutingDocument } from '@tocsin/openapi';
import { ProblemError } from '../errors.ts';
import { checkRouting, compileRouting, type Routing } from '../routing/compile.ts';
import type { RoutingStore, RoutingVersion } from '../store/routing.ts';

/** Who decides: the file alone, the file until the API changes something, or who changed something last. */
export type Authority = 'file' | 'seed' | 'last';

export interface RoutingRegistryOptions {
  readonly store: RoutingStore;
  readonly authority: Authority;
  /** The routing of the file. */
  readonly file: RoutingDocument;
  /** Names that a route may send to. */
  readonly channels: () => readonly string[];
  readonly onProblem: (error: unknown) => void;
}

const FOLLOW_MS = 1000;
const TRIES = 10;
const digestOf = (document: RoutingDocument) => hash('sha256', JSON.stringify(document), 'hex');

export class RoutingRegistry {
  readonly #options: RoutingRegistryOptions;
  #file: RoutingDocument;
  #current: RoutingVersion;
  #routing: Routing;
  readonly #followers: ((routing: Routing) => Promise<void>)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #refused = 0;

  constructor(options: RoutingRegistryOptions) {
    this.#options = options;
    this.#file = options.file;
    this.#current = { version: 0, ...by('nobody', ''), document: options.file };
    this.#routing = compileRouting(options.file);
  }

  get routing(): Routing {
    return this.#routing;
  }

  get current(): RoutingVersion {
    return this.#current;
  }

  get authority(): Authority {
    return this.#options.authority;
  }

  /** `follower` is told when other routing is to be in force; when it throws, the one before stays. */
  follow(follower: (routing: Routing) => Promise<void>): void {
    this.#followers.push(follower);
  }

  /** Takes the routing of the file or of the store, and follows changes from then on. */
  async start(): Promise<void> {
    await this.takeFile(this.#file);
    this.#timer = setInterval(() => {
      this.#follow().catch((error: unknown) => this.#options.onProblem(error));
    }, FOLLOW_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes the routing of a file that was read (again), as far as it decides. */
  async takeFile(document: RoutingDocument): Promise<void> {
    const { store, authority } = this.#options;
    this.#file = document;
    const digest = digestOf(document);
    for (let tries = 0; tries < TRIES; tries++) {
      const version = await store.version();
      const known = await store.fileDigest();
      const current = await store.read(version);
      const same = current !== undefined && digestOf(current.document) === digest;
      const kept = authority === 'seed' ? version > 0 : authority === 'last' && known === digest;
      if (same || kept) return this.#useKept(current);
      const next = { version: version + 1, ...by('file', 'from the configuration file'), document };
      if (await store.change(next, digest)) return this.#use(next);
    }
    throw new ProblemError('store_unavailable', 'The routing is changed all the time; try again.');
  }

  /** A version that was made earlier, unless its channels are gone. */
  async #useKept(kept: RoutingVersion | undefined): Promise<void> {
    const [wrong] = kept ? this.check(kept.document) : [];
    if (!wrong) return this.#use(kept);
    this.#options.onProblem(
      new Error(
        `version ${kept?.version} of the routing cannot be used (${wrong.message}); that of the file is`,
      ),
    );
  }

  /** What is wrong with a document. */
  check(document: RoutingDocument): Complaint[] {
    return checkRouting(document, new Set(this.#options.channels()));
  }

  /** Where the routing in force needs a channel: a JSON pointer; undefined when it does without. */
  uses(channel: string): string | undefined {
    const others = this.#options.channels().filter((name) => name !== channel);
    return checkRouting(this.#current.document, new Set(others))[0]?.pointer;
  }

  /** Makes a new version, if `expected` is still the current one. Throws ProblemError. */
  async change(
    document: RoutingDocument,
    expected: number,
    maker: string,
    comment: string,
  ): Promise<RoutingVersion> {
    const { store, authority } = this.#options;
    if (authority === 'file')
      throw new ProblemError(
        'routing_read_only',
        'The configuration file alone decides (routing.authority is file): change it there.',
      );
    const errors = this.check(document);
    if (errors.length > 0)
      throw new ProblemError('validation_failed', 'The routing cannot be used.', errors);
    const next = { version: expected + 1, ...by(maker, comment), document };
    if (!(await store.change(next)))
      throw new ProblemError(
        'version_conflict',
        'The routing was changed by somebody else: read it again, and change that.',
      );
    await this.#use(next);
    return next;
  }

  /** Throws ProblemError when that version is not kept. */
  async version(version: number): Promise<RoutingVersion> {
    const found = await this.#options.store.read(version);
    if (!found)
      throw new ProblemError('not_found', `There is no version ${version} of the routing.`);
    return found;
  }

  versions(): Promise<RoutingVersion[]> {
    return this.#options.store.all();
  }

  async #follow(): Promise<void> {
    const version = await this.#options.store.version();
    if (version === this.#current.version) return;
    const found = await this.#options.store.read(version);
    if (!found) return;
    const [wrong] = this.check(found.document);
    if (wrong) {
      // Another replica knows channels that we do not (yet): it is asked again, and told once.
      if (version !== this.#refused)
        this.#options.onProblem(new Error(`version ${version}: ${wrong.pointer} ${wrong.message}`));
      this.#refused = version;
      return;
    }
    await this.#use(found);
  }

  async #use(version: RoutingVersion | undefined): Promise<void> {
    if (!version) return;
    const routing = compileRouting(version.document);
    for (const follower of this.#followers) await follower(routing);
    this.#routing = routing;
    this.#current = version;
  }
}

const by = (made_by: string, comment: string) => ({ made_at: Date.now(), made_by, comment });
