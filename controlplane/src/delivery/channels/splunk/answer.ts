/** What the collector answers when it did not take the events: `{"text": …, "code": …}`. */
import type { Outcome } from '../../channel.ts';
import { permanent } from '../../outcome.ts';

/** Codes of the collector that say what has to be mended: the token, or the index it may not write to. */
const TOKEN = new Set([1, 2, 3, 4]);
const INDEX = 7;

/** A refusal made precise, whatever the status that a balancer before the collector made of it; others stay as they are. */
export function explainRefusal(outcome: Outcome): Outcome {
  const { result, detail } = outcome;
  const code = Number(/"code"\s*:\s*(\d+)/.exec(detail)?.[1]);
  const isRefused = result === 'ok' ? code > 0 : result === 'permanent';
  if (!isRefused) return outcome;
  if (TOKEN.has(code)) return permanent('auth', detail);
  if (code === INDEX) return permanent('configuration', detail);
  return result === 'ok' ? permanent('client_error', detail) : outcome;
}
