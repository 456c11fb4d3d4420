/** @module Channel kind `kafka`: messages for a topic of Apache Kafka. */
import { isIP } from 'node:net';
import type { ChannelKind } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readTls, TLS_FILES } from '../../tls.ts';
import { renderRecords } from './render.ts';
import { type Broker, KafkaWriter, type Mechanism } from './send.ts';
import { KafkaSettings } from './settings.ts';

type Resolved = Omit<KafkaSettings, 'key' | 'sasl'> & {
  readonly key?: string;
  readonly sasl?: {
    readonly mechanism: Mechanism;
    readonly user: string;
    readonly password: string;
  };
};

const PORT = 9092;

export const kafkaKind: ChannelKind = {
  kind: 'kafka',
  settings: KafkaSettings,
  origin: 'any',
  mode: 'every',
  records: true,
  parallel: 1,
  fileSettings: TLS_FILES,
  destination: ['brokers', 'tls'],
  check: (settings) => {
    (settings as Resolved).brokers.map(readBroker);
  },
  create(settings) {
    const { format = 'falco', ...resolved } = settings as Resolved;
    const { topic, tls = true, sasl, acks = 'all', compression = 'none' } = resolved;
    const brokers = resolved.brokers.map(readBroker);
    const writer = new KafkaWriter({
      brokers,
      topic,
      tls: tls ? { minVersion: 'TLSv1.2', ...readTls(resolved) } : undefined,
      named: brokers.every(({ host }) => isIP(host) === 0),
      sasl: sasl && {
        mechanism: sasl.mechanism,
        username: sasl.user,
        password: sasl.password,
      },
      acks,
      compression,
    });
    return {
      send: (notification, { signal }) => writer.write(renderRecords(notification, format), signal),
      preview: (notification) =>
        renderRecords(notification, format).map(({ headers, value }) => ({
          content_type: [...headers.values()][0]?.toString() ?? '',
          body: value.toString(),
        })),
      close() {
        writer.close();
        return Promise.resolve();
      },
    };
  },
};

/** Throws ChannelSettingsError. */
function readBroker(text: string): Broker {
  const [, host = '', digits] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(text) ?? [];
  const port = digits === undefined ? PORT : Number(digits);
  if (port < 1 || port > 65_535)
    throw new ChannelSettingsError(`brokers: ${text} has no port that there is.`);
  return { host, port };
}
