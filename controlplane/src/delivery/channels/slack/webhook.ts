/** An incoming webhook: the same message, to an address that is a secret, answered in one word. */
import type { Outcome } from '../../channel.ts';
import { createEgress } from '../../http/egress.ts';
import { USUAL_HEADERS } from '../../http/kind.ts';
import { post } from '../../http/post.ts';
import { permanent } from '../../outcome.ts';
import type { Poster } from './send.ts';

const TIMEOUT_MS = 10_000;
/** Answers that mean another address or permission is needed, and those that mean another message is. */
const CONFIGURATION =
  /^HTTP \d+: (no_service|no_team|team_disabled|channel_not_found|channel_is_archived|action_prohibited|posting_to_general_channel_denied|invalid_token|no_active_hooks)/;
const RENDERING =
  /^HTTP \d+: (invalid_payload|invalid_blocks|invalid_attachments|no_text|too_many_attachments|msg_too_long)/;

export function incomingWebhook(url: string, allowPrivate: boolean): Poster {
  const egress = createEgress({ allowPrivate });
  return {
    async call(_method, message, signal) {
      const body = JSON.stringify(message);
      const request = { url, headers: USUAL_HEADERS, body, timeoutMs: TIMEOUT_MS };
      return { outcome: explain(await post(egress, request, signal)) };
    },
    close: () => egress.destroy(),
  };
}

function explain(outcome: Outcome): Outcome {
  if (outcome.result !== 'permanent') return outcome;
  const { detail } = outcome;
  if (CONFIGURATION.test(detail)) return permanent('configuration', detail);
  return RENDERING.test(detail) ? permanent('rendering', detail) : outcome;
}
