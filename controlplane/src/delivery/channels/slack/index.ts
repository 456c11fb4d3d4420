/** @module Channel kind `slack`: Block Kit messages through the Web API or an incoming webhook. */
import type { ChannelKind, Notification, ResolvedSettings } from '../../channel.ts';
import { secretUrl } from '../../http/kind.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readTemplate, refuse, type Template, textBy, withProblems } from '../../template.ts';
import { cut } from '../../text.ts';
import { neutral, renderMessage, renderText } from './render.ts';
import { type Poster, postMessage } from './send.ts';
import { SlackSettings } from './settings.ts';
import { incomingWebhook } from './webhook.ts';

/** Slack cuts what is longer than 40,000, and asks for 4,000 where people read it. */
const TEXT_CHARACTERS = 12_000;

export const slackKind: ChannelKind = {
  kind: 'slack',
  settings: SlackSettings,
  origin: 'any',
  parallel: 2,
  destination: ['base_url'],
  check(settings) {
    checkAddress(settings);
    readText(settings);
  },
  create(settings) {
    const { poster, channel, template } = readSettings(settings);
    const render = (notification: Notification, onProblem: (problem: string) => void) => ({
      ...envelopeOf(channel, notification),
      ...renderBy(template, notification, onProblem),
    });
    return {
      async send(notification, { signal }) {
        const problems: string[] = [];
        const message = render(notification, (problem) => problems.push(problem));
        const outcome = withProblems(await poster.post(message, signal), problems);
        if (outcome.result !== 'permanent' || outcome.reason !== 'rendering') return outcome;
        // The blocks were refused, so nothing was posted: words alone still tell what happened.
        const envelope = envelopeOf(channel, notification);
        return poster.post({ ...envelope, text: renderText(notification) }, signal);
      },
      preview: (notification) => [
        {
          content_type: 'application/json',
          body: JSON.stringify(render(notification, refuse), null, 2),
        },
      ],
      close: () => poster.close(),
    };
  },
};

type Resolved = Omit<SlackSettings, 'token' | 'url'> & {
  readonly token?: string;
  readonly url?: string;
};

function readSettings(settings: ResolvedSettings) {
  const { channel, template, ...rest } = settings as Resolved;
  checkAddress(settings);
  return { poster: posterOf(rest), channel, template: readText({ template }) };
}

function checkAddress({ token, channel, url }: Readonly<Record<string, unknown>>): void {
  if (url !== undefined && (token !== undefined || channel !== undefined))
    throw new ChannelSettingsError('url: stands alone; it already says where to.');
  if (url === undefined && (token === undefined || channel === undefined))
    throw new ChannelSettingsError('token and channel are given together, or url alone.');
}

function posterOf({
  token = '',
  url,
  base_url,
  allow_private_addresses: allowPrivate = false,
}: Resolved): Poster {
  if (url !== undefined) return incomingWebhook(secretUrl('url', url), allowPrivate);
  const baseUrl = base_url && !base_url.endsWith('/') ? `${base_url}/` : base_url;
  return {
    post: (message, signal) => postMessage({ token, baseUrl }, message, signal),
    close: () => Promise.resolve(),
  };
}

function readText({ template }: { readonly template?: string | undefined }): Template | undefined {
  return template === undefined ? undefined : readTemplate('template', template, { neutral });
}

/** Blocks, or the text of the template, which alone is formatted. */
function renderBy(
  template: Template | undefined,
  notification: Notification,
  onProblem: (problem: string) => void,
) {
  const text = textBy(template, notification, () => '', onProblem);
  return text.trim() === ''
    ? renderMessage(notification)
    : { text: cut(text, TEXT_CHARACTERS), mrkdwn: true };
}

/** Slack is told to interpret nothing, and which notification this is. */
const envelopeOf = (channel: string | undefined, notification: Notification) => ({
  mrkdwn: false,
  parse: 'none',
  link_names: false,
  unfurl_links: false,
  unfurl_media: false,
  // An incoming webhook knows its channel, and takes no metadata.
  ...(channel !== undefined && {
    channel,
    metadata: {
      event_type: 'tocsin_notification',
      event_payload: { notification_id: notification.id },
    },
  }),
});
