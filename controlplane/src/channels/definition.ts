import {
  Channel,
  type ChannelEntry,
  type Complaint,
  digestIntervalMs,
  escapePointer,
  explainErrors,
  PRIORITIES,
} from '@tocsin/openapi';
import { Default } from 'typebox/value';
import type { ChannelKind } from '../delivery/channel.ts';
import { ChannelSettingsError } from '../delivery/outcome.ts';

export type FindKind = (name: string) => ChannelKind | undefined;

/** The least severe priority: a channel that names none is told everything. */
const LEAST = String(PRIORITIES.at(-1)).toLowerCase();

/** A channel with all defaults filled in, or what is wrong with it. */
export type Checked =
  | { readonly ok: true; readonly channel: Channel; readonly kind: ChannelKind }
  | { readonly ok: false; readonly errors: Complaint[] };

/** Checks a channel as a whole: the part every kind shares, and the settings by its kind. `at` is its own pointer. */
export function checkChannel(
  given: Omit<Channel, 'minimum_priority'> & { minimum_priority?: string },
  findKind: FindKind,
  at = '',
): Checked {
  const named: Channel = { ...given, minimum_priority: given.minimum_priority ?? LEAST };
  const shared = explainErrors(Channel, named, at);
  if (shared.length === 0) shared.push(...checkShared(named, at));
  if (shared.length > 0) return { ok: false, errors: shared };
  const kind = findKind(named.kind);
  if (!kind) {
    return {
      ok: false,
      errors: [{ pointer: `${at}/kind`, message: `there is no kind '${named.kind}'` }],
    };
  }
  const channel: Channel = { ...named, mode: named.mode ?? kind.mode ?? 'grouped' };
  const settings = withDefaults(kind, channel.settings);
  const errors = explainErrors(kind.settings, settings, `${at}/settings`);
  if (errors.length === 0) errors.push(...checkSettings(kind, settings, at));
  return errors.length > 0
    ? { ok: false, errors }
    : { ok: true, channel: { ...channel, settings }, kind };
}

/** What the schema of the shared part cannot say. */
function checkShared(channel: Channel, at: string): Complaint[] {
  const errors: Complaint[] = [];
  if (channel.fallback === channel.name)
    errors.push({ pointer: `${at}/fallback`, message: 'must be another channel' });
  if (channel.digest_interval !== undefined && channel.mode !== 'digest')
    errors.push({ pointer: `${at}/digest_interval`, message: 'goes with mode: digest only' });
  else if (digestIntervalMs(channel) === undefined)
    errors.push({ pointer: `${at}/digest_interval`, message: 'must be from 10s to 7d' });
  return errors;
}

/** A copy of settings with what is not given as the kind has it. */
export const withDefaults = (kind: ChannelKind, settings: Channel['settings']) =>
  Default(kind.settings, structuredClone(settings)) as Channel['settings'];

function checkSettings(kind: ChannelKind, settings: Channel['settings'], at: string): Complaint[] {
  try {
    kind.check?.(settings);
    return [];
  } catch (error) {
    if (!(error instanceof ChannelSettingsError)) throw error;
    const [, setting = '', message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
    return message !== undefined && Object.hasOwn(settings, setting)
      ? [{ pointer: `${at}/settings/${setting}`, message }]
      : [{ pointer: `${at}/settings`, message: error.message }];
  }
}

/** Complaint[] about a channel that names another to stand in for it which there is not. */
export function checkFallback(
  { fallback }: Channel,
  exists: (name: string) => boolean,
  at = '',
): Complaint[] {
  if (fallback === undefined || exists(fallback)) return [];
  return [{ pointer: `${at}/fallback`, message: `there is no channel '${fallback}'` }];
}

const SHARED = [
  ...['name', 'minimum_priority', 'send_resolved', 'mode', 'digest_interval'],
  ...['fallback', 'throttle'],
];

/**
 * Checks a channel of the configuration file, whose settings may stand under the name of its kind, `send_resolved` among them.
 * Without any it is one where nobody is told.
 */
function checkEntry(entry: ChannelEntry, findKind: FindKind, at: string): Checked {
  if (entry['kind'] !== undefined || entry['settings'] !== undefined)
    return checkChannel({ settings: {}, ...entry } as unknown as Channel, findKind, at);
  const kinds = Object.keys(entry).filter((key) => !SHARED.includes(key));
  const [kind = 'none', another] = kinds;
  const unknown = kinds.find((key) => !findKind(key));
  const complaint = (key: string, message: string): Checked => ({
    ok: false,
    errors: [{ pointer: `${at}/${escapePointer(key)}`, message }],
  });
  if (unknown?.endsWith('_configs'))
    return complaint(
      unknown,
      `'${unknown}' is a key of Alertmanager: 'tocsin routes import' converts its files`,
    );
  if (unknown !== undefined) return complaint(unknown, `there is no kind '${unknown}'`);
  if (another !== undefined)
    return complaint(another, 'a channel has one kind: make another channel of this one');
  return checkShort(entry, kind, findKind, at);
}

function checkShort(entry: ChannelEntry, kind: string, findKind: FindKind, at: string): Checked {
  const given = entry[kind] ?? {};
  if (typeof given !== 'object' || Array.isArray(given))
    return {
      ok: false,
      errors: [{ pointer: `${at}/${kind}`, message: `${kind} must be a mapping of settings` }],
    };
  const { send_resolved, ...settings } = given as Channel['settings'];
  const shared = Object.fromEntries(
    SHARED.flatMap((key) => (key in entry ? [[key, entry[key]]] : [])),
  );
  const channel = {
    ...shared,
    ...(send_resolved !== undefined && { send_resolved }),
    kind,
    settings,
  } as unknown as Channel;
  const checked = checkChannel(channel, findKind, at);
  if (checked.ok) return checked;
  const written = (pointer: string) =>
    pointer
      .replace(`${at}/settings`, `${at}/${kind}`)
      .replace(`${at}/send_resolved`, `${at}/${kind}/send_resolved`);
  return {
    ok: false,
    errors: checked.errors.map(({ pointer, message }) => ({ pointer: written(pointer), message })),
  };
}

/** The channels of a configuration, under either name of the key, and what is wrong with them. */
export function checkFileChannels(
  config: {
    readonly channels: readonly ChannelEntry[];
    readonly receivers: readonly ChannelEntry[];
  },
  findKind: FindKind,
): { readonly channels: readonly Channel[]; readonly errors: readonly Complaint[] } {
  const entries = (['channels', 'receivers'] as const).flatMap((key) =>
    config[key].map((entry, index) => ({ entry, at: `/${key}/${index}` })),
  );
  const errors: Complaint[] = [];
  const names = new Set(entries.map(({ entry }) => entry.name));
  const channels = entries.flatMap(({ entry, at }, index) => {
    if (entries.findIndex((other) => other.entry.name === entry.name) < index)
      errors.push({ pointer: `${at}/name`, message: `two channels are named '${entry.name}'` });
    const checked = checkEntry(entry, findKind, at);
    errors.push(
      ...(checked.ok
        ? checkFallback(checked.channel, (name) => names.has(name), at)
        : checked.errors),
    );
    return checked.ok ? [checked.channel] : [];
  });
  return { channels, errors };
}
