/** From a real system call to all five channels, and the classic attacks on a real kernel. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import type { StoredAlert } from '@tocsin/openapi';
import { type Docker, dockerMissing, startDocker } from '../support/docker.ts';
import { slackReceiver, smtpReceiver, webhookReceiver } from '../support/receivers.ts';
import * as scenario from '../support/scenarios.ts';
import { type Running, tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;
const noDocker = dockerMissing() ?? false;
const WEBHOOK_SECRET = `whsec_${Buffer.from('end-to-end test secret, 32 bytes').toString('base64')}`;
const SLACK_TOKEN = 'xoxb-end-to-end';

describe('the bell rings', { skip: noProbe }, () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-e2e-'));
  const files = { program: join(home, 'program.ndjson'), log: join(home, 'alerts.ndjson') };
  let mail: Awaited<ReturnType<typeof smtpReceiver>>;
  let slack: Awaited<ReturnType<typeof slackReceiver>>;
  let webhook: Awaited<ReturnType<typeof webhookReceiver>>;
  let system: Running;
  let url = '';
  let token = '';

  const api = async (path: string, options: RequestInit = {}) =>
    fetch(`${url}${path}`, {
      ...options,
      headers: { authorization: `Bearer ${token}`, ...options.headers },
    });
  /** All of them: what else happens on the machine rings as well. */
  const alerts = async (): Promise<StoredAlert[]> => {
    const all: StoredAlert[] = [];
    for (let cursor = ''; ; ) {
      const response = await api(`/v1/alerts?limit=100${cursor}`);
      assert.equal(response.status, 200);
      const { items, next } = (await response.json()) as {
        items: StoredAlert[];
        next: string | null;
      };
      all.push(...items);
      if (next === null) return all;
      cursor = `&cursor=${encodeURIComponent(next)}`;
    }
  };
  /** Does something and waits for an alert whose fields fit. */
  const rings = async (
    act: () => Promise<unknown>,
    fits: (alert: StoredAlert) => boolean,
    what: string,
  ) => {
    await act();
    const found = await waitFor(what, async () => (await alerts()).find(fits)).catch(
      async (error: Error) => {
        const seen = (await alerts()).map(({ rule, output }) => `${rule}: ${output}`).join('\n');
        throw new Error(`${error.message}; seen:\n${seen}`);
      },
    );
    return found;
  };
  const start = async () => {
    system = tocsin([
      'run',
      '--config',
      join(home, 'tocsin.yaml'),
      '--data-dir',
      join(home, 'data'),
      '--listen',
      '127.0.0.1:0',
    ]);
    [, url = ''] = await system.line(/ready: (http:\/\/127\.0\.0\.1:\d+)/, 60_000);
    token = readFileSync(join(home, 'data/admin.token'), 'utf8').trim();
    await system.line(/agent: ready/, 60_000);
  };

  before(async () => {
    mail = await smtpReceiver();
    slack = await slackReceiver(SLACK_TOKEN);
    webhook = await webhookReceiver(WEBHOOK_SECRET);
    const channels = [
      {
        name: 'mail',
        kind: 'email',
        settings: {
          host: '127.0.0.1',
          port: mail.port,
          tls: 'none',
          from: 'tocsin@example.org',
          to: ['ops@example.org'],
        },
      },
      {
        name: 'chat',
        kind: 'slack',
        settings: {
          token: { env: 'SLACK_TOKEN' },
          channel: '#alerts',
          base_url: `http://127.0.0.1:${slack.port}/api/`,
        },
      },
      {
        name: 'hook',
        kind: 'webhook',
        settings: {
          url: `http://127.0.0.1:${webhook.port}/`,
          secret: { value: WEBHOOK_SECRET },
          allow_private_addresses: true,
        },
      },
      {
        name: 'program',
        kind: 'program',
        settings: { argv: ['/usr/bin/tee', '-a', files.program] },
      },
      { name: 'log', kind: 'log', settings: { path: files.log } },
    ];
    writeFileSync(join(home, 'tocsin.yaml'), JSON.stringify({ channels }));
    process.env['SLACK_TOKEN'] = SLACK_TOKEN;
    await start();
  });

  after(async () => {
    await system?.stop();
    await Promise.all([mail?.close(), slack?.close(), webhook?.close()]);
    rmSync(home, { recursive: true, force: true });
  });

  test('cat /etc/shadow is told on all five channels', async () => {
    const alert = await rings(
      scenario.readShadow,
      ({ output_fields }) =>
        output_fields['proc.name'] === 'cat' && output_fields['fd.name'] === '/etc/shadow',
      'the alert',
    );
    assert.equal(alert.output_fields['user.name'], 'root');
    const mentions = (text: string) => text.includes('/etc/shadow');
    const told = await waitFor('the mail', () =>
      mail.received.find(({ text }) => mentions(text ?? '')),
    );
    assert.ok(mentions(String(told.html)), 'the HTML part names the file');
    await waitFor('the Slack message', () =>
      slack.received.find(({ parameters }) => mentions(JSON.stringify(parameters))),
    );
    await waitFor('the webhook', () =>
      webhook.received.find(({ payload }) => mentions(JSON.stringify(payload))),
    );
    const lines = (path: string) => () => existsSync(path) && mentions(readFileSync(path, 'utf8'));
    await waitFor('the program', lines(files.program));
    await waitFor('the log', lines(files.log));
    for (const line of readFileSync(files.log, 'utf8').trim().split('\n')) {
      assert.ok(JSON.parse(line).rule, 'every line of the log is an alert');
    }
  });

  test('repeats are folded and counted', async () => {
    for (let i = 0; i < 5; i++) await scenario.readShadow();
    const fits = ({ output_fields, count }: StoredAlert) =>
      output_fields['fd.name'] === '/etc/shadow' &&
      output_fields['proc.name'] === 'cat' &&
      count >= 6;
    const folded = await waitFor('the count', async () => (await alerts()).find(fits));
    assert.ok(folded.last_seen > folded.first_seen);
  });

  test('a server process that starts a shell rings', async () => {
    await rings(
      scenario.serverSpawnsShell,
      ({ output_fields }) =>
        output_fields['proc.pname'] === 'nginx' && output_fields['proc.name'] === 'sh',
      'the alert',
    );
  });

  test('a regular file below /dev rings', async () => {
    const fits = ({ output_fields }: StoredAlert) =>
      String(output_fields['fd.name']).startsWith('/dev/tocsin-scenario');
    await rings(scenario.writeBelowDev, fits, 'the alert');
  });

  test('ls that connects out rings', async () => {
    const fits = ({ output_fields }: StoredAlert) =>
      output_fields['proc.name'] === 'ls' &&
      JSON.stringify(output_fields).includes('198.51.100.7:4444');
    await rings(scenario.lsConnectsOut, fits, 'the alert');
  });

  describe('containers', { skip: noDocker }, () => {
    let docker: Docker;
    before(async () => {
      docker = await startDocker();
    });
    after(() => docker?.stop());

    const ofContainer =
      (name: string) =>
      ({ output_fields }: StoredAlert) =>
        output_fields['container.name'] === name;

    test('a shell in a container rings, with the image on the first event', async () => {
      const alert = await rings(
        () => scenario.shellInContainer(docker),
        ofContainer('tocsin-shell'),
        'the alert',
      );
      assert.equal(alert.output_fields['container.image.repository'], 'tocsin/busybox');
      assert.match(String(alert.output_fields['container.id']), /^[0-9a-f]{12}$/);
      assert.equal(alert.output_fields['proc.name'], 'sh');
      await docker.docker('rm', '--force', 'tocsin-shell');
    });

    test('a privileged container rings', async () => {
      await rings(
        () => scenario.privilegedContainer(docker),
        ofContainer('tocsin-privileged'),
        'the alert',
      );
      await docker.docker('rm', '--force', 'tocsin-privileged');
    });

    for (const source of ['/proc', '/', "the daemon's socket"]) {
      test(`a container that mounts ${source} rings`, async () => {
        const before = (await alerts())
          .filter(ofContainer('tocsin-mount'))
          .reduce((sum, { count }) => sum + count, 0);
        await scenario.sensitiveMount(docker, source.startsWith('/') ? source : docker.socket);
        await waitFor(
          'one more alert',
          async () =>
            (await alerts())
              .filter(ofContainer('tocsin-mount'))
              .reduce((sum, { count }) => sum + count, 0) > before,
        );
        await docker.docker('rm', '--force', 'tocsin-mount');
      });
    }
  });

  test('the admin token is private, and without it nothing is told', async () => {
    assert.equal(statSync(join(home, 'data/admin.token')).mode & 0o777, 0o600);
    assert.equal((await fetch(`${url}/v1/alerts`)).status, 401);
  });

  test('Ctrl-C stops everything within five seconds, and a second start finds its data', async () => {
    const known = (await alerts()).length;
    assert.ok(known > 0);
    const begin = Date.now();
    assert.equal(await system.stop('SIGINT'), 0);
    assert.ok(Date.now() - begin < 5000, 'it took longer than five seconds');
    await start();
    assert.ok((await alerts()).length >= known);
    assert.equal(
      ((await (await api('/v1/agents')).json()) as { items: unknown[] }).items.length,
      1,
      'the agent kept its identity',
    );
  });
});
