/** Routing as the text of a configuration file, in the shape that Alertmanager's tools read. */
import { stringify } from 'yaml';
import type { RoutingConfig } from './compile.ts';

/** YAML without settings of channels. */
export function routingText(
  { global, route, inhibit_rules, time_intervals, mute_time_intervals }: RoutingConfig,
  channels: readonly { readonly name: string }[],
): string {
  const intervals = [...time_intervals, ...mute_time_intervals];
  return stringify({
    global: { resolve_timeout: global.resolve_timeout },
    ...(route !== undefined && { route }),
    receivers: channels.map(({ name }) => ({ name })),
    ...(inhibit_rules.length > 0 && {
      inhibit_rules: inhibit_rules.map(({ equal_missing: _, ...rule }) => rule),
    }),
    ...(intervals.length > 0 && { time_intervals: intervals }),
  });
}
