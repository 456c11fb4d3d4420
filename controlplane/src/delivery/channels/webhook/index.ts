/** @module Channel kind `webhook`: a POST signed as Standard Webhooks defines it, to addresses that were checked. */
import { httpKind } from '../../http/kind.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readBody } from './render.ts';
import { WebhookSettings } from './settings.ts';
import { readSigner, signatureHeaders } from './signature.ts';

type Resolved = Omit<WebhookSettings, 'secret' | 'previous_secret' | 'headers'> & {
  readonly secret: string;
  readonly previous_secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** What the request itself decides. */
const RESERVED =
  /^(webhook-.*|host|content-length|content-type|transfer-encoding|connection|keep-alive|upgrade|expect|te|trailer)$/i;

export const webhookKind = httpKind<Resolved>({
  kind: 'webhook',
  parallel: 16,
  settings: WebhookSettings,
  destination: ['url', 'allow_private_addresses'],
  check: readBody,
  prepare: ({ url, secret, previous_secret: previous, headers, ...form }) => {
    const render = readBody(form);
    const signers = [readSigner('secret', secret)];
    if (previous !== undefined) signers.push(readSigner('previous_secret', previous));
    const extra = readHeaders(headers ?? {});
    return (notification) =>
      render(notification).map(({ id, contentType, text }) => ({
        url,
        body: text,
        headers: {
          ...extra,
          'content-type': contentType,
          ...signatureHeaders(id, Date.now(), text, signers),
        },
      }));
  },
});

function readHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]): [string, string] => {
    if (RESERVED.test(name)) throw new ChannelSettingsError(`headers: ${name} cannot be set.`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw new ChannelSettingsError(`headers: ${name} holds characters no header may hold.`);
    return [name.toLowerCase(), value];
  });
  return Object.fromEntries(entries);
}
