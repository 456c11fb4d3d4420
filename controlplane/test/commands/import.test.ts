import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { parse } from 'yaml';
import type { CommandContext } from '../../src/commands/context.ts';
import { routesCommand } from '../../src/commands/routes.ts';
import { readSettings } from '../../src/settings.ts';
import { tempFolder } from '../support/control-plane.ts';

/** Converts a file, and checks that what comes out can be used. */
async function convert(t: TestContext, text: string, { usable = true } = {}) {
  const folder = tempFolder(t);
  const file = join(folder, 'given.yml');
  writeFileSync(file, text);
  let [out, err] = ['', ''];
  const context = {
    environment: {},
    out: { write: (chunk: string) => (out += chunk) },
    err: { write: (chunk: string) => (err += chunk) },
  } as unknown as CommandContext;
  const program = new Command('tocsin').exitOverride();
  routesCommand(program, context);
  await program.parseAsync(['node', 'tocsin', 'routes', 'import', file]);
  const made = join(folder, 'tocsin.yaml');
  writeFileSync(made, out);
  if (usable) readSettings({ config: made }, {});
  return { out, err, config: parse(out) };
}

test('a configuration of Alertmanager is converted, and what cannot be is told', async (t) => {
  const { config, err, out } = await convert(
    t,
    `
global:
  resolve_timeout: 3m
  smtp_smarthost: mail.example.org:587
  smtp_from: alerts@example.org
  smtp_auth_username: alerts
  smtp_auth_password: hunter2
  slack_api_url: https://hooks.slack.com/services/T/B/canary
  pagerduty_url: https://events.example.org/v2/enqueue
  victorops_api_url: https://alert.victorops.com
  smtp_hello: me
templates: [/etc/alertmanager/*.tmpl]
route:
  receiver: Team X Mails
  group_by: [alertname]
  routes:
    - match_re: { service: ^(foo|bar)$ }
      receiver: both
      labels: { a: b }
      routes:
        - matchers: [severity="critical"]
          receiver: 'null'
          mute_time_intervals: [nights]
receivers:
  - name: Team X Mails
    email_configs:
      - to: a@example.org, b@example.org
        headers: { subject: x }
        tls_config: { ca_file: /run/ca, insecure_skip_verify: true }
  - name: both
    webhook_configs: [{ url: 'https://example.org/hook', send_resolved: false }]
    slack_configs: [{ channel: '#ops', title: x, send_resolved: yes, http_config: { basic_auth: { username: u } } }]
    wechat_configs: [{ api_secret: canary }]
  - name: 'null'
  - name: by token
    slack_configs: [{ channel: '#ops', app_token_file: /run/slack }]
  - name: services
    pagerduty_configs: [{ routing_key: canary, severity: x }, { service_key: canary }]
    opsgenie_configs: [{ api_key_file: /run/og, api_url: 'https://api.eu.opsgenie.com/' }]
    telegram_configs: [{ bot_token: canary, chat_id: -100 }]
    msteams_configs: [{ webhook_url: 'https://x.webhook.office.com/canary' }]
    discord_configs: [{ webhook_url_file: /run/discord, send_resolved: false }]
    mattermost_configs: [{ webhook_url: 'https://mm/canary', channel: ops }]
    webhook_configs:
      - url: http://u:canary@10.0.0.1:9000/x
        timeout: 90s
        max_alerts: 5
        http_config: { tls_config: { ca_file: /run/ca, server_name: x }, proxy_url: 'http://p' }
inhibit_rules:
  - { source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [node] }
time_intervals:
  - name: nights
    time_intervals: [{ times: [{ start_time: '22:00', end_time: '24:00' }] }]
`,
  );
  assert.doesNotMatch(out + err, /hunter2|canary/);
  assert.equal(config.global.resolve_timeout, '3m');
  const byName = Object.fromEntries(
    config.receivers.map((one: { name: string }) => [one.name, one]),
  );
  assert.deepEqual(byName['Team X Mails'].email.to, ['a@example.org', 'b@example.org']);
  assert.equal(byName['Team X Mails'].email.host, 'mail.example.org');
  assert.equal(byName['Team X Mails'].email.ca_file, '/run/ca');
  assert.equal(byName['Team X Mails'].send_resolved, false);
  assert.match(byName['Team X Mails'].email.password.env, /^TOCSIN_SECRET_/);
  assert.equal(byName['both'].send_resolved, false);
  const url = { env: 'TOCSIN_SECRET_RECEIVERS_BOTH_SLACK_CONFIGS_0_API_URL' };
  assert.deepEqual(byName['both-2'].slack, { url }, 'an incoming webhook');
  assert.deepEqual(byName['by token'].slack, { token: { file: '/run/slack' }, channel: '#ops' });
  assert.equal(byName['both-2'].send_resolved, undefined);
  assert.deepEqual(byName['null'], { name: 'null', none: {} });
  assert.equal(byName['both'].webhook.body, 'alertmanager');
  assert.deepEqual(
    ['services', 2, 3, 4, 5, 6, 7].map((n) => byName[n === 'services' ? n : `services-${n}`]),
    [
      {
        name: 'services',
        pagerduty: {
          routing_key: { env: 'TOCSIN_SECRET_RECEIVERS_SERVICES_PAGERDUTY_CONFIGS_0_ROUTING_KEY' },
          base_url: 'https://events.example.org',
        },
      },
      {
        name: 'services-2',
        opsgenie: { api_key: { file: '/run/og' }, base_url: 'https://api.eu.opsgenie.com' },
      },
      {
        name: 'services-3',
        telegram: {
          token: { env: 'TOCSIN_SECRET_RECEIVERS_SERVICES_TELEGRAM_CONFIGS_0_BOT_TOKEN' },
          chat_id: '-100',
        },
      },
      {
        name: 'services-4',
        teams: {
          url: { env: 'TOCSIN_SECRET_RECEIVERS_SERVICES_MSTEAMS_CONFIGS_0_WEBHOOK_URL' },
        },
      },
      { name: 'services-5', send_resolved: false, discord: { url: { file: '/run/discord' } } },
      {
        name: 'services-6',
        mattermost: {
          url: { env: 'TOCSIN_SECRET_RECEIVERS_SERVICES_MATTERMOST_CONFIGS_0_WEBHOOK_URL' },
          channel: 'ops',
        },
      },
      {
        name: 'services-7',
        webhook: {
          url: 'http://10.0.0.1:9000/x',
          secret: { env: 'TOCSIN_SECRET_RECEIVERS_SERVICES_WEBHOOK_CONFIGS_0_SECRET' },
          body: 'alertmanager',
          allow_private_addresses: true,
          timeout: '30s',
          proxy: 'http://p',
          ca_file: '/run/ca',
        },
      },
    ],
  );
  const [child] = config.route.routes;
  assert.deepEqual(
    child.routes.map(({ receiver, continue: on }: { receiver: string; continue?: boolean }) => [
      receiver,
      on,
    ]),
    [
      ['null', undefined],
      ['both', true],
      ['both-2', undefined],
    ],
  );
  for (const report of [
    /global\.victorops_api_url/,
    /pagerduty_configs\[0\]\.severity/,
    /pagerduty_configs\[1\]: needs the routing_key/,
    /global\.smtp_hello/,
    /email_configs\[0\]\.tls_config\.insecure_skip_verify/,
    /slack_configs\[0\]\.http_config\.basic_auth/,
    /webhook_configs\[0\]\.max_alerts/,
    /http_config\.tls_config\.server_name/,
    /a user name and a password in an address are left out/,
    /10\.0\.0\.1|private address/,
    /templates/,
    /route\.routes\[0\]\.labels/,
    /email_configs\[0\]\.headers/,
    /slack_configs\[0\]\.title/,
    /slack_configs\[0\]\.channel: an incoming webhook tells in the channel/,
    /wechat_configs/,
  ]) {
    assert.match(err, report);
    assert.match(out, report);
  }
});

test('what it does stays the same: inherited receivers, intervals, labels that both lack, merged keys', async (t) => {
  const { config, err } = await convert(
    t,
    `
defaults: &defaults { group_wait: 1s, mute_time_intervals: [nights] }
route:
  receiver: both
  routes:
    - { matchers: [a=b], <<: *defaults }
    - { match: { version: 1.50, zone: }, receiver: one, continue: yes }
    - { matchers: [a=c], receiver: one, routes: [{ matchers: [d=e], receiver: both }, { matchers: [d=f] }] }
receivers:
  - name: one
  - name: both
    webhook_configs: [{ url: 'https://example.org/1' }, { url: 'https://example.org/2' }]
inhibit_rules: [{ source_matchers: [s=1], target_matchers: [t=1], equal: [node] }]
mute_time_intervals:
time_intervals: [{ name: nights, time_intervals: [{ weekdays: [sunday] }] }]
`,
  );
  const both = (more = {}) => [
    { receiver: 'both', ...more, continue: true },
    { receiver: 'both-2', ...more },
  ];
  const mute_time_intervals = ['nights'];
  assert.deepEqual(config.route, {
    receiver: 'both',
    routes: [
      {
        matchers: ['a=b'],
        ...{ group_wait: '1s', mute_time_intervals },
        routes: both({ mute_time_intervals }),
      },
      { match: { version: '1.50', zone: '' }, receiver: 'one', continue: true },
      {
        ...{ matchers: ['a=c'], receiver: 'one' },
        routes: [{ matchers: ['d=e'], receiver: 'both', routes: both() }, { matchers: ['d=f'] }],
      },
    ],
  });
  assert.match(err, /^route\.receiver: only both is told here: .*both-2$/m);
  assert.equal(config.inhibit_rules[0].equal_missing, 'match');
  assert.match(err, /^defaults: has no counterpart$/m);
});

test('what is converted and cannot be used is told where it stands', async (t) => {
  const text = `
route:
  receiver: r
  routes:
    - { matchers: ['a=~"(?=x)"'], mute_time_intervals: [none] }
    - { match_re: { b: '(' } }
receivers: [{ name: r, constructor: [{ a: b }] }]
inhibit_rules: [{ source_matchers: ['a=~"*"'], target_matchers: [b=c] }]
`;
  const { err, out } = await convert(t, text, { usable: false });
  for (const report of [
    /route\.routes\[0\]\.matchers\[0\]: not a matcher: .*RE2/,
    /route\.routes\[0\]\.mute_time_intervals\[0\]: there is no time interval 'none'/,
    /route\.routes\[1\]\.match_re\.b: not a matcher: .*RE2/,
    /inhibit_rules\[0\]\.source_matchers\[0\]: not a matcher: .*RE2/,
    /receivers\.r\.constructor: there is no such kind of channel/,
  ]) {
    assert.match(err, report);
    assert.match(out, report);
  }
  const shape = await convert(
    t,
    'route: { receiver: r, group_wait: soon }\nreceivers: [{ name: r }]',
    {
      usable: false,
    },
  );
  assert.match(shape.err, /^route\.group_wait: .*duration such as/m);
});

test('a configuration of falcosidekick is converted, and what cannot be is told', async (t) => {
  const { config, err, out } = await convert(
    t,
    `
listenport: 2801
customfields: { a: b }
Slack: { WebhookURL: 'https://hooks.slack.com/canary', channel: '#falco', minimumpriority: warning, footer: '', mutualtls: no, checkcert: no }
webhook: { address: 'https://example.org/in', customHeaders: { X-Key: canary } }
smtp: { hostport: 'mail:465', user: u, password: canary, from: f@x.org, to: 'a@x.org,b@x.org', minimumpriority: loud }
syslog: { host: siem, port: 514, protocol: udp }
datadog: { apikey: canary }
aws: { region: x, sqs: { url: 'https://sqs/canary' } }
loki: { hostport: '', user: '', tenant: 3 }
customtags: []
teams: { webhookurl: '' }
discord: { webhookurl: 'https://discord.com/canary' }
kafka: { hostport: 'k1:9092, k2', topic: falco, sasl: SCRAM_SHA512, username: u, password: canary, tls: true, requiredacks: ONE, compression: ZSTD }
rocketchat: { webhookurl: 'https://rc/canary' }
pagerduty: { routingkey: canary, region: eu, minimumpriority: critical }
opsgenie: { apikey: canary }
telegram: { token: canary, chatid: '42' }
elasticsearch: { hostport: 'http://es:9200', index: falco, username: u, password: canary, suffix: daily }
splunk: { host: 'https://splunk.example.org:8088/services/collector/event', token: canary }
alertmanager: { hostport: 'http://am:9093' }
`,
  );
  assert.doesNotMatch(out + err, /canary/);
  const byName = Object.fromEntries(
    config.receivers.map((one: { name: string }) => [one.name, one]),
  );
  assert.deepEqual(Object.keys(byName), [
    ...['slack', 'webhook', 'smtp', 'syslog', 'discord', 'kafka', 'rocketchat'],
    ...['pagerduty', 'opsgenie', 'telegram', 'elasticsearch', 'splunk'],
  ]);
  assert.equal(byName['webhook'].webhook.body, 'falco');
  assert.ok(byName['rocketchat'].mattermost.url.env);
  assert.deepEqual(byName['slack'].slack, { url: { env: 'TOCSIN_SECRET_SLACK_WEBHOOKURL' } });
  assert.deepEqual(byName['kafka'].kafka, {
    brokers: ['k1:9092', 'k2'],
    topic: 'falco',
    tls: true,
    sasl: {
      mechanism: 'SCRAM-SHA-512',
      user: 'u',
      password: { env: 'TOCSIN_SECRET_KAFKA_PASSWORD' },
    },
    acks: 'leader',
  });
  assert.equal(byName['pagerduty'].minimum_priority, 'critical');
  assert.equal(byName['splunk'].splunk.url, 'https://splunk.example.org:8088');
  assert.equal(byName['elasticsearch'].elasticsearch.allow_private_addresses, true);
  assert.equal(byName['slack'].minimum_priority, 'warning');
  assert.equal(byName['smtp'].email.tls, 'implicit');
  assert.deepEqual(Object.keys(byName['webhook'].webhook.headers), ['X-Key']);
  for (const report of [
    /datadog/,
    /^aws: there is no such kind/m,
    /^slack\.channel: has no counterpart/m,
    /^slack\.checkcert: has no counterpart/m,
    /customfields/,
    /'loud' is no priority/,
    /alertmanager/,
    /intake\.tokens/,
    /elasticsearch\.suffix/,
    /kafka\.compression: 'zstd'/,
  ])
    assert.match(err, report);
  assert.doesNotMatch(err, /teams|loki|customtags|footer|mutualtls|password: has/);
});

test('a file that is neither is refused', async (t) => {
  for (const text of ['[1]', 'x', ': :\n:'])
    await assert.rejects(convert(t, text), /cannot be read|not a mapping/);
});
