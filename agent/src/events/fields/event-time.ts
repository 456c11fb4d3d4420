import type { KernelEvent } from '../kernel-event.ts';
import { type Binder, type FieldContext, integer } from './context.ts';

const SECOND = 1_000_000_000n;

/** Nanoseconds since the epoch. */
function epochTime(event: KernelEvent, context: FieldContext): bigint {
  return event.time + context.bootEpoch();
}

function nanoseconds(time: bigint): string {
  return String(time % SECOND).padStart(9, '0');
}

function dateOf(time: bigint): Date {
  return new Date(Number(time / 1_000_000n));
}

const two = (value: number): string => String(value).padStart(2, '0');

function localClock(time: bigint): string {
  const date = dateOf(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function localDate(time: bigint): string {
  const date = dateOf(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `HH:MM:SS.nnnnnnnnn` of the local time zone. */
export function clockText(time: bigint): string {
  return `${localClock(time)}.${nanoseconds(time)}`;
}

/** `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn` in UTC, to be followed by `Z` or an offset. */
export function utcText(time: bigint): string {
  return `${dateOf(time).toISOString().slice(0, 19)}.${nanoseconds(time)}`;
}

function field(name: string, value: (time: bigint) => string | bigint): [string, Binder] {
  return [
    name,
    (context) => (event) => {
      const made = value(epochTime(event, context));
      return typeof made === 'bigint' ? integer(made) : made;
    },
  ];
}

/** Times since the first event whose time a field was asked for. */
function relative(name: string, part: (time: bigint) => bigint): [string, Binder] {
  return [
    name,
    () => {
      let first: bigint | undefined;
      return (event) => {
        first ??= event.time;
        return integer(part(event.time - first));
      };
    },
  ];
}

/** Times since the last event for which a field was asked for. Asked twice for an event, it answers the same. */
function sinceLast(name: string, part: (time: bigint) => bigint): [string, Binder] {
  return [
    name,
    () => {
      let number = -1;
      let last: bigint | undefined;
      let delta = 0n;
      return (event) => {
        if (event.number !== number) {
          const { time } = event;
          delta = last === undefined || time < last ? 0n : time - last;
          number = event.number;
          last = time;
        }
        return integer(part(delta));
      };
    },
  ];
}

export const eventTimeFields: readonly [string, Binder][] = [
  field('evt.time', clockText),
  field('evt.time.s', localClock),
  field('evt.time.iso8601', (time) => `${utcText(time)}+0000`),
  field('evt.datetime', (time) => `${localDate(time)} ${clockText(time)}`),
  field('evt.datetime.s', (time) => `${localDate(time)} ${localClock(time)}`),
  field('evt.rawtime', (time) => time),
  field('evt.rawtime.s', (time) => time / SECOND),
  field('evt.rawtime.ns', (time) => time % SECOND),
  relative('evt.reltime', (time) => time),
  relative('evt.reltime.s', (time) => time / SECOND),
  relative('evt.reltime.ns', (time) => time % SECOND),
  sinceLast('evt.deltatime', (time) => time),
  sinceLast('evt.deltatime.s', (time) => time / SECOND),
  sinceLast('evt.deltatime.ns', (time) => time % SECOND),
];
