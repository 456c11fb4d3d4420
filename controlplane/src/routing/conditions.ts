/** The conditions that a matcher can put on one label: Alertmanager's four, and those that know what a value means. */
import { BlockList, isIP } from 'node:net';
import { parsePriority, severityOf } from '@tocsin/openapi';
import { compareBytes, quote, quoteValue, RESERVED } from './quote.ts';
import { compileAnchored, compileGlob } from './regex.ts';
import type { Labels, Matcher } from './types.ts';

/** Alertmanager's four first, in its order. */
const OPERATORS = [
  ...(['=', '!=', '=~', '!~'] as const),
  ...(['>=', '<=', '>', '<'] as const),
  ...(['has', 'not has', 'in', 'not in', 'glob', 'not glob'] as const),
] as const;
export type Operator = (typeof OPERATORS)[number];

/** A condition cannot be made of this value; the message tells why. */
export class ConditionError extends Error {
  override name = 'ConditionError';
}

/** One condition on one label. A missing label is an empty one. */
export class Condition implements Matcher {
  readonly name: string;
  readonly operator: Operator;
  readonly value: string;
  /** Values one of which the label must have, none of them empty; undefined when there is no such list. */
  readonly values: readonly string[] | undefined;
  readonly #test: (value: string) => boolean;

  /** Throws ConditionError or RegexError. */
  constructor(name: string, operator: Operator, value: string) {
    this.name = name;
    this.operator = operator;
    this.value = value;
    const { test, values } = MAKERS[operator](value);
    this.#test = test;
    this.values = values?.every((one) => one !== '') ? values : undefined;
  }

  matches(labels: Labels): boolean {
    const { name, operator } = this;
    const spoken = name === 'tag' && (operator === 'has' || operator === 'not has');
    return this.#test(labels[name] ?? (spoken ? labels['tags'] : undefined) ?? '');
  }

  toString(): string {
    const { name, operator, value } = this;
    // These two begin an operator of ours, too.
    const isQuoted = RESERVED.test(name) || /[<>]/.test(name);
    if (OPERATORS.indexOf(operator) > 3)
      return `${isQuoted ? quote(name) : name} ${operator} ${quote(value)}`;
    return isQuoted
      ? `${quote(name)}${operator}${quote(value)}`
      : `${name}${operator}${quoteValue(value)}`;
  }
}

/** The order in which a key of a route names its conditions. */
export function compareConditions(a: Condition, b: Condition): number {
  return (
    compareBytes(a.name, b.name) ||
    compareBytes(a.value, b.value) ||
    OPERATORS.indexOf(a.operator) - OPERATORS.indexOf(b.operator)
  );
}

interface Made {
  readonly test: (value: string) => boolean;
  readonly values?: readonly string[] | undefined;
}

const equal = (wanted: string): Made => ({ test: (value) => value === wanted, values: [wanted] });
const matching = (pattern: string): Made => {
  const { test, literals } = compileAnchored(pattern);
  return { test, values: literals };
};
const not =
  (make: (value: string) => Made) =>
  (value: string): Made => {
    const { test } = make(value);
    return { test: (given) => !test(given) };
  };

/** Priorities by their severity, anything else as a number. A label that is missing or cannot be compared does not match. */
const comparing =
  (holds: (difference: number) => boolean) =>
  (wanted: string): Made => {
    const rank = rankOf(wanted);
    if (!rank) throw new ConditionError(`'${wanted}' is neither a priority nor a number`);
    return {
      test: (value) => {
        const given = rankOf(value);
        return given?.kind === rank.kind && holds(given.rank - rank.rank);
      },
    };
  };

function rankOf(text: string): { kind: 'priority' | 'number'; rank: number } | undefined {
  const priority = parsePriority(text);
  if (priority) return { kind: 'priority', rank: -severityOf(priority) };
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text))
    return { kind: 'number', rank: Number(text) };
  return undefined;
}

/** An element of a list with commas; `*` and `?` as in a glob. */
function having(pattern: string): Made {
  if (pattern === '') throw new ConditionError('an empty text is in no list');
  const test = compileGlob(pattern);
  return { test: (value) => value.split(',').some((element) => test(element.trim())) };
}

/** An address in one of the networks, which commas divide. */
function within(networks: string): Made {
  const list = new BlockList();
  for (const network of networks.split(',').map((text) => text.trim())) {
    const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(network) ?? [];
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    if (version === 0 || Number(bits ?? 0) > most)
      throw new ConditionError(`'${network}' is no address or network such as 10.0.0.0/8`);
    list.addSubnet(address, Number(bits ?? most), version === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    test: (value) => {
      const version = isIP(value);
      return version !== 0 && list.check(value, version === 4 ? 'ipv4' : 'ipv6');
    },
  };
}

const globbing = (pattern: string): Made => ({ test: compileGlob(pattern) });

const MAKERS: Readonly<Record<Operator, (value: string) => Made>> = {
  '=': equal,
  '!=': not(equal),
  '=~': matching,
  '!~': not(matching),
  '>=': comparing((difference) => difference >= 0),
  '<=': comparing((difference) => difference <= 0),
  '>': comparing((difference) => difference > 0),
  '<': comparing((difference) => difference < 0),
  has: having,
  'not has': not(having),
  in: within,
  'not in': not(within),
  glob: globbing,
  'not glob': not(globbing),
};
