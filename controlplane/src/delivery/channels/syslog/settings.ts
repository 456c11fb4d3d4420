import Type from 'typebox';
import { TLS_SETTINGS } from '../../tls.ts';

/** Facilities of RFC 5424, in the order of their numbers. */
export const FACILITIES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7'.split(
    ' ',
  );

/** Settings of a `syslog` channel. */
export const SyslogSettings = Type.Object(
  {
    host: Type.String({
      title: 'a name or an address, without a port',
      pattern: '^[A-Za-z0-9.:_-]+$',
      maxLength: 255,
      description: 'The receiver: a name or an address.',
    }),
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65535,
        description: 'Of the receiver; 6514 for tls, 601 for tcp, 514 for udp unless given.',
      }),
    ),
    transport: Type.Optional(
      Type.Enum(['tls', 'tcp', 'udp'], {
        default: 'tls',
        description:
          'tls (RFC 5425) or tcp (RFC 6587, octets counted) over a connection that is kept, or udp (RFC 5426), of which nobody knows whether it arrives.',
      }),
    ),
    ...TLS_SETTINGS,
    format: Type.Optional(
      Type.Enum(['rfc5424', 'falco', 'ecs', 'ocsf', 'cef', 'leef'], {
        default: 'rfc5424',
        description:
          'What a message says: rfc5424 is the output with its fields as structured data.',
      }),
    ),
    facility: Type.Optional(
      Type.Enum(FACILITIES, { default: 'local0', description: 'As RFC 5424 names it.' }),
    ),
    app_name: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]{1,48}$',
        default: 'tocsin',
        description: 'APP-NAME.',
      }),
    ),
    max_message_bytes: Type.Optional(
      Type.Integer({
        minimum: 2048,
        maximum: 1024 * 1024,
        description:
          'Longer values are cut until a message fits: 8192 unless given, 2048 for udp. Not more than the receiver takes.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'One RFC 5424 message an alert; the text is its output, or CEF, LEEF, ECS, OCSF or Falco JSON.',
  },
);
export type SyslogSettings = Type.Static<typeof SyslogSettings>;
