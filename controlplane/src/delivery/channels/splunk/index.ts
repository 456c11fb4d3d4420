/** @module Channel kind `splunk`: events for Splunk's HTTP Event Collector. */
import { FORMATS } from '../../formats/index.ts';
import { below, headerSecret, httpKind } from '../../http/kind.ts';
import { explainRefusal } from './answer.ts';
import { renderEvents } from './render.ts';
import { SplunkSettings } from './settings.ts';

type Resolved = Omit<SplunkSettings, 'token'> & { readonly token: string };

export const splunkKind = httpKind<Resolved>({
  kind: 'splunk',
  mode: 'every',
  records: true,
  settings: SplunkSettings,
  destination: ['url', 'allow_private_addresses'],
  prepare: (settings) => {
    const { token, index, source = 'tocsin', sourcetype = 'tocsin:alert' } = settings;
    const url = below(settings.url, 'services/collector/event').href;
    const headers = { authorization: `Splunk ${headerSecret('token', token)}` };
    const format = FORMATS[settings.format ?? 'falco'];
    const labels = { source, sourcetype, index };
    return (notification) => [{ url, headers, body: renderEvents(notification, format, labels) }];
  },
  explain: explainRefusal,
});
