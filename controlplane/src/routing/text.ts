/**
 * Routing as the text of a configuration file of Alertmanager, so that its tools can show and try it. What is only ours is said with
 * regular expressions where that is the same, else by a matcher of the label `tocsin`, which no alert has, and times of our own are
 * left out. Names have the letters that Alertmanager gives them: `proc.name` is `proc_name`.
 */
import {
  type Channel,
  type InhibitRuleConfig,
  PRIORITIES,
  type RouteConfig,
  type RoutingDocument,
} from '@tocsin/openapi';
import { stringify } from 'yaml';
import type { Condition } from './conditions.ts';
import { build } from './matcher.ts';
import { quoteValue } from './quote.ts';
import { matchersOf } from './tree.ts';

type Receiver = Pick<Channel, 'name' | 'minimum_priority'>;

/** YAML without settings of channels. */
export function routingText(
  { global, route, inhibit_rules, time_intervals }: RoutingDocument,
  channels: readonly Receiver[],
): string {
  const receivers = channels.map(({ name }) => ({ name }));
  return stringify(
    {
      global: { resolve_timeout: global.resolve_timeout },
      route: route === undefined ? flatRoute(channels) : routeOf(route as RouteConfig),
      receivers: route === undefined ? [...receivers, { name: NOBODY }] : receivers,
      ...(inhibit_rules.length > 0 && { inhibit_rules: inhibit_rules.map(ruleOf) }),
      ...(time_intervals.length > 0 && { time_intervals }),
    },
    // Times such as 22:00 are numbers to older readers.
    { version: '1.1' },
  );
}

const NOBODY = '(nobody)';

/** Without a route every channel is told what is important enough for it. */
function flatRoute(channels: readonly Receiver[]): object {
  const routes = channels.map(({ name, minimum_priority }) => ({
    receiver: name,
    continue: true,
    ...(minimum_priority !== 'debug' && {
      matchers: [matcherOf(build('priority', '>=', minimum_priority))],
    }),
  }));
  return { receiver: NOBODY, ...(routes.length > 0 && { routes }) };
}

/** The keys that Alertmanager has too. */
const KEPT = [
  ...(['receiver', 'continue', 'group_wait', 'group_interval', 'repeat_interval'] as const),
  ...(['mute_time_intervals', 'active_time_intervals'] as const),
];

function routeOf(route: RouteConfig): object {
  const { group_by, match, match_re, matchers, routes } = route;
  const own = matchersOf(
    Object.fromEntries(Object.entries({ match, match_re, matchers }).filter(([, given]) => given)),
  );
  return {
    ...Object.fromEntries(
      KEPT.flatMap((key) => (route[key] == null ? [] : [[key, route[key]] as const])),
    ),
    ...(group_by && { group_by: namesOf(group_by) }),
    ...(own.length > 0 && { matchers: own.map(matcherOf) }),
    ...(routes && { routes: routes.map(routeOf) }),
  };
}

function ruleOf(rule: InhibitRuleConfig): object {
  const side = (name: 'source' | 'target') =>
    matchersOf({
      match: rule[`${name}_match`],
      match_re: rule[`${name}_match_re`],
      matchers: rule[`${name}_matchers`],
    }).map(matcherOf);
  return {
    source_matchers: side('source'),
    target_matchers: side('target'),
    ...(rule.equal && { equal: namesOf(rule.equal) }),
  };
}

const nameOf = (name: string) => name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_');
const namesOf = (names: readonly string[]) => [
  ...new Set(names.map((name) => (name === '...' ? name : nameOf(name)))),
];

/** What priorities are called. */
const NAMES = [...PRIORITIES, 'info'];

/** One matcher in the classic notation. */
function matcherOf(condition: Condition): string {
  const { name, operator, value } = condition;
  const text = (operator: string, value: string, of = nameOf(name)) =>
    `${of}${operator}${quoteValue(value)}`;
  const matching = operator.startsWith('not') ? '!~' : '=~';
  switch (operator) {
    case '=':
    case '!=':
    case '=~':
    case '!~':
      return text(operator, value);
    case 'has':
    case 'not has': {
      const list = `(?s)(?:.*,)?\\s*${globOf(value, '[^,]')}\\s*(?:,.*)?`;
      return text(matching, list, name === 'tag' ? 'tags' : nameOf(name));
    }
    case 'glob':
    case 'not glob':
      return text(matching, `(?s)${globOf(value, '.')}`);
    case 'in':
    case 'not in':
      break;
    default: {
      const fitting = NAMES.filter((priority) => condition.matches({ [name]: priority }));
      if (fitting.length > 0) return text('=~', `(?i)${fitting.join('|')}`);
    }
  }
  return text('=', String(condition), 'tocsin');
}

/** A glob as a regular expression; `any` is one character. */
const globOf = (glob: string, any: string) =>
  glob.replace(/[\\^$.+()[\]{}|*?]/g, (rune) => {
    if (rune === '*') return `${any}*`;
    return rune === '?' ? any : `\\${rune}`;
  });
