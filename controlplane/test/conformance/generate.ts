/** Random configurations that Alertmanager and Tocsin both read, and alerts that they concern. The same seed makes the same ones. */

type Labels = Readonly<Record<string, string>>;

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  some<T>(from: readonly T[], most: number): T[] {
    const count = this.below(most + 1);
    return [...new Set(Array.from({ length: count }, () => this.pick(from)))];
  }
}

/** No name begins with another one and a digit: Alertmanager changed how it sorts such in keys of groups. */
export const NAMES = ['alertname', 'job', 'instance', 'env', 'team', 'x_y'];
const VALUES = [
  'a',
  'b',
  'ab',
  'prod',
  'a b',
  'ü',
  'A|B',
  'a"b',
  'a\\b',
  'a,b',
  '{a}',
  "it's",
  '1',
];
/** As patterns they fit some of the values. */
const PATTERNS = [
  'a',
  'a|b',
  'a.*',
  '.+',
  '.*',
  '',
  '[ab]+',
  'pro(d|x)',
  '(?i)AB',
  'ü|a b',
  '.b',
  '\\\\w',
  '^a',
  'a$',
];
const RECEIVERS = ['one', 'two', 'three', 'four'];

export const labelsFrom = (random: Random, values = VALUES): Labels => {
  const names = ['alertname', ...random.some(NAMES, 5)];
  return Object.fromEntries(names.map((name) => [name, random.pick(values)]));
};

const escaped = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"');

/** One matcher as text, in any of the notations of the classic parser. */
export function matcherText(random: Random, values = VALUES): string {
  const operator = random.pick(['=', '=', '=', '!=', '=~', '=~', '!~']);
  const value = operator.endsWith('~') ? random.pick(PATTERNS) : random.pick([...values, '']);
  const bare = /^[\w|.*+()[\]?^$ ü]*$/.test(value) && random.chance(0.4);
  const blank = random.chance(0.2) ? ' ' : '';
  const shown = bare ? value : `"${escaped(value)}"`;
  return `${random.pick(NAMES)}${blank}${operator}${blank}${shown}`;
}

const TEXT = [
  'a',
  'b',
  '=',
  '!',
  '~',
  '"',
  '\\',
  ' ',
  ',',
  '{',
  '}',
  'ü',
  'n',
  "'",
  '.',
  '(',
  '1',
  '_',
  ':',
  '\n',
];

/** A text that may be a matcher: a matcher with some letters changed. */
export function maybeMatcher(random: Random): string {
  const text = [...matcherText(random)];
  for (let changes = random.below(4); changes > 0; changes--) {
    text.splice(random.below(text.length + 1), random.below(2), random.pick(TEXT));
  }
  return text.join('');
}

/** The matchers of a route or of one side of a rule, under keys with a prefix. */
export function matchersFrom(
  random: Random,
  prefix = '',
  values = VALUES,
): Record<string, unknown> {
  const plain = values.filter((value) => value !== '');
  switch (random.below(6)) {
    case 0:
      return { [`${prefix}match`]: { [random.pick(NAMES)]: random.pick(plain) } };
    case 1:
      return { [`${prefix}match_re`]: { [random.pick(NAMES)]: random.pick(PATTERNS) } };
    case 2: {
      const texts = [matcherText(random, values), matcherText(random, values)];
      const whole = texts.join(random.pick([',', ', ']));
      return { [`${prefix}matchers`]: [random.chance(0.5) ? `{${whole}}` : whole] };
    }
    default:
      return {
        [`${prefix}matchers`]: Array.from({ length: 1 + random.below(2) }, () =>
          matcherText(random, values),
        ),
      };
  }
}

export interface RouteOptions {
  readonly depth: number;
  readonly values?: readonly string[];
  /** Of one node. */
  readonly times: (random: Random, isRoot: boolean) => object;
  readonly groupBy: readonly (readonly string[])[];
}

/** A routing tree. */
export function routeFrom(random: Random, options: RouteOptions, level = 0): object {
  const { depth, times, groupBy, values } = options;
  const children = level < depth ? random.below(level === 0 ? 5 : 3) : 0;
  return {
    ...(level > 0 && matchersFrom(random, '', values && [...values])),
    ...((level === 0 || random.chance(0.7)) && { receiver: random.pick(RECEIVERS) }),
    // An empty list below the root is nothing to Alertmanager before 0.31.
    ...((level === 0 || random.chance(0.4)) && {
      group_by: random.pick(groupBy.filter((names) => level === 0 || names.length > 0)),
    }),
    ...(level > 0 && random.chance(0.4) && { continue: true }),
    ...times(random, level === 0),
    ...(children > 0 && {
      routes: Array.from({ length: children }, () => routeFrom(random, options, level + 1)),
    }),
  };
}

export const receiversFrom = (random: Random) =>
  RECEIVERS.map((name) => ({ name, sendResolved: random.chance(0.7) }));
