/** @module Channel kind `slack`: Block Kit messages through the Web API. */
import type { ChannelKind, Notification, ResolvedSettings } from '../../channel.ts';
import { readTemplate, refuse, type Template, textBy, withProblems } from '../../template.ts';
import { cut } from '../../text.ts';
import { neutral, renderMessage, renderText } from './render.ts';
import { postMessage } from './send.ts';
import { SlackSettings } from './settings.ts';

/** Slack cuts what is longer than 40,000, and asks for 4,000 where people read it. */
const TEXT_CHARACTERS = 12_000;

export const slackKind: ChannelKind = {
  kind: 'slack',
  settings: SlackSettings,
  origin: 'any',
  parallel: 2,
  destination: ['base_url'],
  check: readText,
  create(settings) {
    const { account, channel, template } = readSettings(settings);
    const render = (notification: Notification, onProblem: (problem: string) => void) => ({
      ...envelopeOf(channel, notification),
      ...renderBy(template, notification, onProblem),
    });
    return {
      async send(notification, { signal }) {
        const problems: string[] = [];
        const message = render(notification, (problem) => problems.push(problem));
        const outcome = withProblems(await postMessage(account, message, signal), problems);
        if (outcome.result !== 'permanent' || outcome.reason !== 'rendering') return outcome;
        // The blocks were refused, so nothing was posted: words alone still tell what happened.
        const envelope = envelopeOf(channel, notification);
        return postMessage(account, { ...envelope, text: renderText(notification) }, signal);
      },
      preview: (notification) => [
        {
          content_type: 'application/json',
          body: JSON.stringify(render(notification, refuse), null, 2),
        },
      ],
      close: () => Promise.resolve(),
    };
  },
};

function readSettings(settings: ResolvedSettings) {
  const { token, channel, base_url, template } = settings as Omit<SlackSettings, 'token'> & {
    token: string;
  };
  const baseUrl = base_url && !base_url.endsWith('/') ? `${base_url}/` : base_url;
  return {
    account: { token, baseUrl },
    channel,
    template: readText({ template }),
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
