import { type EventName, syscallsOf } from '../events/event-name.ts';
import type { Interest } from '../probe/probe.ts';
import { STATE_CALLS } from '../state/call-effects.ts';

/** What compiled rules tell of themselves. */
export interface RuleNeeds {
  readonly eventTypes: ReadonlySet<EventName>;
  wantsFailures(type: EventName): boolean;
  usesField(name: string): boolean;
}

/** The least the probe must record for these rules: their own types, and calls that change what they read. */
export function interestOf(rules: RuleNeeds): Interest {
  const state = STATE_CALLS.filter(({ fields }) => fields.some((name) => rules.usesField(name)));
  const types = new Set([...rules.eventTypes, ...state.flatMap(({ calls }) => calls)]);
  const failing = [...rules.eventTypes].filter((type) => rules.wantsFailures(type));
  return {
    syscalls: syscallsOf(types),
    keepFailed: syscallsOf(failing),
    environment: ['proc.env', 'proc.aenv'].some((name) => rules.usesField(name)),
  };
}
