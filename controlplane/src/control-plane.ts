/** The control plane as a whole: what it opens, in order, and how it closes again. */
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Channel, type Config, parseDuration, SecretReference } from '@tocsin/openapi';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import Type from 'typebox';
import { buildApp } from './app.ts';
import { ensureAdminToken } from './auth/admin-token.ts';
import { checkFileChannels } from './channels/definition.ts';
import { ChannelRegistry } from './channels/registry.ts';
import { Sealer } from './channels/sealing.ts';
import { holdDataDir } from './data-dir.ts';
import { findChannelKind } from './delivery/channels/index.ts';
import { type DeliveryOptions, type RunningDelivery, startDelivery } from './delivery/delivery.ts';
import { ChannelSettingsError } from './delivery/outcome.ts';
import { resolveSecrets } from './delivery/secrets.ts';
import { StartupError } from './errors.ts';
import { Enrollment } from './fleet/enrollment.ts';
import { groupingOf } from './groups/grouping.ts';
import { GroupRunner, type GroupRunnerOptions } from './groups/runner.ts';
import { Ingest } from './ingest/ingest.ts';
import { Keyring } from './ingest/keyring.ts';
import { LaneWaker } from './ingest/wake.ts';
import { Lifecycle } from './lifecycle.ts';
import { type Authority, RoutingRegistry } from './routes/registry.ts';
import { documentOf, type Routing } from './routing/compile.ts';
import { routingText } from './routing/text.ts';
import type { Environment } from './settings.ts';
import { recentAlerts } from './silences/recent.ts';
import { Silences } from './silences/silences.ts';
import { AgentStore } from './store/agents.ts';
import { AlertStore } from './store/alerts.ts';
import { EmbeddedRedis } from './store/embedded.ts';
import { Outbox } from './store/outbox.ts';
import {
  connectChecked,
  type RedisAddress,
  RequestPool,
  requestClient,
  shownAddress,
  workerClient,
} from './store/redis.ts';
import { RoutingStore } from './store/routing.ts';
import { SilenceStore } from './store/silences.ts';
import { type Role, TokenStore } from './store/tokens.ts';
import { buildMetrics } from './telemetry/metrics.ts';

export interface ControlPlaneOptions {
  readonly config: Config;
  readonly logger: FastifyBaseLogger;
  /** Where `env` secrets of channels are read from. */
  readonly environment: Environment;
  /** Starts the workers that drain the lanes; tests of admission leave the lanes alone. */
  readonly startDelivery?: (options: DeliveryOptions) => RunningDelivery;
}

export interface ControlPlane {
  /** Where the API answers. */
  readonly url: string;
  readonly adminTokenFile: string;
  readonly app: FastifyInstance;
  readonly redis: Redis;
  readonly ingest: Ingest;
  readonly enrollment: Enrollment;
  readonly outbox: Outbox;
  /** The embedded Redis; undefined with one of its own. */
  readonly embedded: EmbeddedRedis | undefined;
  /** Takes what it can of a configuration that was read again; answers with the keys that changed and need a restart. */
  reload(config: Config): Promise<readonly string[]>;
  /** Sets who reads the configuration again when `POST /-/reload` asks, and answers with why it was not taken. */
  onReloadAsked(reread: () => Promise<string | undefined>): void;
  /** Counts that a configuration was not taken. */
  reloadFailed(): void;
  /** Stops everything in reverse order. Idempotent. */
  stop(): Promise<void>;
}

/** Batches that Redis can take with one sync of its file; all else waits while it does. */
const ADMISSIONS = 4;

/** Starts the control plane and listens. Throws StartupError, after closing what was opened. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const lifecycle = new Lifecycle(4000);
  try {
    return await open(options, lifecycle);
  } catch (error) {
    await lifecycle.close().catch((failure: unknown) => {
      options.logger.warn({ err: failure }, 'closing after a failed start');
    });
    throw error;
  }
}

async function open(options: ControlPlaneOptions, lifecycle: Lifecycle): Promise<ControlPlane> {
  const { config, logger, environment } = options;
  const listen = parseListen(config.listen);
  const fileChannels = channelsOf(config);
  lifecycle.defer('data directory', holdDataDir(config.data_dir));
  const sealer = Sealer.fromFile(join(resolve(config.data_dir), 'secrets.key'));

  const { address, embedded } = await openStore(config, logger, lifecycle);
  const redis = requestClient(address);
  lifecycle.defer('redis client', () => redis.disconnect());
  await connectChecked(redis, shownAddress(address));
  const pool = await RequestPool.connect(address, ADMISSIONS);
  lifecycle.defer('redis pool', () => pool.disconnect());

  const agents = new AgentStore(redis);
  const alerts = new AlertStore(redis);
  const tokens = new TokenStore(redis, tokensOf(config, environment));
  const outbox = new Outbox(redis);
  const adminTokenFile = await ensureAdminToken(config.data_dir, tokens);
  const audience = await agents.audience();

  const registry = new ChannelRegistry(redis, {
    fileChannels,
    findKind: findChannelKind,
    sealer,
    onProblem: (err, channel) => logger.warn({ err, channel }, 'channels could not be read'),
  });
  await registry.start();
  warnOfSecrets(registry.all(), logger, environment);
  lifecycle.defer('channel registry', () => registry.stop());

  const waker = new LaneWaker(redis);
  lifecycle.defer('lane waker', () => waker.close());
  const keyring = new Keyring(agents);
  const limits = {
    windowMs: millisecondsOf(config.dedupe.window),
    retentionMs: millisecondsOf(config.retention.alerts),
    capacity: config.retention.max_alerts,
  };
  const metrics = buildMetrics(redis, () => waker.failures);
  const { onBatch: onAnswer } = metrics;
  const routes = new RoutingRegistry({
    store: new RoutingStore(redis),
    authority: config.routing.authority as Authority,
    file: documentOf(config),
    channels: () => registry.all().map(({ name }) => name),
    onProblem: (err) => logger.warn({ err }, 'routing could not be taken'),
  });
  await routes.start();
  lifecycle.defer('routing registry', () => routes.stop());
  // What a reload takes at once is read from here.
  let live = config;
  const start = (routing: Routing) =>
    startGroups(live, routing, logger, lifecycle, {
      ...{ redis, channels: registry, metrics: metrics.registry },
      wake: (channels) => waker.wake(channels),
    });
  let groups = await start(routes.routing);
  routes.follow(async (routing) => {
    const grouping = groupingOf(live, routing, (name) => registry.get(name)?.mode);
    if (!groups) groups = await start(routing);
    else if (grouping) await groups.use(grouping);
  });
  // Without a route nothing new is grouped; what is in groups still speaks.
  const current = () => (routes.routing.tree ? groups : undefined);
  const grouping = () => current()?.grouping;
  const ingest = new Ingest({
    ...{ pool, keyring, registry, waker, audience, limits, onAnswer, grouping },
  });
  ingest.on('due', () => groups?.nudge());
  const enrollment = new Enrollment(agents, keyring, audience);

  const workerRedis = workerClient(address);
  lifecycle.defer('worker redis client', () => workerRedis.disconnect());
  await workerRedis.connect();
  const delivery = (options.startDelivery ?? startDelivery)({
    ...{ redis, workerRedis, outbox, alerts, logger, environment },
    channels: registry,
    metrics: metrics.registry,
    lettersKeptMs: millisecondsOf(config.retention.dead_letters),
  });
  waker.tellHere((channel) => delivery.wake(channel));
  lifecycle.defer('delivery', () => delivery.stop());

  const recent = (since?: number) => recentAlerts(alerts, live.labels.output_fields, since);
  const silences = new Silences(new SilenceStore(redis), recent, () => ({
    maxDurationMs: millisecondsOf(live.silences.max_duration),
    maxHiddenPercent: live.silences.max_hidden_percent,
    maxCount: live.silences.max_count,
  }));

  let reread: () => Promise<string | undefined> = async () => 'nobody follows a configuration file';
  const app = await buildApp({
    ...{
      ingest,
      alerts,
      enrollment,
      tokens,
      registry,
      delivery,
      redis,
      outbox,
      logger,
      silences,
      recent,
    },
    ...{ routes, routing: () => routes.routing, routesTo: (name: string) => routes.uses(name) },
    routingText: () => routingText(routes.current.document, registry.all()),
    groups: () => current(),
    receivers: () => registry.all().map(({ name }) => name),
    trustLoopback: config.intake.trust_loopback,
    onUntold: metrics.onUntold,
    reread: () => reread(),
    metrics: metrics.registry,
  });
  lifecycle.defer('http', () => app.close());
  await listenOn(app, listen);
  const url = `http://${shownHost(listen.host)}:${(app.server.address() as AddressInfo).port}`;
  const stop = () => lifecycle.close();
  const reload = async (next: Config) => {
    const before = live;
    live = next;
    try {
      const given = channelsOf(next);
      registry.useFile(given);
      warnOfSecrets(given, logger, environment);
      await routes.takeFile(documentOf(next));
      await retryChanged(channelsOf(before), given, delivery).catch((err: unknown) =>
        logger.warn({ err }, 'changed channels are tried at their next turn'),
      );
    } catch (error) {
      live = before;
      throw error;
    }
    metrics.onReload(true);
    return waitingForRestart(config, next);
  };
  const reloadFailed = () => metrics.onReload(false);
  const onReloadAsked = (given: typeof reread) => {
    reread = given;
  };
  const shown = { url, adminTokenFile, app, redis, ingest, enrollment, outbox, embedded };
  return { ...shown, reload, onReloadAsked, reloadFailed, stop };
}

/** The parts of the configuration that a reload takes at once. */
const RELOADED: readonly string[] = [
  ...['channels', 'receivers', 'global', 'route', 'inhibit_rules', 'time_intervals'],
  ...['mute_time_intervals', 'storm', 'labels', 'silences'],
];

/** The keys in which a configuration differs from the one of the start, and that count from the next start on. */
function waitingForRestart(started: Config, next: Config): string[] {
  const keys = new Set([...Object.keys(started), ...Object.keys(next)]);
  return [...keys].flatMap((key) => {
    const [old, now] = [started[key as keyof Config], next[key as keyof Config]];
    if (RELOADED.includes(key) || isDeepStrictEqual(old, now)) return [];
    const parts = { ...asSection(old), ...asSection(now) };
    const changed = Object.keys(parts).filter(
      (part) => !isDeepStrictEqual(asSection(old)[part], asSection(now)[part]),
    );
    return changed.length > 0 ? changed.map((part) => `${key}.${part}`) : [key];
  });
}

const asSection = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};

/** Flushes groups, when the configuration routes alerts. */
async function startGroups(
  config: Config,
  routing: Routing,
  logger: FastifyBaseLogger,
  lifecycle: Lifecycle,
  parts: Omit<GroupRunnerOptions, 'grouping' | 'onProblem'>,
): Promise<GroupRunner | undefined> {
  const grouping = groupingOf(config, routing, (name) => parts.channels.get(name)?.mode);
  if (!grouping) return undefined;
  const groups = new GroupRunner({
    ...{ ...parts, grouping },
    onProblem: (err) => logger.warn({ err }, 'groups wait for redis'),
  });
  await groups.start();
  lifecycle.defer('groups', () => groups.stop());
  return groups;
}

async function openStore(
  { redis, data_dir }: Config,
  logger: FastifyBaseLogger,
  lifecycle: Lifecycle,
): Promise<{ address: RedisAddress; embedded: EmbeddedRedis | undefined }> {
  if (redis.url !== undefined) return { address: checkedUrl(redis.url), embedded: undefined };
  const embedded = await EmbeddedRedis.start({
    dataDir: data_dir,
    server: redis.server,
    fsync: redis.fsync as 'always' | 'everysec',
    onRestart: (lastWords) =>
      logger.error({ lastWords }, 'embedded redis ended; starting it again'),
  });
  lifecycle.defer('embedded redis', () => embedded.stop());
  return { address: { socket: embedded.socket }, embedded };
}

function checkedUrl(url: string): RedisAddress {
  if (/^rediss?:\/\//.test(url) && URL.canParse(url)) return { url };
  throw new StartupError('redis.url must be a URL such as redis://:password@host:6379/0.');
}

/** The channels of the file with the defaults of their kinds; readSettings has told what is wrong with any. */
function channelsOf(config: Config): readonly Channel[] {
  const { channels, errors } = checkFileChannels(config, findChannelKind);
  if (errors.length === 0) return channels;
  throw new StartupError(errors.map(({ message }) => message).join('; '));
}

/** What was wrong with a channel may be mended now: it is tried without waiting for its next turn. */
async function retryChanged(
  before: readonly Channel[],
  now: readonly Channel[],
  delivery: RunningDelivery,
): Promise<void> {
  const known = new Set(before.map((channel) => JSON.stringify(channel)));
  const changed = now.filter((channel) => !known.has(JSON.stringify(channel)));
  await Promise.all(changed.map(({ name }) => delivery.retryNow(name)));
}

/** Told at once, rather than by the first alert that cannot be told. */
function warnOfSecrets(
  channels: readonly Channel[],
  logger: ControlPlaneOptions['logger'],
  environment: Environment,
): void {
  for (const { name, kind, settings } of channels) {
    const schema = findChannelKind(kind)?.settings;
    try {
      if (schema) resolveSecrets(schema, settings, environment);
    } catch (error) {
      if (!(error instanceof ChannelSettingsError)) throw error;
      logger.warn({ channel: name, detail: error.message }, 'channel lacks a secret');
    }
  }
}

const MIN_TOKEN = 16;

/** The tokens that the configuration gives to programs. */
function tokensOf({ intake }: Config, environment: Environment) {
  return intake.tokens.map(({ name, role, token: reference }) => {
    const { token } = resolveToken(name, reference, environment);
    if (token.length < MIN_TOKEN)
      throw new StartupError(
        `The token ${name} of intake.tokens is shorter than ${MIN_TOKEN} characters.`,
      );
    return { name, token, role: role as Role };
  });
}

const TokenSettings = Type.Object({ token: SecretReference });

function resolveToken(name: string, token: SecretReference, environment: Environment) {
  try {
    return resolveSecrets(TokenSettings, { token }, environment) as { token: string };
  } catch (error) {
    if (!(error instanceof ChannelSettingsError)) throw error;
    throw new StartupError(`The token ${name} of intake.tokens: ${error.message}`);
  }
}

function millisecondsOf(duration: string): number {
  const ms = parseDuration(duration);
  if (ms === undefined) {
    throw new StartupError(
      `The configuration is wrong: '${duration}' is not a duration such as 5m.`,
    );
  }
  return ms;
}

interface Listen {
  readonly host: string;
  readonly port: number;
}

function parseListen(text: string): Listen {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new StartupError(`listen must be host:port such as 127.0.0.1:2802, not '${text}'.`);
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

async function listenOn(app: FastifyInstance, { host, port }: Listen): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const where = `${shownHost(host)}:${port}`;
    const reasons: Record<string, string> = {
      EADDRINUSE: `${where} is taken by another program: stop it, or choose another with --listen.`,
      EACCES: `${where} may not be listened on without more privileges: choose a port above 1023 with --listen.`,
      EADDRNOTAVAIL: `This host has no address ${host}: choose another with --listen.`,
    };
    const reason = reasons[code ?? ''] ?? `${where} cannot be listened on: ${message}.`;
    throw new StartupError(reason, { cause: error });
  }
}

const shownHost = (host: string) => (host.includes(':') ? `[${host}]` : host);
