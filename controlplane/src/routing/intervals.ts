/** Time intervals with names, as Alertmanager writes them, in any time zone and across changes of the clock. */
import type { Complaint, TimeIntervalConfig, TimeIntervalSpec } from '@tocsin/openapi';
import type { TimeInterval } from './types.ts';

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = [
  ...['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august'],
  ...['september', 'october', 'november', 'december'],
];

/** What a clock on the wall says. */
interface WallTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Of the day. */
  readonly minute: number;
  readonly daysInMonth: number;
}

type Test = (at: WallTime) => boolean;
type Range = readonly [begin: number, end: number];

class IntervalError extends Error {}

/** Tells what is wrong with an interval, where. */
export function checkInterval({ time_intervals }: TimeIntervalConfig, at: string): Complaint[] {
  return time_intervals.flatMap((spec, index) => {
    const place = `${at}/time_intervals/${index}`;
    return READERS.flatMap(({ key, read }) =>
      (spec[key] ?? []).flatMap((value, position) => {
        try {
          read(value as never);
          return [];
        } catch (error) {
          if (!(error instanceof IntervalError)) throw error;
          return [{ pointer: `${place}/${key}/${position}`, message: `${key}: ${error.message}` }];
        }
      }),
    ).concat(
      isZone(spec.location ?? 'UTC')
        ? []
        : [{ pointer: `${place}/location`, message: `there is no time zone '${spec.location}'` }],
    );
  });
}

/** Makes an interval of what was checked: it contains a time that one of its parts contains. */
export function compileInterval({ time_intervals }: TimeIntervalConfig): TimeInterval {
  const parts = time_intervals.map(compileSpec);
  return {
    contains: (at) => parts.some((part) => part(at)),
    toString: () => JSON.stringify(time_intervals),
  };
}

function compileSpec(spec: TimeIntervalSpec): (at: Date) => boolean {
  const toWall = wallClock(spec.location ?? 'UTC');
  const tests = READERS.flatMap(({ key, read, fits }): Test[] => {
    const values = spec[key];
    if (values === undefined) return [];
    const ranges = values.map((value) => read(value as never));
    return [(at) => ranges.some((range) => fits(range, at))];
  });
  return (at) => {
    const wall = toWall(at);
    return tests.every((test) => test(wall));
  };
}

const inside = ([begin, end]: Range, value: number) => value >= begin && value <= end;

const READERS = [
  {
    key: 'times',
    read: readTimes,
    fits: ([begin, end]: Range, { minute }: WallTime) => minute >= begin && minute < end,
  },
  {
    key: 'weekdays',
    read: (value: string | number) => readRange(value, (text) => WEEKDAYS.indexOf(text), [0, 6]),
    fits: (range: Range, { weekday }: WallTime) => inside(range, weekday),
  },
  {
    key: 'days_of_month',
    read: readDays,
    fits: ([begin, end]: Range, { day, daysInMonth }: WallTime) => {
      const fromStart = (count: number) => (count < 0 ? daysInMonth + count + 1 : count);
      return inside([fromStart(begin), fromStart(end)], day);
    },
  },
  {
    key: 'months',
    read: (value: string | number) => readRange(value, monthOf, [1, 12]),
    fits: (range: Range, { month }: WallTime) => inside(range, month),
  },
  {
    key: 'years',
    read: (value: string | number) => readRange(value, numberOf, [0, 9999]),
    fits: (range: Range, { year }: WallTime) => inside(range, year),
  },
] as const;

const numberOf = (text: string) => (/^[+-]?\d{1,6}$/.test(text) ? Number(text) : Number.NaN);
const monthOf = (text: string) => {
  const named = MONTHS.indexOf(text);
  return named >= 0 ? named + 1 : numberOf(text);
};

/** `a` or `a:b`, both ends included. */
function readRange(
  value: string | number,
  toNumber: (text: string) => number,
  [least, most]: Range,
): Range {
  const ends = String(value).toLowerCase().split(':').map(toNumber);
  const [begin = Number.NaN, end = begin] = ends;
  const valid = (number: number) => number >= least && number <= most;
  if (ends.length > 2 || !valid(begin) || !valid(end))
    throw new IntervalError(`'${value}' is neither a value nor a range begin:end`);
  if (begin > end) throw new IntervalError(`'${value}' ends before it begins`);
  return [begin, end];
}

function readDays(value: string | number): Range {
  const ends = String(value).split(':').map(numberOf);
  const [begin = Number.NaN, end = begin] = ends;
  const valid = (day: number) => day !== 0 && Math.abs(day) <= 31;
  if (ends.length > 2 || !valid(begin) || !valid(end))
    throw new IntervalError(`'${value}' is no day 1 to 31 or -31 to -1, and no range of them`);
  if (begin < 0 && end > 0)
    throw new IntervalError(`'${value}' must end with a negative day, because it begins with one`);
  const inShortest = (day: number) => (day < 0 ? 28 + day : day);
  if (inShortest(begin) > inShortest(end))
    throw new IntervalError(`'${value}' ends before it begins`);
  return [begin, end];
}

function readTimes({ start_time, end_time }: { start_time: string; end_time: string }): Range {
  const [begin, end] = [start_time, end_time].map((text) => {
    const [, hour, minute] = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(text) ?? [text];
    if (text === '24:00') return 1440;
    if (hour === undefined) throw new IntervalError(`'${text}' is not HH:MM`);
    return Number(hour) * 60 + Number(minute);
  }) as [number, number];
  if (begin >= end)
    throw new IntervalError(
      `${start_time} is not before ${end_time}; a night is two ranges, until 24:00 and from 00:00`,
    );
  return [begin, end];
}

const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+\-/]*$/;

function isZone(location: string): boolean {
  if (location === 'Local') return true;
  if (!ZONE_NAME.test(location)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: location });
    return true;
  } catch {
    return false;
  }
}

/** The clock on a wall in this zone; the last minute is remembered, because many routes ask for one time. */
function wallClock(location: string): (at: Date) => WallTime {
  const format = new Intl.DateTimeFormat('en-US', {
    ...(location !== 'Local' && { timeZone: location }),
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' },
  });
  let [last, wall] = [Number.NaN, undefined as WallTime | undefined];
  return (at) => {
    const minuteOfTime = Math.floor(at.getTime() / 60_000);
    if (wall && minuteOfTime === last) return wall;
    const part = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute', number>;
    const { year, month, day } = part;
    last = minuteOfTime;
    wall = {
      ...{ year, month, day },
      weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
      minute: part.hour * 60 + part.minute,
      daysInMonth: new Date(Date.UTC(year, month, 0)).getUTCDate(),
    };
    return wall;
  };
}
