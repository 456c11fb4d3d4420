/** @module Channel kind `syslog`: RFC 5424 messages over TLS, TCP or UDP. */
import type { ChannelKind } from '../../channel.ts';
import { FORMATS } from '../../formats/index.ts';
import { readTls, TLS_FILES } from '../../tls.ts';
import { renderMessages } from './render.ts';
import { DatagramTransport, StreamTransport } from './send.ts';
import { FACILITIES, SyslogSettings } from './settings.ts';

const PORTS = { tls: 6514, tcp: 601, udp: 514 };
const MAX_BYTES = { tls: 8192, tcp: 8192, udp: 2048 };

export const syslogKind: ChannelKind = {
  kind: 'syslog',
  settings: SyslogSettings,
  origin: 'any',
  mode: 'every',
  records: true,
  parallel: 1,
  fileSettings: TLS_FILES,
  destination: ['host', 'port', 'transport'],
  create(settings) {
    const resolved = settings as Omit<SyslogSettings, 'key'> & { readonly key?: string };
    const { host, transport: way = 'tls', facility = 'local0', format = 'rfc5424' } = resolved;
    const receiver = { host, port: resolved.port ?? PORTS[way] };
    const transport =
      way === 'udp'
        ? new DatagramTransport(receiver)
        : new StreamTransport(receiver, way === 'tls' ? readTls(resolved) : undefined);
    const rendering = {
      facility: FACILITIES.indexOf(facility),
      appName: resolved.app_name ?? 'tocsin',
      format: format === 'rfc5424' ? undefined : FORMATS[format],
      maxBytes: resolved.max_message_bytes ?? MAX_BYTES[way],
    };
    return {
      send: (notification, { signal }) =>
        transport.write(renderMessages(notification, rendering), signal),
      preview: (notification) =>
        renderMessages(notification, rendering).map((message) => ({
          content_type: 'text/plain',
          body: message.toString(),
        })),
      close() {
        transport.close();
        return Promise.resolve();
      },
    };
  },
};
