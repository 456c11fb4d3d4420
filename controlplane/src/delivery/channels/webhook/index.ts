/** @module Channel kind `webhook`: a POST signed as Standard Webhooks defines it, to addresses that were checked. */
import { parseDuration } from '@tocsin/openapi';
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { createEgress } from './egress.ts';
import { renderBody } from './render.ts';
import { post } from './send.ts';
import { WebhookSettings } from './settings.ts';
import { readSigningKey, signatureHeaders } from './signature.ts';

const DEFAULT_TIMEOUT = '15s';
/** What the request itself decides. */
const RESERVED =
  /^(webhook-.*|host|content-length|content-type|transfer-encoding|connection|keep-alive|upgrade|expect|te|trailer)$/i;

export const webhookKind: ChannelKind = {
  kind: 'webhook',
  settings: WebhookSettings,
  origin: 'any',
  destination: ['url', 'allow_private_addresses'],
  create(settings) {
    const { url, secret, extra, allowPrivate, timeoutMs } = readSettings(settings);
    const key = readSigningKey(secret);
    const egress = createEgress({ allowPrivate });
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
  const resolved = settings as Omit<WebhookSettings, 'secret' | 'headers'> & {
    secret: string;
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
    allowPrivate: resolved.allow_private_addresses ?? false,
    timeoutMs: parseDuration(resolved.timeout ?? DEFAULT_TIMEOUT) ?? 0,
  };
}
