/** @module Channel kind `elasticsearch`: documents for Elasticsearch or OpenSearch through their bulk API. */
import type { ChannelKind } from '../../channel.ts';
import { FORMATS } from '../../formats/index.ts';
import { createEgress } from '../../http/egress.ts';
import { post } from '../../http/post.ts';
import { readHttpSettings } from '../../http/settings.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { TLS_FILES } from '../../tls.ts';
import { readBulkAnswer } from './answer.ts';
import { renderBulk } from './render.ts';
import { ElasticsearchSettings } from './settings.ts';

type Resolved = Omit<ElasticsearchSettings, 'api_key' | 'password' | 'key'> & {
  readonly api_key?: string;
  readonly password?: string;
  readonly key?: string;
};

const INDEX = 'logs-tocsin.alerts-default';

export const elasticsearchKind: ChannelKind = {
  kind: 'elasticsearch',
  settings: ElasticsearchSettings,
  origin: 'any',
  fileSettings: TLS_FILES,
  destination: ['url', 'allow_private_addresses', 'ca_file'],
  create(settings) {
    const resolved = settings as Resolved;
    const { egress: options, timeoutMs } = readHttpSettings(resolved);
    const egress = createEgress(options);
    const headers = {
      'user-agent': 'Tocsin',
      'content-type': 'application/x-ndjson',
      ...authorization(resolved),
    };
    const url = bulkUrl(resolved);
    const format = FORMATS[resolved.format ?? 'ecs'];
    return {
      send: (notification, { signal }) => {
        const body = renderBulk(notification, format);
        return post(egress, { url, headers, body, timeoutMs }, signal, readBulkAnswer);
      },
      close: () => egress.destroy(),
    };
  },
};

function bulkUrl({ url, index = INDEX, pipeline }: Resolved): string {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/${index}/_bulk`;
  if (pipeline !== undefined) target.searchParams.set('pipeline', pipeline);
  return target.href;
}

function authorization({ api_key, user, password }: Resolved): Record<string, string> {
  if ((user === undefined) !== (password === undefined))
    throw new ChannelSettingsError('user and password are given together or not at all.');
  if (api_key !== undefined && user !== undefined)
    throw new ChannelSettingsError('api_key and user exclude each other.');
  if (api_key !== undefined)
    return { authorization: `ApiKey ${printableHeader('api_key', api_key)}` };
  if (user === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function printableHeader(setting: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value;
  throw new ChannelSettingsError(`${setting}: holds characters no header may hold.`);
}
