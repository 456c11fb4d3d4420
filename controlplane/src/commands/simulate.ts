import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type Config, parseDuration, SettingsError } from '@tocsin/openapi';
import type { Command } from 'commander';
import { checkFileChannels } from '../channels/definition.ts';
import { findChannelKind } from '../delivery/channels/index.ts';
import { printable } from '../delivery/text.ts';
import { StartupError } from '../errors.ts';
import {
  type SimulatedConfiguration,
  type SimulatedInput,
  type SimulatedNotification,
  Simulation,
  type TimedInput,
} from '../groups/simulation.ts';
import { LabelsError, readLabels } from '../routing/labels.ts';
import { MatcherError, parseMatchers } from '../routing/matcher.ts';
import type { Labels } from '../routing/types.ts';
import { readSettings } from '../settings.ts';
import { type CommandContext, type SettingsFlags, withSettingsFlags } from './context.ts';
import { linesOf } from './lines.ts';

interface SimulateFlags extends SettingsFlags {
  readonly until?: string;
}

/** A Monday. */
const START_MS = Date.parse('2026-01-05T00:00:00Z');
/** After the last input it goes on for so long by itself: long enough for defaults to speak, resolve and settle. */
const SETTLE_MS = 15 * 60_000;

/** `tocsin routes simulate`: what would be told, and when. */
export function simulateCommand(routes: Command, context: CommandContext): void {
  withSettingsFlags(
    routes
      .command('simulate')
      .description(
        'read timed alerts, silences, reloads and restarts from stdin, one JSON object a line, and tell what would be sent when',
      )
      .option(
        '--until <duration>',
        'stop the clock then (default: 15m after the last input, or after the last time it names)',
      ),
    'nothing',
  ).action(async (flags: SimulateFlags) => {
    const load = (file?: string) =>
      configurationOf(
        readSettings(file ? { ...flags, config: file } : flags, context.environment).config,
      );
    const configuration = load();
    const inputs = await readInputs(context, load);
    const until =
      flags.until === undefined ? settled(inputs) : START_MS + durationOf(flags.until, '--until');
    const said: string[] = [];
    await new Simulation(configuration).run(inputs, until, (notification) => {
      said.push(`${JSON.stringify(shown(notification))}\n`);
    });
    for (const line of said) if (!context.out.write(line)) await once(context.out, 'drain');
  });
}

function configurationOf(config: Config): SimulatedConfiguration {
  if (config.route === undefined)
    throw new StartupError("The configuration has no 'route': without one nothing is grouped.");
  return { config, channels: checkFileChannels(config, findChannelKind).channels };
}

function settled(inputs: readonly TimedInput[]): number {
  let last = START_MS;
  for (const { at, input } of inputs)
    last = Math.max(last, at, ('endsAt' in input ? input.endsAt : undefined) ?? at);
  return last + SETTLE_MS;
}

function shown({ at, channel, entry }: SimulatedNotification): object {
  const { group, digest, held = [], ended } = entry;
  if (!group) {
    const by_rule = held.map(([rule, count]) => ({ rule, count }));
    const reason = digest ? 'digest' : 'held back';
    return { at: shownTime(at - START_MS), channel, reason, by_rule, ended: ended ?? 0 };
  }
  return {
    at: shownTime(at - START_MS),
    channel,
    group_labels: group.labels,
    firing: group.firing.map(({ labels }) => labels),
    resolved: group.resolved.map(({ labels }) => labels),
    counts: group.counts,
    reason: group.reason,
  };
}

/** In seconds, as a duration that inputs may hold: `90s`, `1s500ms`. */
function shownTime(ms: number): string {
  const [seconds, rest] = [Math.floor(ms / 1000), ms % 1000];
  if (rest === 0) return `${seconds}s`;
  return seconds === 0 ? `${rest}ms` : `${seconds}s${rest}ms`;
}

class InputError extends StartupError {}

/** A configuration that is there and wrong: as in a running control plane the one before it stays. */
class RefusedReload extends Error {}

async function readInputs(
  { in: input, err }: CommandContext,
  load: (file: string) => SimulatedConfiguration,
): Promise<TimedInput[]> {
  const inputs: TimedInput[] = [];
  for await (const { line, number } of linesOf(input)) {
    try {
      const given: unknown = JSON.parse(line);
      inputs.push(readInput(given, load));
      for (const key of unknownKeys(given))
        err.write(
          `tocsin: line ${number}: ${printable(key)} is not known and counts for nothing\n`,
        );
    } catch (error) {
      if (error instanceof RefusedReload) {
        err.write(`tocsin: line ${number}: ${printable(error.message)}\n`);
        continue;
      }
      const known =
        error instanceof SyntaxError ||
        error instanceof InputError ||
        error instanceof SettingsError ||
        error instanceof LabelsError ||
        error instanceof MatcherError;
      if (!known) throw error;
      throw new StartupError(`Line ${number} of the input: ${error.message}`);
    }
  }
  return inputs.sort((a, b) => a.at - b.at);
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['at', 'alert', 'silence', 'reload', 'restart'],
  alert: ['labels', 'fields', 'starts_at', 'ends_at'],
  silence: ['matchers', 'starts_at', 'ends_at'],
};

/** Keys of an input that nothing reads, such as `alert.start_at`. */
function unknownKeys(given: unknown): string[] {
  return Object.entries(KEYS).flatMap(([part, known]) => {
    const value = part === '' ? given : (given as Readonly<Record<string, unknown>>)[part];
    if (!isObject(value)) return [];
    const unknown = Object.keys(value).filter((key) => !known.includes(key));
    return unknown.map((key) => (part === '' ? key : `${part}.${key}`));
  });
}

function readInput(given: unknown, load: (file: string) => SimulatedConfiguration): TimedInput {
  if (!isObject(given))
    throw new InputError('must be an object such as {"at":"12s","alert":{"labels":{}}}');
  const at = timeOf(given['at'], 'at');
  if (at === undefined) throw new InputError('at is missing: say when, such as "12s"');
  return { at, input: whatHappens(given, at, load) };
}

function whatHappens(
  given: Readonly<Record<string, unknown>>,
  at: number,
  load: (file: string) => SimulatedConfiguration,
): SimulatedInput {
  const { alert, silence, reload, restart } = given;
  if (
    [alert, silence, reload, restart].filter((one) => one !== undefined && one !== null).length > 1
  )
    throw new InputError('must have one of alert, silence, reload and restart, not several');
  if (isObject(alert)) {
    const startsAt = timeOf(alert['starts_at'], 'alert.starts_at');
    const endsAt = timeOf(alert['ends_at'], 'alert.ends_at');
    if (startsAt !== undefined && endsAt !== undefined && endsAt < startsAt)
      throw new InputError('alert.ends_at is before alert.starts_at');
    const labels = readLabels(alert['labels']);
    if (Object.keys(labels).length === 0) throw new InputError('alert.labels has no label');
    return { kind: 'alert', labels, fields: fieldsOf(alert['fields']), startsAt, endsAt };
  }
  if (isObject(silence)) {
    const { matchers } = silence;
    if (
      !Array.isArray(matchers) ||
      matchers.length === 0 ||
      !matchers.every((one) => typeof one === 'string')
    )
      throw new InputError('silence.matchers must be a list of texts such as "a=b"');
    for (const one of matchers) parseMatchers(one);
    const endsAt = timeOf(silence['ends_at'], 'silence.ends_at');
    if (endsAt === undefined) throw new InputError('silence.ends_at is missing');
    const startsAt = timeOf(silence['starts_at'], 'silence.starts_at') ?? at;
    if (endsAt < startsAt) throw new InputError('silence.ends_at is before silence.starts_at');
    return { kind: 'silence', matchers, startsAt, endsAt };
  }
  if (typeof reload === 'string') return { kind: 'reload', configuration: reloaded(reload, load) };
  if (restart === true) return { kind: 'restart' };
  throw new InputError('must have one of alert, silence, reload and restart');
}

function reloaded(
  file: string,
  load: (file: string) => SimulatedConfiguration,
): SimulatedConfiguration {
  try {
    return load(file);
  } catch (error) {
    const wrong = error instanceof SettingsError || error instanceof StartupError;
    if (!wrong || !existsSync(file)) throw error;
    throw new RefusedReload(
      `the reload is refused and the old configuration stays: ${error.message}`,
    );
  }
}

/** Output fields as texts. */
function fieldsOf(given: unknown): Labels {
  if (given === undefined || given === null) return {};
  if (!isObject(given)) throw new InputError('alert.fields must be a mapping of names to values');
  const known = Object.entries(given).filter(([, value]) => value !== null && value !== '');
  return readLabels(Object.fromEntries(known.map(([name, value]) => [name, textOf(value)])));
}

const textOf = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A time of the simulated clock; a minus sign is for what began before it. */
function timeOf(value: unknown, where: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new InputError(`${where} must be a duration such as "12s"`);
  const [, minus, text = ''] = /^(-?)(.*)$/s.exec(value) ?? [];
  return START_MS + (minus ? -1 : 1) * durationOf(text, where);
}

/** Milliseconds; fractions of one unit are taken too (`1.5s`), since people time things so. */
function durationOf(text: string, where: string): number {
  const [, number, unit] = /^(\d+\.\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = number ? Number(number) * (parseDuration(`1${unit}`) ?? 0) : parseDuration(text);
  if (ms === undefined)
    throw new InputError(`${where} must be a duration such as "12s", not ${JSON.stringify(text)}`);
  return Math.round(ms);
}
