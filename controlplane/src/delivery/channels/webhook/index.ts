/** @module Channel kind `webhook`: a POST signed as Standard Webhooks defines it, to addresses that were checked. */
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { createEgress } from '../../http/egress.ts';
import { post } from '../../http/post.ts';
import { readHttpSettings } from '../../http/settings.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { TLS_FILES } from '../../tls.ts';
import { renderBody } from './render.ts';
import { WebhookSettings } from './settings.ts';
import { readSigningKey, signatureHeaders } from './signature.ts';

/** What the request itself decides. */
const RESERVED =
  /^(webhook-.*|host|content-length|content-type|transfer-encoding|connection|keep-alive|upgrade|expect|te|trailer)$/i;

export const webhookKind: ChannelKind = {
  kind: 'webhook',
  settings: WebhookSettings,
  origin: 'any',
  fileSettings: TLS_FILES,
  destination: ['url', 'allow_private_addresses'],
  create(settings) {
    const { url, secret, extra, timeoutMs, egress: options } = readSettings(settings);
    const key = readSigningKey(secret);
    const egress = createEgress(options);
    return {
      send: (notification, { signal }) => {
        const body = renderBody(notification);
        const headers = {
          'user-agent': 'Tocsin',
          ...extra,
          'content-type': 'application/json',
          ...signatureHeaders(notification.id, Date.now(), body, key),
        };
        return post(egress, { url, headers, body, timeoutMs }, signal);
      },
      close: () => egress.destroy(),
    };
  },
};

function readSettings(settings: ResolvedSettings) {
  const resolved = settings as Omit<WebhookSettings, 'secret' | 'headers' | 'key'> & {
    secret: string;
    key?: string;
    headers?: Record<string, string>;
  };
  const extra = Object.entries(resolved.headers ?? {}).map(([name, value]): [string, string] => {
    if (RESERVED.test(name)) throw new ChannelSettingsError(`headers: ${name} cannot be set.`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw new ChannelSettingsError(`headers: ${name} holds characters no header may hold.`);
    return [name.toLowerCase(), value];
  });
  return {
    url: resolved.url,
    secret: resolved.secret,
    extra: Object.fromEntries(extra),
    ...readHttpSettings(resolved),
  };
}
