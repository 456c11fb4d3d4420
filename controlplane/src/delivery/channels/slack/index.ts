/** @module Channel kind `slack`: Block Kit messages through the Web API or an incoming webhook. */
import type { ChannelKind, Notification, ResolvedSettings, ShownAlert } from '../../channel.ts';
import { createEgress } from '../../http/egress.ts';
import { checkAddresses, secretUrl } from '../../http/kind.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readTemplate, refuse, type Template, textBy, withProblems } from '../../template.ts';
import { cut } from '../../text.ts';
import { neutral, renderMessage, renderReply, renderText, withoutFormat } from './render.ts';
import { callSlack, type Method, type Poster } from './send.ts';
import { SlackSettings } from './settings.ts';
import { tellInThread } from './thread.ts';
import { incomingWebhook } from './webhook.ts';

/** Slack cuts what is longer than 40,000, and asks for 4,000 where people read it. */
const TEXT_CHARACTERS = 12_000;

/** A base address that says in plain words that it is a relay or a stand-in beside the control plane. */
const SAYS_THIS_MACHINE = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$)/;

export const slackKind: ChannelKind = {
  kind: 'slack',
  settings: SlackSettings,
  origin: 'any',
  parallel: 2,
  remembers: true,
  destination: ['base_url'],
  check(settings) {
    checkAddresses(settings);
    checkAddress(settings);
    readText(settings);
  },
  create(settings) {
    const { poster, channel, template } = readSettings(settings);
    const render = (
      notification: Notification,
      onProblem: (problem: string) => void,
      alerts?: readonly ShownAlert[],
    ) => renderBy(template, notification, onProblem, alerts);
    return {
      async send(notification, { signal, memory }) {
        const problems: string[] = [];
        const tell = async (method: Method, target: object, alerts?: readonly ShownAlert[]) => {
          const envelope = { ...envelopeOf(method, channel, notification), ...target };
          const message = render(notification, (problem) => problems.push(problem), alerts);
          const answered = await poster.call(method, { ...envelope, ...message }, signal);
          const { outcome } = answered;
          if (outcome.result !== 'permanent' || outcome.reason !== 'rendering') return answered;
          // The blocks were refused, so nothing was told: words alone still tell what happened.
          return poster.call(method, { ...envelope, ...inWords(method, notification) }, signal);
        };
        const { group } = notification;
        const outcome =
          memory && channel !== undefined && group
            ? await tellInThread(
                {
                  ...{ setting: channel, memory, tellWhole: tell },
                  tellNews: (target, alerts) => tell('chat.postMessage', target, alerts),
                },
                { ...notification, group },
              )
            : (await tell('chat.postMessage', {})).outcome;
        return withProblems(outcome, problems);
      },
      preview: (notification) => [
        {
          content_type: 'application/json',
          body: JSON.stringify(
            {
              ...envelopeOf('chat.postMessage', channel, notification),
              ...render(notification, refuse),
            },
            null,
            2,
          ),
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
  allow_private_addresses: allowPrivate = token !== '' && SAYS_THIS_MACHINE.test(base_url ?? ''),
}: Resolved): Poster {
  if (url !== undefined) return incomingWebhook(secretUrl('url', url), allowPrivate);
  const baseUrl = base_url && !base_url.endsWith('/') ? `${base_url}/` : base_url;
  const egress = createEgress({ allowPrivate });
  const account = { token, baseUrl, egress };
  return {
    call: (method, message, signal) => callSlack(account, method, message, signal),
    close: () => egress.destroy(),
  };
}

function readText({ template }: { readonly template?: string | undefined }): Template | undefined {
  return template === undefined ? undefined : readTemplate('template', template, { neutral });
}

/** Blocks, or the text of the template, which alone is formatted; of a reply, which tells some of the alerts. */
function renderBy(
  template: Template | undefined,
  notification: Notification,
  onProblem: (problem: string) => void,
  alerts?: readonly ShownAlert[],
) {
  const told = alerts ? { ...notification, alerts } : notification;
  const text = textBy(template, told, () => '', onProblem);
  if (text.trim() === '')
    return alerts ? renderReply(notification, alerts) : renderMessage(notification);
  return { text: cut(text, TEXT_CHARACTERS), mrkdwn: true };
}

/** What has no blocks takes them away from what it replaces, and Slack formats it whatever it is told. */
const inWords = (method: Method, notification: Notification) =>
  method === 'chat.update'
    ? { text: withoutFormat(renderText(notification)), blocks: [], attachments: [] }
    : { text: renderText(notification), metadata: undefined };

/** Slack is told to interpret nothing, and which notification this is. */
const envelopeOf = (method: Method, channel: string | undefined, notification: Notification) => ({
  parse: 'none',
  link_names: false,
  ...(method === 'chat.postMessage' && {
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
  }),
  // An incoming webhook knows its channel, and takes no metadata.
  ...(channel !== undefined && {
    channel,
    metadata: {
      event_type: 'tocsin_notification',
      event_payload: { notification_id: notification.id },
    },
  }),
});
