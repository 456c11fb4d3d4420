/**
 * The channels of this control plane: those of the configuration file, which are read-only, and those made over the API, which live
 * in Redis. Every replica follows changes by the version that each change raises.
 */
import type { Channel, Complaint, ShownChannel } from '@tocsin/openapi';
import type { Redis } from 'ioredis';
import type { ChannelKind } from '../delivery/channel.ts';
import { ProblemError } from '../errors.ts';
import { Router, type RoutingTable } from '../routing/route.ts';
import { changeChannel, readChannels, readChannelsVersion } from '../store/channels.ts';
import { checkApiSettings, checkKeptSecrets } from './api-rules.ts';
import { checkChannel, checkFallback, type FindKind, withDefaults } from './definition.ts';
import type { Sealer } from './sealing.ts';
import { hideSecrets, keepHidden, openSettings, sealSettings } from './secrets.ts';

/** What of a channel can be changed; null takes a setting, the throttle, the fallback or the interval of digests away. */
export interface ChannelChange {
  readonly minimum_priority?: string;
  readonly throttle?: Channel['throttle'] | null;
  readonly fallback?: string | null;
  readonly send_resolved?: boolean;
  readonly mode?: Channel['mode'];
  readonly digest_interval?: string | null;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface RegistryOptions {
  readonly fileChannels: readonly Channel[];
  readonly findKind: FindKind;
  readonly sealer: Sealer;
  /** Told when the channels could not be read again, or one of them cannot be used. */
  readonly onProblem: (error: unknown, channel?: string) => void;
}

const FOLLOW_MS = 1000;
/** How often a change is tried again when others change the channels at the same time. */
const CHANGE_TRIES = 10;

export class ChannelRegistry {
  readonly #redis: Redis;
  readonly #options: RegistryOptions;
  #file: ReadonlyMap<string, Channel>;
  #api: ReadonlyMap<string, Channel> = new Map();
  #table: RoutingTable;
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<void> | undefined;
  #changing: Promise<void> = Promise.resolve();

  constructor(redis: Redis, options: RegistryOptions) {
    this.#redis = redis;
    this.#options = options;
    this.#file = new Map(options.fileChannels.map((channel) => [channel.name, channel]));
    this.#table = this.#tableOf('');
  }

  /** Reads the channels and follows their changes from then on. */
  async start(): Promise<void> {
    await this.reload();
    this.#timer = setInterval(() => {
      this.#follow().catch((error: unknown) => this.#options.onProblem(error));
    }, FOLLOW_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Goes on with the channels of a file that was read again. */
  useFile(channels: readonly Channel[]): void {
    this.#file = new Map(channels.map((channel) => [channel.name, channel]));
    this.#table = this.#tableOf(this.#table.version);
    for (const channel of this.#api.values())
      for (const { message } of checkFallback(channel, (name) => this.get(name) !== undefined))
        this.#options.onProblem(new Error(`fallback: ${message}`), channel.name);
  }

  /** What admission routes to. */
  get table(): RoutingTable {
    return this.#table;
  }

  /** All channels with their secrets as given, for delivery. */
  all(): readonly Channel[] {
    return this.#table.channels;
  }

  /** A channel with its secrets as given, for delivery. */
  get(name: string): Channel | undefined {
    return this.#file.get(name) ?? this.#api.get(name);
  }

  /** All channels as they may be shown, by name. */
  list(): ShownChannel[] {
    return this.all()
      .map((channel) => this.#show(channel))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** A channel as it may be shown. Throws ProblemError. */
  show(name: string): ShownChannel {
    return this.#show(this.#existing(name));
  }

  /** Adds a channel. Throws ProblemError. */
  async create(
    given: Omit<Channel, 'minimum_priority'> & { minimum_priority?: string },
  ): Promise<ShownChannel> {
    const channel = this.#check(given);
    await this.#change(channel.name, () => {
      if (this.get(channel.name))
        throw new ProblemError('channel_exists', `A channel named ${channel.name} exists.`);
      return this.#withFallback(channel);
    });
    return this.show(channel.name);
  }

  /**
   * A channel as `create` would take it, which is not stored. Of one that exists over the API, secrets that are hidden are its own.
   * Throws ProblemError.
   */
  draft(given: Parameters<typeof checkChannel>[0]): Channel {
    const known = this.#api.get(given.name);
    const kind = this.#options.findKind(given.kind);
    if (!kind || known?.kind !== kind.kind) return this.#withFallback(this.#check(given));
    const settings = withDefaults(kind, given.settings);
    return this.#withFallback(
      this.#check({ ...given, settings: this.#keep(kind, settings, known) }),
    );
  }

  /** Changes a channel; settings are merged key by key. Throws ProblemError. */
  async update(name: string, change: ChannelChange): Promise<ShownChannel> {
    await this.#change(name, () => this.#withFallback(this.#merged(name, change)));
    return this.show(name);
  }

  /**
   * Deletes a channel; what was still to be told there is counted as discarded. Not one that another falls back to, or that the
   * routing names at `route`. Throws ProblemError.
   */
  async delete(name: string, route?: string): Promise<void> {
    await this.#change(name, () => {
      this.#writable(name);
      if (route !== undefined)
        throw new ProblemError(
          'channel_in_use',
          `The routing names the channel ${name} at ${route}: change that first.`,
        );
      const dependent = this.all().find(({ fallback }) => fallback === name);
      if (dependent)
        throw new ProblemError(
          'channel_in_use',
          `The channel ${name} is the fallback of ${dependent.name}: give that another one, or none, first.`,
        );
      return undefined;
    });
  }

  /** Settings with the secrets that are known already in place of what hides them. Throws ProblemError. */
  #keep(kind: ChannelKind, settings: Channel['settings'], known: Channel): Channel['settings'] {
    refuse(checkKeptSecrets(kind, settings, known.settings));
    return keepHidden(kind, settings, known.settings);
  }

  #withFallback(channel: Channel): Channel {
    refuse(checkFallback(channel, (name) => this.get(name) !== undefined));
    return channel;
  }

  #merged(name: string, change: ChannelChange): Channel {
    const known = this.#writable(name);
    const kind = this.#options.findKind(known.kind);
    const merged = { ...known.settings, ...change.settings };
    const settings = Object.fromEntries(
      Object.entries(merged).filter(([, value]) => value !== null),
    );
    const { throttle = known.throttle, minimum_priority = known.minimum_priority } = change;
    const { fallback = known.fallback } = change;
    const { send_resolved = known.send_resolved, mode = known.mode } = change;
    // The interval goes with the mode.
    const given = mode === 'digest' ? known.digest_interval : undefined;
    const { digest_interval = given } = change;
    return this.#check({
      name,
      kind: known.kind,
      minimum_priority,
      ...(send_resolved !== undefined && { send_resolved }),
      ...(mode !== undefined && { mode }),
      ...(typeof digest_interval === 'string' && { digest_interval }),
      ...(typeof fallback === 'string' && { fallback }),
      ...(throttle && { throttle }),
      settings: kind ? this.#keep(kind, settings, known) : settings,
    });
  }

  /** Writes what `decide` makes of the channels as they are now; undefined deletes. Changes made here wait for each other. */
  #change(name: string, decide: () => Channel | undefined): Promise<void> {
    const changed = this.#changing.then(() => this.#tryChange(name, decide));
    this.#changing = changed.catch(() => {});
    return changed;
  }

  /** Another replica may change them at the same time. */
  async #tryChange(name: string, decide: () => Channel | undefined): Promise<void> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      await this.reload();
      const channel = decide();
      const text = channel && this.#sealed(channel);
      const done = await changeChannel(this.#redis, name, this.#table.version, text);
      if (!done) continue;
      await this.reload();
      return;
    }
    throw new ProblemError(
      'store_unavailable',
      'The channels are changed all the time; try again.',
    );
  }

  /** Reads all channels again; what was written before the call is seen. */
  async reload(): Promise<void> {
    await this.#reloading?.catch(() => {});
    await this.#refresh();
  }

  /** Reads all channels again, unless that is under way. */
  #refresh(): Promise<void> {
    this.#reloading ??= this.#load().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }

  async #follow(): Promise<void> {
    const version = await readChannelsVersion(this.#redis);
    if (version !== this.#table.version) await this.#refresh();
  }

  async #load(): Promise<void> {
    const { version, definitions } = await readChannels(this.#redis);
    const channels = new Map<string, Channel>();
    for (const [name, text] of Object.entries(definitions)) {
      const channel = JSON.parse(text) as Channel;
      const kind = this.#options.findKind(channel.kind);
      try {
        channels.set(name, {
          ...channel,
          settings: kind ? openSettings(kind, channel, this.#options.sealer) : channel.settings,
        });
      } catch (error) {
        // Kept, so that it can be seen and mended; its deliveries fail and tell why.
        this.#options.onProblem(error, name);
        channels.set(name, channel);
      }
    }
    this.#api = channels;
    this.#table = this.#tableOf(version);
  }

  #tableOf(version: string): RoutingTable {
    const api = [...this.#api.values()].filter(({ name }) => !this.#file.has(name));
    const channels = [...this.#file.values(), ...api];
    return { channels, router: new Router(channels), version };
  }

  #show(channel: Channel): ShownChannel {
    const kind = this.#options.findKind(channel.kind);
    const shown = kind ? hideSecrets(kind, channel) : { ...channel, settings: {} };
    return { ...shown, origin: this.#file.has(channel.name) ? 'file' : 'api' };
  }

  #existing(name: string): Channel {
    const channel = this.get(name);
    if (!channel) throw new ProblemError('not_found', `There is no channel named ${name}.`);
    return channel;
  }

  #writable(name: string): Channel {
    const channel = this.#existing(name);
    if (!this.#file.has(name)) return channel;
    throw new ProblemError(
      'channel_read_only',
      `The channel ${name} is defined in the configuration file: change it there.`,
    );
  }

  #check(given: Parameters<typeof checkChannel>[0]): Channel {
    const checked = checkChannel(given, this.#options.findKind);
    if (!checked.ok) throw invalid(checked.errors);
    if (checked.kind.origin === 'file') {
      throw new ProblemError(
        'channel_kind_file_only',
        `Channels of kind ${checked.kind.kind} are only taken from the configuration file.`,
      );
    }
    refuse(checkApiSettings(checked.kind, checked.channel.settings));
    return checked.channel;
  }

  #sealed(channel: Channel): string {
    const kind = this.#options.findKind(channel.kind);
    if (!kind) throw new Error(`unknown channel kind ${channel.kind}`);
    return JSON.stringify({
      ...channel,
      settings: sealSettings(kind, channel, this.#options.sealer),
    });
  }
}

const invalid = (errors: Complaint[]) =>
  new ProblemError('validation_failed', 'The channel does not fit its schema.', errors);

function refuse(errors: Complaint[]): void {
  if (errors.length > 0) throw invalid(errors);
}
