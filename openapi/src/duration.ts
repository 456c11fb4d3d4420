const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** A duration as in Prometheus: units in falling order, no fractions: `30s`, `1h30m`, `7d`, `500ms`. */
export const DURATION_PATTERN = '^(?=\\d)(\\d+d)?(\\d+h)?(\\d+m(?!s))?(\\d+s)?(\\d+ms)?$';

const matcher = new RegExp(DURATION_PATTERN);

/** Milliseconds of a duration; undefined when the text is none or is longer than a hundred years. */
export function parseDuration(text: string): number | undefined {
  if (!matcher.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[dhms])/g)) {
    total += Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  }
  return total <= 36_500 * UNITS_MS.d ? total : undefined;
}
