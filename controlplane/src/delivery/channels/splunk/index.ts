/** @module Channel kind `splunk`: events for Splunk's HTTP Event Collector. */
import type { ChannelKind } from '../../channel.ts';
import { FORMATS } from '../../formats/index.ts';
import { createEgress } from '../../http/egress.ts';
import { post } from '../../http/post.ts';
import { readHttpSettings } from '../../http/settings.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { TLS_FILES } from '../../tls.ts';
import { explainRefusal } from './answer.ts';
import { renderEvents } from './render.ts';
import { SplunkSettings } from './settings.ts';

const PATH = '/services/collector/event';

export const splunkKind: ChannelKind = {
  kind: 'splunk',
  settings: SplunkSettings,
  origin: 'any',
  fileSettings: TLS_FILES,
  destination: ['url', 'allow_private_addresses', 'ca_file'],
  create(settings) {
    const resolved = settings as Omit<SplunkSettings, 'token' | 'key'> & {
      readonly token: string;
      readonly key?: string;
    };
    const { token, index, source = 'tocsin', sourcetype = 'tocsin:alert' } = resolved;
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new ChannelSettingsError('token: holds characters no header may hold.');
    const { egress: options, timeoutMs } = readHttpSettings(resolved);
    const egress = createEgress(options);
    const target = new URL(resolved.url);
    target.pathname = `${target.pathname.replace(/\/+$/, '')}${PATH}`;
    const headers = {
      'user-agent': 'Tocsin',
      'content-type': 'application/json',
      authorization: `Splunk ${token}`,
    };
    const format = FORMATS[resolved.format ?? 'falco'];
    return {
      send: async (notification, { signal }) => {
        const body = renderEvents(notification, format, { source, sourcetype, index });
        return explainRefusal(
          await post(egress, { url: target.href, headers, body, timeoutMs }, signal),
        );
      },
      close: () => egress.destroy(),
    };
  },
};
