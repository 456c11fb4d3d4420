import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { programKind } from '../../../src/delivery/channels/program/index.ts';
import { briefly, forever, hostileAlert, sampleNotification, waitFor } from '../sample.ts';

/** A program written in shell; the shell is the test's, not the channel's. */
const shell = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args];

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('program channel', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tocsin-program-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const run = (argv: string[], more: object = {}, notification = sampleNotification()) =>
    programKind.create({ argv, ...more }).send(notification, forever());

  it('gives the notification as one line of JSON on standard input', async () => {
    const path = join(folder, 'input');
    const alert = hostileAlert();
    const outcome = await run(['/usr/bin/tee', path], {}, sampleNotification({ alerts: [alert] }));
    assert.equal(outcome.result, 'ok');
    const input = await readFile(path, 'utf8');
    assert.equal(input.indexOf('\n'), input.length - 1);
    const told = JSON.parse(input);
    assert.equal(told.notification, sampleNotification().id);
    assert.equal(told.alerts[0].output, alert.output);
  });

  it('reads the exit status', async () => {
    const cases: [string, string][] = [
      ['exit 0', 'ok'],
      ['exit 75', 'retry exit_status'],
      ['exit 1', 'permanent exit_status'],
      ['kill -9 $$', 'ambiguous exit_status'],
    ];
    for (const [script, expected] of cases)
      assert.equal(briefly(await run(shell(script))), expected, script);
    const failed = await run(shell('echo "no such \u001b[31mroom" >&2; exit 3'));
    assert.equal(failed.detail, 'exit status 3: no such \\x1b[31mroom');
    assert.equal(briefly(await run(['/no/such/program'])), 'permanent configuration');
    assert.equal(briefly(await run([folder])), 'permanent configuration');
    const nowhere = await run(['/bin/cat'], { working_directory: '/no/such/folder' });
    assert.match(nowhere.detail, /working_directory: there is no \/no\/such\/folder/);
  });

  it('passes arguments as they are and clears the environment', async () => {
    Object.assign(process.env, { TOCSIN_TEST_LEAK: 'leak' });
    const path = join(folder, 'seen');
    const script = 'env > "$1"; printf "%s|" "$@" >> "$1"; pwd >> "$1"';
    const outcome = await run(shell(script, path, '$(reboot)', '; reboot'), {
      environment: { ROOM: 'bell tower' },
      working_directory: folder,
    });
    Reflect.deleteProperty(process.env, 'TOCSIN_TEST_LEAK');
    assert.equal(outcome.result, 'ok');
    const seen = await readFile(path, 'utf8');
    assert.doesNotMatch(seen, /leak/);
    assert.match(seen, /^ROOM=bell tower$/m);
    assert.match(seen, /\|\$\(reboot\)\|; reboot\|/);
    assert.ok(seen.trimEnd().endsWith(folder));
    const variables = seen.split('\n').filter((line) => /^\w+=/.test(line));
    assert.deepEqual(variables.map((line) => line.split('=')[0]).sort(), [
      'PATH',
      'PWD',
      'ROOM',
      'TOCSIN_RUN',
    ]);
  });

  it('kills a program that hangs, with its children', async () => {
    const path = join(folder, 'pid');
    const script = 'sleep 1000 & echo $! > "$1"; wait';
    const written = () => readFile(path, 'utf8').catch(() => '');
    // On a busy machine it takes its time to come as far as that.
    for (let seconds = 1; !(await written()).endsWith('\n') && seconds < 60; seconds *= 2) {
      const outcome = await run(shell(script, path), { timeout: `${seconds}s` });
      assert.equal(briefly(outcome), 'ambiguous timeout');
    }
    const pid = Number(await written());
    assert.ok(pid > 0);
    await waitFor(() => !isAlive(pid));
  });

  it('kills the children a program leaves behind, and does not wait for them', async () => {
    const path = join(folder, 'pid');
    const outcome = await run(shell('sleep 1000 & echo $! > "$1"; exit 0', path));
    assert.equal(outcome.result, 'ok');
    const pid = Number(await readFile(path, 'utf8'));
    await waitFor(() => !isAlive(pid));
  });

  const leaves = (rest: string, path: string) =>
    shell(
      `setsid sh -c 'echo $$ > "$1"; exec sleep 1000' - "$1" & until [ -s "$1" ]; do sleep 0.01; done; ${rest}`,
      path,
    );

  it('is not held up by a grandchild that left the group', async () => {
    const path = join(folder, 'left');
    const outcome = await run(leaves('exit 0', path));
    assert.equal(outcome.result, 'ok');
    const pid = Number(await readFile(path, 'utf8'));
    await waitFor(() => !isAlive(pid));
  });

  it('kills those that left a program that is kept, once it ended, and nobody of another', async () => {
    const [gone, other] = [join(folder, 'gone'), join(folder, 'other')];
    const kept = programKind.create({ argv: leaves('exit 0', gone), keep_alive: true });
    const stays = programKind.create({ argv: leaves('cat >"$1.in"', other), keep_alive: true });
    await stays.send(sampleNotification(), forever());
    await kept.send(sampleNotification(), forever());
    const pidIn = async (path: string) => Number(await readFile(path, 'utf8').catch(() => '0'));
    await waitFor(async () => (await pidIn(gone)) > 0 && !isAlive(await pidIn(gone)));
    await waitFor(async () => (await pidIn(other)) > 0);
    assert.equal(isAlive(await pidIn(other)), true);
    await stays.close();
    const pid = await pidIn(other);
    await waitFor(() => !isAlive(pid));
    await kept.close();
  });

  it('kills those that left the group, too, when a program is stopped', async () => {
    const path = join(folder, 'hangs');
    const stop = new AbortController();
    const ended = programKind
      .create({ argv: leaves('sleep 1000', path), timeout: '30s' })
      .send(sampleNotification(), { signal: stop.signal });
    const written = () => readFile(path, 'utf8').catch(() => '');
    await waitFor(async () => (await written()).endsWith('\n'));
    stop.abort();
    assert.equal(briefly(await ended), 'ambiguous aborted');
    const pid = Number(await written());
    await waitFor(() => !isAlive(pid));
  });

  it('keeps only the end of what a program writes', async () => {
    const script = 'head -c 50000000 /dev/zero | tr "\\0" x >&2; echo the end >&2; exit 1';
    const outcome = await run(shell(script));
    assert.equal(briefly(outcome), 'permanent exit_status');
    assert.ok(outcome.detail.length <= 500);
    assert.match(outcome.detail, /the end$/);
  });

  it('keeps a program that is to be kept, and starts it again when it ended', async () => {
    const path = join(folder, 'lines');
    const script = 'while read -r line; do echo "$$ $line" >> "$1"; done';
    const sender = programKind.create({ argv: shell(script, path), keep_alive: true });
    const lines = async () =>
      (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    const tell = async (count: number) => {
      assert.equal((await sender.send(sampleNotification(), forever())).result, 'ok');
      await waitFor(async () => (await lines()).length === count);
      return Number((await lines()).at(-1)?.split(' ')[0]);
    };
    const first = await tell(1);
    assert.equal(await tell(2), first);
    process.kill(first, 'SIGKILL');
    await waitFor(() => !isAlive(first));
    // Its end may become known while the line is written.
    const again = await sender.send(sampleNotification(), forever());
    assert.ok(['ok', 'ambiguous exit_status'].includes(briefly(again)));
    const second = await tell(again.result === 'ok' ? 4 : 3);
    assert.notEqual(second, first);
    await sender.close();
    await waitFor(() => !isAlive(second));
  });

  it('kills a kept program that reads no line in time, and says so', async () => {
    const sender = programKind.create({
      argv: ['/bin/sleep', '1000'],
      keep_alive: true,
      timeout: '1s',
    });
    const alert = sampleNotification().alerts[0];
    const large = {
      ...sampleNotification(),
      alerts: [{ ...alert, output: 'x'.repeat(1_000_000) }],
    };
    const sent = sender.send(large as ReturnType<typeof sampleNotification>, forever());
    // What is held only weakly is gone then.
    for (let round = 0; round < 5; round++) {
      await delay(20);
      collectGarbage();
    }
    assert.equal(briefly(await sent), 'ambiguous timeout');
    await sender.close();
    const ended = programKind.create({ argv: shell('echo gone >&2; exit 4'), keep_alive: true });
    const told = await ended.send(large as ReturnType<typeof sampleNotification>, forever());
    assert.equal(briefly(told), 'ambiguous exit_status');
    assert.match(told.detail, /exit status 4/);
    await ended.close();
  });

  it('bounds the memory of a program', async () => {
    const script = 'head -c 300000000 /dev/zero | tail -c 200000000 | wc -c';
    const most = { max_memory_bytes: 60_000_000 };
    const outcome = await run(
      shell(`${script}; dd if=/dev/zero of=/dev/null bs=200M count=1`),
      most,
    );
    assert.equal(briefly(outcome), 'permanent exit_status');
    assert.equal((await run(['/bin/true'], most)).result, 'ok');
  });

  it('runs a program as another user, with no more than his groups', {
    skip: process.getuid?.() === 0 ? false : 'only root may become another user',
  }, async () => {
    const script =
      '[ "$(id -un)" = nobody ] && [ "$(id -u)" = "$(id -ru)" ] && ! id -G | grep -qw 0';
    assert.equal((await run(shell(script), { user: 'nobody' })).result, 'ok');
    assert.throws(
      () => programKind.create({ argv: ['/bin/true'], user: 'no-such-user' }),
      /no user/,
    );
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const sent = programKind
      .create({ argv: ['/bin/sleep', '1000'] })
      .send(sampleNotification(), stop);
    stop.abort();
    assert.equal(briefly(await sent), 'ambiguous aborted');
  });
});
