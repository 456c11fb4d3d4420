import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Notification } from '../../src/delivery/channel.ts';
import { renderMail } from '../../src/delivery/channels/email/render.ts';
import { neutral } from '../../src/delivery/channels/slack/render.ts';
import { readBody } from '../../src/delivery/channels/webhook/render.ts';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { ChannelSettingsError } from '../../src/delivery/outcome.ts';
import { insideJson, readTemplate, TemplateError } from '../../src/delivery/template.ts';
import { anAlert, enroll } from '../support/agent.ts';
import { startTestControlPlane } from '../support/control-plane.ts';
import { groupNotification, hostileAlert, sampleNotification } from './sample.ts';

const plain = { neutral: (text: string) => text };
const render = (source: string, notification: Notification = sampleNotification()) =>
  readTemplate('template', source, plain)(notification);

test('a template sees what webhooks tell, and the status, the priority and a summary', () => {
  const [alert] = sampleNotification().alerts;
  assert.equal(
    render('{{ status }} {{ priority }} {{ count }} {{ alerts[0].output_fields["proc.name"] }}'),
    'firing Warning 3 cat',
  );
  assert.equal(render('{{ summary }}'), `${alert?.rule} on ${alert?.hostname}`);
  assert.equal(
    render('{% for a in alerts %}{{ a.rule | upcase }}{% endfor %}'),
    alert?.rule.toUpperCase(),
  );
  assert.equal(
    render('{{ group.labels.cluster }}', groupNotification({ firing: 2, resolved: 0 })),
    groupNotification({ firing: 2, resolved: 0 }).group?.labels['cluster'] ?? '',
  );
});

test('a template reads no prototype, no file and no other template', () => {
  assert.equal(
    render('[{{ alerts.constructor }}{{ __proto__ }}{{ channel.length.constructor }}]'),
    '[]',
  );
  for (const tag of [
    "{% include '/etc/passwd' %}",
    "{% render 'x' %}",
    "{% layout '/etc/passwd' %}",
  ])
    assert.throws(() => render(tag), ChannelSettingsError);
});

test('what is wrong with a template is told with its place when it is read', () => {
  const wrong: [string, RegExp][] = [
    ['a\n{{ b | nosuch }}', /template: undefined filter: nosuch, line:2, col:1/],
    ['{{ a ', /template: .*not closed, line:1/],
    ['{% if %}x{% endif %}', /template: .*line:1/],
    ['{% for i in (1..1000000000) %}x{% endfor %}', /template: memory alloc limit exceeded/],
    [
      '{% for i in (1..900) %}{% for j in (1..900) %}{% for k in (1..900) %}x{% endfor %}{% endfor %}{% endfor %}',
      /template: .*limit exceeded/,
    ],
  ];
  for (const [source, message] of wrong)
    assert.throws(
      () => render(source),
      (error) => error instanceof ChannelSettingsError && message.test(error.message),
    );
});

test('what events say stays a value in JSON', () => {
  const body = readBody({
    template: '{"text": "{{ alerts[0].output }}", "all": {{ alerts | json }}, "n": {{ count }}}',
  });
  const notification = sampleNotification({ alerts: [hostileAlert()] });
  const [{ text, contentType } = { text: '', contentType: '' }] = body(notification);
  const parsed = JSON.parse(text);
  assert.equal(parsed.text, hostileAlert().output);
  assert.equal(parsed.all[0].rule, hostileAlert().rule);
  assert.equal(contentType, 'application/json');
  assert.throws(() => readBody({ template: '{"text": {{ summary }}}' }), /does not render JSON/);
  const words = readBody({ template: '{{ summary }}', content_type: 'text/plain' });
  assert.match(words(sampleNotification())[0]?.text ?? '', /^Read sensitive/);
});

test('what events say neither mentions, links nor formats in Slack', () => {
  const escaped = neutral('<!channel> <https://evil|x> *b* `c`');
  assert.match(escaped, /^&lt;!channel&gt; /);
  assert.doesNotMatch(escaped, /[<>]|(?<!\u200b)[*`]/);
});

test('an alert that a template cannot render is told in the usual words', () => {
  // It renders the sample, and fails on what this alert brings.
  const failing = readTemplate(
    'subject',
    '{% if alerts[0].hostname == "node-1" %}{% for i in (1..99999999) %}x{% endfor %}{% endif %}fine',
    { neutral: insideJson },
  );
  assert.throws(() => failing(sampleNotification()), TemplateError);
  const problems: string[] = [];
  const { subject } = renderMail(sampleNotification(), 'x.org', { subject: failing }, (problem) =>
    problems.push(problem),
  );
  assert.match(subject, /Read sensitive file untrusted/);
  assert.match(problems.join(), /^subject: memory alloc limit exceeded/);
});

test('mails about one group are one thread, whichever alert comes first', () => {
  const made = groupNotification({ firing: 2, resolved: 0 });
  const alerts = made.alerts.map((alert, index) => ({ ...alert, fingerprint: `${index}` }));
  const notification = { ...made, alerts };
  const turned = { ...notification, alerts: [...alerts].reverse() };
  assert.equal(
    renderMail(notification, 'x.org').references,
    renderMail(turned, 'x.org').references,
  );
});

test('a subject made by a template is one printable line', () => {
  const subject = readTemplate('subject', 'a\r\nBcc: x@y {{ alerts[0].rule }}', plain);
  const mail = renderMail(sampleNotification({ alerts: [hostileAlert()] }), 'x.org', { subject });
  assert.doesNotMatch(mail.subject, /[\r\n\p{Cc}]/u);
});

test('the API shows what a channel that is not stored would send, and checks it', async (t) => {
  const plane = await startTestControlPlane(t, {}, startDelivery);
  const agent = await enroll(plane);
  const hook = (settings: object = {}, change: object = {}) => ({
    name: 'hook',
    kind: 'webhook',
    settings: {
      url: 'https://example.org/hook',
      secret: { value: 'a very secret secret' },
      template: '{"text": "{{ summary }} a very secret secret"}',
      ...settings,
    },
    ...change,
  });
  const call = (what: string, body: object) => plane.call('POST', `/v1/channels/${what}`, body);
  const preview = (channel: object, more: object = {}) => call('preview', { channel, ...more });
  const sample = await preview(hook());
  assert.equal(sample.status, 200, JSON.stringify(sample.body));
  assert.match(JSON.stringify(sample.body), /untrusted on host\.example \[hidden\]/);
  const alert = anAlert({ hostname: 'real-host' });
  assert.equal((await agent.send([alert])).status, 202);
  const real = await preview(hook(), { alert: alert.uuid });
  assert.match(JSON.stringify(real.body), /real-host/);
  assert.equal((await preview(hook(), { alert: 'nobody' })).status, 404);
  assert.equal((await call('validate', hook())).status, 204);
  const unset = hook({ secret: { env: 'TOCSIN_SECRET_UNSET' } });
  for (const [body, status, said] of [
    [hook({ template: '{{ summary | nosuch }}' }), 400, /undefined filter: nosuch/],
    [hook({ url: 'ftp://x' }), 400, /\/settings\/url/],
    [hook({ secret: { file: '/etc/shadow' } }), 400, /only taken from the configuration file/],
    [hook({ secret: { env: 'HOME' } }), 400, /TOCSIN_SECRET_/],
    [hook({}, { fallback: 'nowhere' }), 400, /there is no channel 'nowhere'/],
    [{ name: 'p', kind: 'program', settings: { argv: ['/bin/true'] } }, 422, /configuration file/],
    [unset, 400, /TOCSIN_SECRET_UNSET is not set/],
  ] as const) {
    const checked = await call('validate', body);
    assert.equal(checked.status, status, JSON.stringify(checked.body));
    assert.match(JSON.stringify(checked.body), said);
    if (body === unset) assert.equal((await preview(body)).body.code, 'preview_failed');
    else assert.equal((await preview(body)).status, status);
  }
  assert.deepEqual((await plane.call('GET', '/v1/channels')).body.items, []);
  // Of a channel that is stored, a draft may repeat what is shown; not to send the secret elsewhere.
  assert.equal((await plane.call('POST', '/v1/channels', hook())).status, 201);
  const shown = { secret: { value: '<hidden>' } };
  assert.match(JSON.stringify((await preview(hook(shown))).body), /host\.example \[hidden\]/);
  assert.equal((await call('validate', hook({ ...shown, url: 'https://other' }))).status, 400);
});

test('the API shows what a channel would send, without secrets, and refuses a broken template', async (t) => {
  const plane = await startTestControlPlane(t, {}, startDelivery);
  const agent = await enroll(plane);
  const settings = {
    url: 'https://example.org/hook',
    secret: { value: 'a very secret secret' },
    template: '{"text": "{{ summary }} a very secret secret"}',
  };
  const made = await plane.call('POST', '/v1/channels', {
    name: 'hook',
    kind: 'webhook',
    settings,
  });
  assert.equal(made.status, 201);
  const preview = (body: object) => plane.call('POST', '/v1/channels/hook/preview', body);
  const sample = await preview({});
  assert.equal(sample.status, 200);
  const [{ content_type, body }] = (
    sample.body as unknown as { items: [{ content_type: string; body: string }] }
  ).items;
  assert.equal(content_type, 'application/json');
  assert.match(
    body,
    /^\{"text": "Test: Read sensitive file untrusted on host\.example \[hidden\]"\}$/,
  );

  const alert = anAlert({ hostname: 'real-host' });
  assert.equal((await agent.send([alert])).status, 202);
  const real = await preview({ alert: alert.uuid });
  assert.match(JSON.stringify(real.body), /real-host/);
  assert.equal((await preview({ alert: 'nobody' })).status, 404);

  const broken = await plane.call('PATCH', '/v1/channels/hook', {
    settings: { template: '{{ summary | nosuch }}' },
  });
  assert.equal(broken.status, 400);
  assert.match(JSON.stringify(broken.body), /undefined filter: nosuch, line:1/);
});
