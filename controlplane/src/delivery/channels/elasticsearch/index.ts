/** @module Channel kind `elasticsearch`: documents for Elasticsearch or OpenSearch through their bulk API. */
import { FORMATS } from '../../formats/index.ts';
import { below, headerSecret, httpKind } from '../../http/kind.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readBulkAnswer } from './answer.ts';
import { renderBulk } from './render.ts';
import { ElasticsearchSettings } from './settings.ts';

type Resolved = Omit<ElasticsearchSettings, 'api_key' | 'password'> & {
  readonly api_key?: string;
  readonly password?: string;
};

const INDEX = 'logs-tocsin.alerts-default';

export const elasticsearchKind = httpKind<Resolved>({
  kind: 'elasticsearch',
  mode: 'every',
  records: true,
  settings: ElasticsearchSettings,
  destination: ['url', 'allow_private_addresses'],
  prepare: (settings) => {
    const target = below(settings.url, `${settings.index ?? INDEX}/_bulk`);
    if (settings.pipeline !== undefined) target.searchParams.set('pipeline', settings.pipeline);
    const headers = { 'content-type': 'application/x-ndjson', ...authorization(settings) };
    const format = FORMATS[settings.format ?? 'ecs'];
    return (notification) => [
      { url: target.href, headers, body: renderBulk(notification, format) },
    ];
  },
  read: readBulkAnswer,
});

function authorization({ api_key, user, password }: Resolved): Record<string, string> {
  if ((user === undefined) !== (password === undefined))
    throw new ChannelSettingsError('user and password are given together or not at all.');
  if (api_key !== undefined && user !== undefined)
    throw new ChannelSettingsError('api_key and user exclude each other.');
  if (api_key !== undefined) return { authorization: `ApiKey ${headerSecret('api_key', api_key)}` };
  if (user === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}
