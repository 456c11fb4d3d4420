import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { capture, PROCESS } from '../capture/captures.ts';
import { ruleOf, skipLive } from '../engine/live-engine.ts';
import { open } from '../events/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';
import { waitFor } from '../support/wait.ts';

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'];

/** Runs to the end. */
async function ran(args: readonly string[], wrapper?: readonly string[]) {
  const tocsin = new TocsinProcess(args, wrapper);
  return { code: await tocsin.exit(), stdout: tocsin.stdout, stderr: tocsin.stderr };
}

describe('tocsin record and tocsin replay', { skip: skipLive }, () => {
  it('ring for what happened, later, twice the same, without privileges', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const file = join(folder, 'host.capture');
    const rules = join(folder, 'rules.yaml');
    const marked = join(folder, 'marked');
    writeFileSync(
      rules,
      ruleOf('marked', `evt.type in (open, openat) and fd.name=${marked}`, [
        ...['proc.name', 'proc.cmdline', 'user.name', 'container.id'],
      ]),
    );
    const recorder = new TocsinProcess(['record', file]);
    await recorder.ready();
    spawnSync('cat', [marked]);
    recorder.kill('SIGINT');
    assert.equal(await recorder.exit(), 0, recorder.stderr);
    assert.match(recorder.stderr, /: [1-9]\d* records in \d+ bytes, /);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    chmodSync(file, 0o644);
    const json = ['replay', file, '--rules', rules, '--json'];
    const [first, second, text] = await Promise.all([
      ran(json, NOBODY),
      ran(json, NOBODY),
      ran(['replay', file, '--rules', rules]),
    ]);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /[1-9]\d* events, 1 alerts in [\d.]+ s, \d+ events\/s/);
    assert.match(
      JSON.parse(first.stdout).output,
      /Warning cat \| cat \S+\/marked \| root \| host$/,
    );
    assert.equal(second.stdout, first.stdout);
    assert.equal(text.stdout, `${JSON.parse(first.stdout).output}\n`);
  });

  it('ends by itself, and goes through a pipe whole, however slow its reader', () => {
    const tocsin = join(import.meta.dirname, '../../../../tocsin.js');
    const seen = join(temporaryFolder(), 'seen');
    const script = `
      { "$0" "$1" record - --duration 3s; echo "ended $?" >&2; } | "$0" "$1" replay - &
      { sleep 3.3; kill -STOP $!; sleep 7; kill -CONT $!; } &
      while [ $SECONDS -lt 5 ]; do : 2>/dev/null <"${seen}-$RANDOM-$RANDOM"; done
      wait`;
    const { stderr, status } = spawnSync('bash', ['-c', script, process.execPath, tocsin], {
      encoding: 'utf8',
      cwd: '/',
    });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /-: \d+ records in \d{6,} bytes, /);
    assert.match(stderr, /ended 0/);
    assert.doesNotMatch(stderr, /cut off/);
    assert.match(stderr, /events\/s/);
  });

  it('says that a capture is not whole, and fails', async () => {
    const { code, stderr } = await ran(['record', '/dev/full', '--duration', '1s']);
    assert.equal(code, 1);
    assert.match(stderr, /ENOSPC/);
    assert.match(stderr, /\/dev\/full is not whole/);
  });
});

describe('tocsin replay', () => {
  it('reads what is left of a capture, and tells what is missing', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'cut.capture');
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, ruleOf('opened', 'evt.type=openat', ['fd.name']));
    const events = Array.from({ length: 20 }, (_, index) => open(`/file/${index}`));
    writeFileSync(
      file,
      await capture([{ kind: 'process', facts: PROCESS }, ...events], { blockOf: 4 }),
    );
    truncateSync(file, statSync(file).size - 20);
    const { code, stdout, stderr } = await ran(['replay', file, '--rules', rules]);
    assert.equal(code, 0);
    assert.match(stderr, /warning: the capture was cut off: it ends after \d+ records/);
    assert.match(stdout, /Warning \/file\/0\n/);
  });

  it('says what is wrong with what it was given', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'other');
    writeFileSync(file, 'something else');
    const cases = [
      [['replay', join(folder, 'none')], /none: ENOENT/],
      [['replay', file], /other: this is neither a capture/],
      [['replay', file, '--rules', file], /the rules cannot be used/],
      [['record', join(folder, 'no/such'), '--duration', '1s'], /cannot be written: ENOENT/],
      [['record', file, '--duration', '0s'], /must be a time such as/],
    ] as const;
    const outcomes = await Promise.all(cases.map(([args]) => ran(args)));
    for (const [index, { code, stderr }] of outcomes.entries()) {
      assert.notEqual(code, 0);
      assert.match(stderr, cases[index]?.[1] ?? /^$/);
      assert.doesNotMatch(stderr, /\n {4}at /);
    }
  });

  it('ends quietly when nobody reads its alerts', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'many.capture');
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, ruleOf('opened', 'evt.type=openat', ['fd.name']));
    const events = Array.from({ length: 20_000 }, (_, index) => open(`/file/${index}`));
    writeFileSync(file, await capture(events, { blockOf: 1000 }));
    const replay = new TocsinProcess(['replay', file, '--rules', rules]);
    replay.closeStdout();
    assert.equal(await replay.exit(), 0, replay.stderr);
    await waitFor('nothing to complain of', () => !/ {4}at /.test(replay.stderr));
  });
});
