/** Routing as the text of a configuration file, in the shape that Alertmanager's tools read. */

import type { RoutingDocument } from '@tocsin/openapi';
import { stringify } from 'yaml';

/** YAML without settings of channels. */
export function routingText(
  { global, route, inhibit_rules, time_intervals }: RoutingDocument,
  channels: readonly { readonly name: string }[],
): string {
  return stringify({
    global: { resolve_timeout: global.resolve_timeout },
    ...(route !== undefined && { route }),
    receivers: channels.map(({ name }) => ({ name })),
    ...(inhibit_rules.length > 0 && {
      inhibit_rules: inhibit_rules.map(({ equal_missing: _, ...rule }) => rule),
    }),
    ...(time_intervals.length > 0 && { time_intervals }),
  });
}
