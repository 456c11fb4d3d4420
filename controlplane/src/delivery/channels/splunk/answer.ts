/** What the collector answers when it did not take the events: `{"text": …, "code": …}`. */
import type { Outcome } from '../../channel.ts';
import { permanent } from '../../outcome.ts';

/** Codes of the collector that say what has to be mended: the token, or the index it may not write to. */
const TOKEN = new Set([1, 2, 3, 4]);
const INDEX = 7;

/** A refusal made precise; others stay as they are. */
export function explainRefusal(outcome: Outcome): Outcome {
  if (outcome.result !== 'permanent') return outcome;
  const code = Number(/"code"\s*:\s*(\d+)/.exec(outcome.detail)?.[1]);
  if (TOKEN.has(code)) return permanent('auth', outcome.detail);
  return code === INDEX ? permanent('configuration', outcome.detail) : outcome;
}
