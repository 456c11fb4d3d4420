/** @module Channel kind `slack`: Block Kit messages through the Web API. */
import type { ChannelKind, Notification, ResolvedSettings } from '../../channel.ts';
import { renderMessage, renderText } from './render.ts';
import { postMessage } from './send.ts';
import { SlackSettings } from './settings.ts';

export const slackKind: ChannelKind = {
  kind: 'slack',
  settings: SlackSettings,
  origin: 'any',
  parallel: 2,
  destination: ['base_url'],
  create(settings) {
    const { account, channel } = readSettings(settings);
    return {
      async send(notification, { signal }) {
        const envelope = envelopeOf(channel, notification);
        const blocks = { ...envelope, ...renderMessage(notification) };
        const outcome = await postMessage(account, blocks, signal);
        if (outcome.result !== 'permanent' || outcome.reason !== 'rendering') return outcome;
        // The blocks were refused, so nothing was posted: words alone still tell what happened.
        return postMessage(account, { ...envelope, text: renderText(notification) }, signal);
      },
      close: () => Promise.resolve(),
    };
  },
};

function readSettings(settings: ResolvedSettings) {
  const { token, channel, base_url } = settings as Omit<SlackSettings, 'token'> & { token: string };
  const baseUrl = base_url && !base_url.endsWith('/') ? `${base_url}/` : base_url;
  return { account: { token, baseUrl }, channel };
}

/** Slack is told to interpret nothing, and which notification this is. */
const envelopeOf = (channel: string, notification: Notification) => ({
  channel,
  mrkdwn: false,
  parse: 'none',
  link_names: false,
  unfurl_links: false,
  unfurl_media: false,
  metadata: {
    event_type: 'tocsin_notification',
    event_payload: { notification_id: notification.id },
  },
});
