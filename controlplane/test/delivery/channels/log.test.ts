import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Notification } from '../../../src/delivery/channel.ts';
import { logKind } from '../../../src/delivery/channels/log/index.ts';
import { renderLines } from '../../../src/delivery/channels/log/render.ts';
import { FORMATS } from '../../../src/delivery/formats/index.ts';
import { forever, HOSTILE, hostileAlert, sampleAlert, sampleNotification } from '../sample.ts';

const renderFalco = (notification: Notification) => renderLines(notification, FORMATS.falco);

describe('log channel', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tocsin-log-'));
    path = join(folder, 'alerts.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const send = (notification = sampleNotification()) =>
    logKind.create({ path }).send(notification, forever());

  it('appends one Falco JSON line an alert to a file of mode 0640', async () => {
    const two = sampleNotification({ alerts: [sampleAlert(), sampleAlert({ rule: 'Other' })] });
    assert.equal((await send(two)).result, 'ok');
    assert.equal((await send()).result, 'ok');
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.equal(lines.length, 3);
    const first = JSON.parse(lines[0] ?? '');
    for (const key of 'uuid time rule priority source output output_fields hostname tags'.split(
      ' ',
    ))
      assert.ok(key in first, key);
    assert.equal(first.count, 3);
    assert.equal(first.uuid, sampleAlert().id);
    assert.equal((await stat(path)).mode & 0o777, 0o640);
  });

  it('writes to the new file after a rotation', async () => {
    const sender = logKind.create({ path });
    await sender.send(sampleNotification(), forever());
    await rename(path, `${path}.1`);
    await sender.send(sampleNotification(), forever());
    for (const name of [path, `${path}.1`])
      assert.equal((await readFile(name, 'utf8')).split('\n').length, 2);
  });

  it('renames a file that would grow too large, and keeps as many as it was told', async () => {
    const sender = logKind.create({ path, rotate: { max_bytes: 4096, keep: 2 } });
    const told = sampleNotification({ alerts: [sampleAlert({ output: 'x'.repeat(3000) })] });
    for (let number = 0; number < 5; number += 1)
      assert.equal((await sender.send(told, forever())).result, 'ok');
    assert.deepEqual((await readdir(folder)).sort(), [
      'alerts.jsonl',
      'alerts.jsonl.1',
      'alerts.jsonl.2',
    ]);
    for (const name of await readdir(folder))
      assert.equal((await readFile(join(folder, name), 'utf8')).split('\n').length, 2);
  });

  it('writes every format, and does not mix them', async () => {
    for (const [format, start] of [
      ['cef', 'CEF:0|'],
      ['leef', 'LEEF:2.0|'],
      ['ecs', '{'],
      ['ocsf', '{'],
    ]) {
      const file = join(folder, `${format}`);
      assert.equal(
        (await logKind.create({ path: file, format }).send(sampleNotification(), forever())).result,
        'ok',
      );
      assert.ok((await readFile(file, 'utf8')).startsWith(start ?? ''));
    }
    const mixed = await logKind
      .create({ path: join(folder, 'ecs'), format: 'cef' })
      .send(sampleNotification(), forever());
    assert.equal(mixed.result, 'permanent');
  });

  it('starts a new line after one that a full disk cut short', async () => {
    await writeFile(path, '{"half":');
    await send();
    const lines = (await readFile(path, 'utf8')).split('\n');
    assert.equal(lines[0], '{"half":');
    assert.equal(JSON.parse(lines[1] ?? '').rule, sampleAlert().rule);
  });

  it('leaves files alone that hold something else, and says what is wrong', async () => {
    await writeFile(path, 'root:x:0:0:root:/root:/bin/bash\n');
    const outcome = await send();
    assert.deepEqual(
      [outcome.result, outcome.result !== 'ok' && outcome.reason],
      ['permanent', 'configuration'],
    );
    assert.equal(await readFile(path, 'utf8'), 'root:x:0:0:root:/root:/bin/bash\n');
    await rm(path);
    await mkdir(path);
    assert.equal((await send()).result, 'retry');
    spawnSync('mkfifo', [`${path}.fifo`]);
    const fifo = await logKind
      .create({ path: `${path}.fifo` })
      .send(sampleNotification(), forever());
    assert.equal(fifo.result, 'permanent');
  });

  it('keeps hostile text on its line, and as it was', () => {
    const rendered = renderFalco(sampleNotification({ alerts: [hostileAlert()] }));
    assert.equal(rendered.indexOf('\n'), rendered.length - 1);
    assert.doesNotMatch(rendered.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.equal(JSON.parse(rendered).output, HOSTILE.join(' '));
  });

  it('tells what the throttle held back in a line of its own', () => {
    const held = {
      count: 37,
      byRule: [
        { rule: 'A', count: 30 },
        { rule: 'B', count: 7 },
      ],
    };
    const [alert, digest] = renderFalco(sampleNotification({ held })).split('\n');
    assert.equal(JSON.parse(alert ?? '').rule, sampleAlert().rule);
    assert.match(JSON.parse(digest ?? '').output, /\+37 more.*30 × A, 7 × B/);
  });

  it('writes to standard output without a path', () => {
    const kind = new URL('../../../src/delivery/channels/log/index.js', import.meta.url).href;
    const script = `import { logKind } from ${JSON.stringify(kind)};
      const notification = ${JSON.stringify(sampleNotification())};
      const outcome = await logKind.create({}).send(notification, { signal: new AbortController().signal });
      process.exitCode = outcome.result === 'ok' ? 0 : 1;`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).rule, sampleAlert().rule);
  });
});
