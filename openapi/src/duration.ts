const DAY_MS = 86_400_000;
const UNITS_MS = {
  y: 365 * DAY_MS,
  w: 7 * DAY_MS,
  d: DAY_MS,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
} as const;

/** A duration as in Prometheus: units in falling order, no fractions: `30s`, `1h30m`, `7d`, `2w`, `500ms`; `0` needs no unit. */
export const DURATION_PATTERN =
  '^(0|(?=\\d)(\\d+y)?(\\d+w)?(\\d+d)?(\\d+h)?(\\d+m(?!s))?(\\d+s)?(\\d+ms)?)$';

const matcher = new RegExp(DURATION_PATTERN);

/** Milliseconds of a duration; undefined when the text is none or is longer than a hundred years. */
export function parseDuration(text: string): number | undefined {
  if (!matcher.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[ywdhms])/g)) {
    total += Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  }
  return total <= 100 * UNITS_MS.y ? total : undefined;
}

/** The shortest text of a duration in whole milliseconds: `1h30m`. */
export function formatDuration(ms: number): string {
  let [rest, text] = [ms, ''];
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / UNITS_MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNITS_MS[unit];
  }
  return text || '0s';
}
