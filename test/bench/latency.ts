/**
 * From a system call to the webhook that tells it, beside a bare POST to the same receiver: on an idle machine, and while a process
 * opens files that no rule is about as fast as it can.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { webhookReceiver } from '../support/receivers.ts';
import { tocsin } from '../support/tocsin.ts';
import { waitFor } from '../support/wait.ts';
import { report } from './report.ts';

const SAMPLES = 300;
const SECRET = `whsec_${Buffer.from('latency benchmark secret, 32 byte').toString('base64')}`;
const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const watched = join(home, 'watched');
const receiver = await webhookReceiver(SECRET);
const url = `http://127.0.0.1:${receiver.port}/`;

const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ] ?? Number.NaN;

/** Milliseconds until the receiver has one more call. */
async function arrival(act: () => void): Promise<number> {
  const known = receiver.received.length;
  const begin = performance.now();
  act();
  // Not in a loop: that would take the processor from what is measured.
  while (receiver.received.length === known) await receiver.next();
  return performance.now() - begin;
}

function post(): void {
  const body = JSON.stringify({ type: 'alert', data: {} });
  const timestamp = new Date();
  const signature = new Webhook(SECRET).sign('bench', timestamp, body);
  const headers = {
    'content-type': 'application/json',
    'webhook-id': 'bench',
    'webhook-timestamp': String(Math.floor(timestamp.getTime() / 1000)),
    'webhook-signature': signature,
  };
  void fetch(url, { method: 'POST', headers, body });
}

mkdirSync(watched);
writeFileSync(
  join(home, 'rules.yaml'),
  `- rule: Latency
  desc: A file below the watched folder was opened.
  condition: evt.type = openat and fd.name startswith ${watched}/
  output: opened %fd.name
  priority: WARNING
`,
);
const settings = { url, secret: { value: SECRET }, allow_private_addresses: true };
const config = {
  channels: [{ name: 'hook', kind: 'webhook', settings }],
  agent: { rules: [join(home, 'rules.yaml')] },
};
writeFileSync(join(home, 'tocsin.yaml'), JSON.stringify(config));
const system = tocsin([
  'run',
  '--config',
  join(home, 'tocsin.yaml'),
  '--data-dir',
  join(home, 'data'),
  '--listen',
  '127.0.0.1:0',
]);
try {
  await system.line(/agent: ready/, 60_000);
  const probe = () => closeSync(openSync(join(watched, `warm-${performance.now()}`), 'w'));
  await waitFor('the agent', async () => {
    probe();
    await sleep(200);
    return receiver.received.length > 0;
  });
  await sleep(1000);
  const measure = async (name: string) => {
    const direct: number[] = [];
    const whole: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      direct.push(await arrival(post));
      whole.push(await arrival(() => closeSync(openSync(join(watched, `${name}-${i}`), 'w'))));
      await sleep(5 + (i % 7));
    }
    const row = (what: string, values: readonly number[]): [string, string, string][] =>
      [0.5, 0.99].map((share) => [
        `${name}: ${what}, p${share * 100}`,
        `${quantile(values, share).toFixed(1)} ms`,
        (quantile(values, share) / quantile(direct, share)).toFixed(1),
      ]);
    return [...row('bare POST', direct), ...row('system call to webhook', whole)];
  };
  const idle = await measure('idle');
  const busy = spawn('sh', ['-c', 'while :; do : > "$1"; done', 'sh', join(home, 'busy')]);
  const loaded = await measure('under load').finally(() => busy.kill('SIGKILL'));
  report('latency', [...idle, ...loaded]);
} finally {
  await system.stop();
  await receiver.close();
  rmSync(home, { recursive: true, force: true });
}
