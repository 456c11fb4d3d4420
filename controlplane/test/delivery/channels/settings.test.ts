import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Channel, explainErrors } from '@tocsin/openapi';
import { CHANNEL_KINDS, findChannelKind } from '../../../src/delivery/channels/index.ts';

const secret = { value: 'x' };
const email = { host: 'mail', from: 'a@b.org', to: ['c@d.org'] };
const webhook = { url: 'https://example.org/hook', secret };
const slack = { token: secret, channel: '#x' };
const program = { argv: ['/bin/true'] };

const GOOD: [string, object[]][] = [
  ['none', [{}]],
  ['log', [{}, { path: '/var/log/tocsin.jsonl' }, { format: 'ocsf', rotate: { max_bytes: 4096 } }]],
  ['teams', [{ url: secret }]],
  ['discord', [{ url: secret, timeout: '5s' }]],
  ['mattermost', [{ url: secret, channel: 'security' }]],
  [
    'telegram',
    [
      { token: secret, chat_id: '-100123' },
      { token: secret, chat_id: '@security' },
    ],
  ],
  [
    'ntfy',
    [{ topic: 'alerts' }, { topic: 'alerts', token: secret, base_url: 'https://ntfy.example.org' }],
  ],
  [
    'pagerduty',
    [{ routing_key: secret }, { routing_key: secret, base_url: 'https://events.eu.pagerduty.com' }],
  ],
  ['opsgenie', [{ api_key: secret }, { api_key: secret, base_url: 'https://api.eu.opsgenie.com' }]],
  [
    'elasticsearch',
    [
      { url: 'https://es.example.org' },
      {
        url: 'https://es.example.org/prefix',
        index: 'alerts',
        pipeline: 'geo',
        api_key: secret,
        format: 'ocsf',
        ca_file: '/etc/ca.pem',
        timeout: '5s',
      },
      { url: 'https://es.example.org', user: 'u', password: secret },
    ],
  ],
  [
    'splunk',
    [
      { url: 'https://splunk.example.org:8088', token: secret },
      {
        url: 'https://splunk.example.org',
        token: secret,
        index: 'i',
        source: 's',
        sourcetype: 't',
        format: 'cef',
      },
    ],
  ],
  [
    'kafka',
    [
      { brokers: ['k1'], topic: 'alerts' },
      {
        brokers: ['k1.example.org:9093', '10.0.0.1', '[::1]:9092'],
        topic: 'team.alerts_1',
        tls: true,
        ca_file: '/etc/ca.pem',
        cert_file: '/etc/cert.pem',
        key: secret,
        sasl: { mechanism: 'SCRAM-SHA-256', user: 'u', password: secret },
        acks: 'leader',
        compression: 'lz4',
        format: 'cloudevents',
      },
    ],
  ],
  [
    'syslog',
    [
      { host: 'siem' },
      {
        host: '10.0.0.1',
        port: 6514,
        transport: 'tls',
        ca_file: '/etc/ca.pem',
        cert_file: '/etc/cert.pem',
        key: secret,
        format: 'cef',
        facility: 'local7',
        app_name: 'bell',
        max_message_bytes: 65536,
      },
    ],
  ],
  [
    'webhook',
    [
      webhook,
      {
        ...webhook,
        allow_private_addresses: true,
        headers: { 'X-A': 'b', 'X-S': secret },
        timeout: '5s',
      },
    ],
  ],
  ['slack', [slack, { ...slack, base_url: 'http://127.0.0.1:8080/api/' }]],
  [
    'email',
    [
      email,
      {
        ...email,
        port: 465,
        tls: 'none',
        user: 'u',
        password: { env: 'P' },
        ca_file: '/etc/ca.pem',
      },
    ],
  ],
  [
    'program',
    [
      program,
      { ...program, environment: { A: 'b', S: secret }, working_directory: '/tmp', timeout: '30s' },
    ],
  ],
];

const BAD: [string, object[]][] = [
  ['teams', [{}, { url: 'https://plain.example.org' }]],
  ['discord', [{ url: {} }]],
  ['mattermost', [{ url: secret, channel: 'a b' }]],
  ['telegram', [{ token: secret }, { token: secret, chat_id: 'me' }]],
  ['ntfy', [{ topic: '../x' }]],
  ['pagerduty', [{ routing_key: 'plain' }]],
  ['opsgenie', [{ api_key: secret, base_url: 'opsgenie' }]],
  ['log', [{ path: 'relative' }, { path: '/a\0b' }, { format: 'xml' }, { rotate: {} }]],
  [
    'elasticsearch',
    [
      {},
      { url: 'https://u:p@es' },
      { url: 'https://es', index: '../_all' },
      { url: 'https://es', index: '_all' },
      { url: 'https://es', format: 'cef' },
    ],
  ],
  [
    'splunk',
    [{}, { url: 'https://splunk' }, { token: secret }, { url: 'ldap://splunk', token: secret }],
  ],
  [
    'kafka',
    [
      { topic: 'alerts' },
      { brokers: [], topic: 'alerts' },
      { brokers: ['k1'] },
      { brokers: ['k1 k2'], topic: 'alerts' },
      { brokers: ['kafka://k1:9092'], topic: 'alerts' },
      { brokers: ['u:p@k1'], topic: 'alerts' },
      { brokers: ['k1:port'], topic: 'alerts' },
      { brokers: ['k1'], topic: '../alerts' },
      { brokers: ['k1'], topic: 'alerts', sasl: { mechanism: 'PLAIN' } },
      { brokers: ['k1'], topic: 'alerts', sasl: { mechanism: 'PLAIN', user: 'u', password: 'p' } },
      {
        brokers: ['k1'],
        topic: 'alerts',
        sasl: { mechanism: 'GSSAPI', user: 'u', password: secret },
      },
      { brokers: ['k1'], topic: 'alerts', acks: 'none' },
    ],
  ],
  [
    'syslog',
    [
      {},
      { host: 'a b' },
      { host: 'siem', transport: 'sctp' },
      { host: 'siem', facility: 'local8' },
      { host: 'siem', app_name: 'a b' },
      { host: 'siem', max_message_bytes: 100 },
    ],
  ],
  [
    'webhook',
    [
      { secret },
      { url: webhook.url },
      { ...webhook, url: 'ftp://example.org' },
      { ...webhook, url: 'https://user:password@example.org/' },
      { ...webhook, url: 'https://user@example.org' },
      { ...webhook, url: 'https:\\\\example.org' },
      { ...webhook, secret: 'bare' },
      { ...webhook, headers: { 'X A': 'b' } },
      { ...webhook, timeout: '1h' },
    ],
  ],
  [
    'slack',
    [
      { ...slack, token: 'xoxb' },
      { ...slack, channel: 'two words' },
      { ...slack, channel: '<!channel>' },
    ],
  ],
  [
    'email',
    [
      { ...email, to: [] },
      { ...email, to: ['a@b.org, c@d.org'] },
      { ...email, to: ['a@b.org\r\nBcc: x@y'] },
      { ...email, from: 'Tocsin <a@b.org>' },
      { ...email, tls: 'maybe' },
      { ...email, host: 'mail\r\n' },
    ],
  ],
  [
    'program',
    [
      {},
      { argv: [] },
      { argv: '/bin/true' },
      { argv: ['a\0b'] },
      { ...program, environment: { 'A=B': 'c' } },
    ],
  ],
];

const errorsOf = (name: string, settings: object) => {
  const kind = findChannelKind(name);
  assert.ok(kind, name);
  return explainErrors(kind.settings, settings);
};

describe('settings of channels', () => {
  it('take what fits', () => {
    for (const [name, all] of GOOD)
      for (const settings of all)
        assert.deepEqual(errorsOf(name, settings), [], JSON.stringify(settings));
  });

  it('refuse what does not, and unknown keys', () => {
    for (const [name, all] of BAD)
      for (const settings of all)
        assert.notDeepEqual(errorsOf(name, settings), [], `${name} ${JSON.stringify(settings)}`);
    for (const [name, [good]] of GOOD)
      assert.notDeepEqual(errorsOf(name, { ...good, surprise: 1 }), [], name);
  });

  it('that are addresses can be read as such', () => {
    for (const setting of ['url', 'base_url', 'proxy'])
      for (const { kind, settings, check } of CHANNEL_KINDS)
        if ((settings.properties[setting] as { type?: string } | undefined)?.type === 'string')
          assert.throws(
            () => check?.({ [setting]: 'http://256.1.1.1/' }),
            new RegExp(`^ChannelSettingsError: ${setting}: `),
            `${kind}.${setting}`,
          );
  });

  it('are described, one list holds every kind once, and only programs are kept to the file', () => {
    assert.deepEqual(
      CHANNEL_KINDS.map(({ kind }) => kind).sort(),
      GOOD.map(([name]) => name).sort(),
    );
    const readme = readFileSync(new URL('../../../../../README.md', import.meta.url), 'utf8');
    for (const { kind, origin, settings } of CHANNEL_KINDS) {
      assert.match(
        readme,
        new RegExp(`^\\|.*\`${kind}\`.*\\| `, 'm'),
        `${kind} has a row in README.md`,
      );
      const named = new RegExp(`\\b${kind}\\b`);
      assert.match(
        (Channel.properties.kind as { description?: string }).description ?? '',
        named,
        'openapi names the kind',
      );
      assert.equal(origin, kind === 'program' ? 'file' : 'any');
      for (const [key, property] of Object.entries(settings.properties))
        assert.ok((property as { description?: string }).description, `${kind}.${key}`);
    }
  });
});
