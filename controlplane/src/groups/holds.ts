/** What holds alerts back at one moment: silences, inhibition, time intervals and what channels want to know. Pure. */
import { type Channel, isAtLeast, parsePriority } from '@tocsin/openapi';
import type { Hold } from '../routing/flush.ts';
import type { Inhibition } from '../routing/inhibition.ts';
import type { Labels, Route, Silence, TimeInterval } from '../routing/types.ts';

/** A silence holds from its start up to, and not at, its end. */
export const isActive = ({ startsAt, endsAt }: Silence, at: number): boolean =>
  startsAt <= at && at < endsAt;

/** Finds a silence that holds back an alert with these labels. */
export type FindSilence = (labels: Labels) => Silence | undefined;

/** The interval that mutes the route at a time, or that it is not active. */
export function mutedBy(
  route: Pick<Route, 'muteTimeIntervals' | 'activeTimeIntervals'>,
  intervals: ReadonlyMap<string, TimeInterval>,
  at: number,
): string | undefined {
  const date = new Date(at);
  const { muteTimeIntervals, activeTimeIntervals } = route;
  const muting = muteTimeIntervals.find((name) => intervals.get(name)?.contains(date));
  if (muting !== undefined || activeTimeIntervals.length === 0) return muting;
  const active = activeTimeIntervals.some((name) => intervals.get(name)?.contains(date));
  return active ? undefined : `not ${activeTimeIntervals.join(', ')}`;
}

/** What keeps an alert from a channel that is only told of more severe ones; without a priority it is told. */
export function belowMinimum(
  channel: Pick<Channel, 'name' | 'minimum_priority'> | undefined,
  labels: Labels,
): string | undefined {
  const minimum = parsePriority(String(channel?.minimum_priority ?? 'debug'));
  if (!channel || minimum === undefined || minimum === 'Debug') return undefined;
  const priority = parsePriority(labels['priority'] ?? '');
  if (priority === undefined || isAtLeast(priority, minimum)) return undefined;
  return `minimum_priority of ${channel.name}`;
}

/** Everything that can hold back at one moment. */
export class Holds {
  readonly #inhibition: Inhibition;
  readonly #findSilence: FindSilence;

  constructor(inhibition: Inhibition, findSilence: FindSilence) {
    this.#inhibition = inhibition;
    this.#findSilence = findSilence;
  }

  /** What holds back an alert that `muted` keeps from its channel; Alertmanager asks in this order. */
  holdOf(labels: Labels, muted: string | undefined): Hold | undefined {
    const source = this.#inhibition.inhibitor(labels);
    if (source !== undefined) return { kind: 'inhibited', by: source };
    if (muted !== undefined) return { kind: 'muted', by: muted };
    const silence = this.#findSilence(labels);
    return silence && { kind: 'silenced', by: silence.id };
  }
}
