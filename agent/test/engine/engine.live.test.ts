import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ReloadError } from '../../src/engine/engine.ts';
import { LOSS_RULE } from '../../src/engine/loss-watch.ts';
import type { RuleSettings } from '../../src/engine/rule-judge.ts';
import { waitFor } from '../support/wait.ts';
import { LiveEngine, ownName, ruleOf, skipLive } from './live-engine.ts';

const run = promisify(execFile);
const OPEN_FIELDS = [
  'evt.type',
  'evt.res',
  'evt.arg.flags',
  'fd.name',
  'fd.nameraw',
  'fd.path.real',
  'fd.num',
  'proc.name',
  'proc.pname',
  'proc.cmdline',
  'proc.exepath',
  'proc.cwd',
  'proc.pid',
  'user.name',
  'user.uid',
  'container.id',
];
const EXEC_FIELDS = [
  'evt.type',
  'evt.res',
  'evt.arg.filename',
  'proc.name',
  'proc.exe',
  'proc.args',
  'proc.cmdline',
  'proc.exepath',
  'proc.pname',
  'proc.aname[2]',
  'proc.cwd',
  'proc.vpid',
  'proc.duration',
  'user.name',
  'thread.cap_effective',
];
const CONNECT_FIELDS = [
  'evt.res',
  'fd.name',
  'fd.type',
  'fd.l4proto',
  'fd.sip',
  'fd.sport',
  'fd.cip',
  'proc.name',
  'user.name',
  'proc.pname',
];

describe('the engine on this kernel', { skip: skipLive }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-live-'));
  const mark = basename(folder);
  let live: LiveEngine;

  before(async () => {
    // Starts the threads that read files, before the engine.
    await stat(folder);
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/x'), 'x');
    symlinkSync(join(folder, 'a/x'), join(folder, 'link'));
    live = new LiveEngine(
      ruleOf(
        'open',
        `evt.type in (open, openat, openat2) and fd.name contains ${mark}`,
        OPEN_FIELDS,
      ) +
        ruleOf(
          'exec',
          `evt.type in (execve, execveat) and (proc.cmdline contains ${mark} or evt.arg.filename contains ${mark})`,
          EXEC_FIELDS,
        ) +
        ruleOf('connect', 'evt.type=connect and fd.sip="127.0.0.1"', CONNECT_FIELDS),
    );
    assert.equal((await live.engine.ready).rules, 3);
  });

  after(async () => {
    await live.engine.stop();
    rmSync(folder, { recursive: true });
  });

  it('sees an open with its process, parent and user', async () => {
    const { child } = run('cat', [join(folder, 'a/x')]);
    const { output_fields: fields } = await live.until(
      'open',
      (all) => all['fd.name'] === join(folder, 'a/x'),
    );
    assert.deepEqual(
      { ...fields, 'evt.time': 0 },
      {
        'evt.time': 0,
        'evt.type': 'openat',
        'evt.res': 'SUCCESS',
        'evt.arg.flags': 'O_RDONLY',
        'fd.name': join(folder, 'a/x'),
        'fd.nameraw': join(folder, 'a/x'),
        'fd.path.real': join(folder, 'a/x'),
        'fd.num': 3,
        'proc.name': 'cat',
        'proc.pname': ownName,
        'proc.cmdline': `cat ${join(folder, 'a/x')}`,
        'proc.exepath': '/usr/bin/cat',
        'proc.cwd': `${process.cwd()}/`,
        'proc.pid': child.pid,
        'user.name': 'root',
        'user.uid': 0,
        'container.id': 'host',
      },
    );
  });

  it('and the threads that read files for it go before other programs', (context) => {
    const niceness = readdirSync('/proc/self/task').map((thread) => {
      const text = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
    });
    const first = niceness.filter((nice) => nice < 0).length;
    if (first === 0) return context.skip('nobody may go before others here');
    assert.ok(first >= 5, String(niceness));
  });

  it('gives nothing of a process to the next one of its number', async (context) => {
    const file = join(folder, 'a/reused');
    writeFileSync(file, 'x');
    // The number before is set back until the same one is given away again: others fork meanwhile.
    const script = `for i in $(seq 500); do
      /bin/false first ${mark} & one=$!; wait $one
      echo $((one - 1)) > /proc/sys/kernel/ns_last_pid || exit 3
      ( : < ${file} ) & two=$!; wait $two
      if [ $one = $two ]; then echo $one; exit 0; fi
    done; exit 4`;
    const { status, stdout } = spawnSync('/bin/sh', ['-c', script, 'again'], { encoding: 'utf8' });
    if (status === 3) return context.skip('the number of the next process cannot be chosen here');
    assert.equal(status, 0);
    const pid = Number(stdout);
    const { output_fields: fields } = await live.until(
      'open',
      (all) => all['proc.pid'] === pid && all['fd.name'] === file,
    );
    assert.equal(fields['proc.name'], 'sh');
    assert.equal(fields['proc.pname'], 'sh');
    assert.match(String(fields['proc.cmdline']), /^sh -c for i in /);
    assert.ok(
      await live.until('exec', (all) => String(all['proc.cmdline']).startsWith('false first')),
    );
  });

  it('resolves relative paths by their letters and tells what was really opened', async () => {
    await run('cat', ['../../link'], { cwd: join(folder, 'a/b') });
    const { output_fields: fields } = await live.until(
      'open',
      (all) => all['fd.nameraw'] === '../../link',
    );
    assert.equal(fields['fd.name'], join(folder, 'link'));
    assert.equal(fields['fd.path.real'], join(folder, 'a/x'));
    assert.equal(fields['proc.cwd'], `${join(folder, 'a/b')}/`);
  });

  it('tells the error of an open that failed', async () => {
    await assert.rejects(run('cat', [join(folder, 'missing')]));
    const { output_fields: fields } = await live.until(
      'open',
      (all) => all['fd.name'] === join(folder, 'missing'),
    );
    assert.equal(fields['evt.res'], 'ENOENT');
    assert.equal(fields['fd.num'], -1);
  });

  it('sees the new image at exec, with its ancestors', async () => {
    await run('sh', ['-c', `/bin/true ${mark} "two words"; :`], { cwd: folder });
    const { output_fields: fields } = await live.until(
      'exec',
      (all) => all['proc.name'] === 'true',
    );
    assert.equal(fields['proc.exe'], '/bin/true');
    assert.equal(fields['proc.args'], `${mark} two words`);
    assert.equal(fields['proc.cmdline'], `true ${mark} two words`);
    assert.equal(fields['proc.exepath'], '/usr/bin/true');
    assert.equal(fields['proc.pname'], 'sh');
    assert.equal(fields['proc.aname[2]'], ownName);
    assert.match(String(fields['thread.cap_effective']), /\bCAP_/);
    assert.ok(Number(fields['proc.duration']) > 0);
  });

  it('sees an exec that failed, as the caller', async () => {
    await run('sh', ['-c', `${folder}/no-such; :`]).catch(() => {});
    const { output_fields: fields } = await live.until(
      'exec',
      (all) => all['evt.res'] === 'ENOENT' && String(all['evt.arg.filename']).endsWith('no-such'),
    );
    assert.equal(fields['proc.name'], 'sh');
  });

  it('sees a connection from the client', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await run('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]);
      const { output_fields: fields } = await live.until(
        'connect',
        (all) => all['fd.sport'] === port,
      );
      assert.match(
        String(fields['fd.name']),
        new RegExp(`^127\\.0\\.0\\.1:\\d+->127\\.0\\.0\\.1:${port}$`),
      );
      assert.equal(fields['fd.type'], 'ipv4');
      assert.equal(fields['fd.l4proto'], 'tcp');
      assert.equal(fields['fd.sip'], '127.0.0.1');
      assert.equal(fields['proc.name'], 'bash');
      assert.equal(fields['user.name'], 'root');
      assert.equal(fields['proc.pname'], ownName);
    } finally {
      server.close();
    }
  });

  it('takes other rules while it runs, and keeps them when the next are broken', async () => {
    const next = ruleOf('made', `evt.type in (mkdir, mkdirat) and evt.arg.path contains ${mark}`, [
      'evt.arg.path',
      'proc.name',
    ]);
    const rules = (name: string, content: string): RuleSettings => ({
      files: [{ name, content }],
      matching: 'all',
    });
    const summary = await live.engine.reload(rules('next.yaml', next));
    assert.equal(summary.rules, 1);
    await assert.rejects(
      live.engine.reload(rules('broken.yaml', ruleOf('x', 'no.such.field = 1', ['evt.num']))),
      (error) =>
        error instanceof ReloadError &&
        /broken\.yaml:\d+:\d+.*no\.such\.field/s.test(error.message),
    );
    await run('mkdir', [join(folder, 'new')]);
    const { output_fields: fields } = await live.until('made', () => true);
    assert.equal(fields['evt.arg.path'], join(folder, 'new'));
  });
});

describe('an engine that cannot keep up', { skip: skipLive }, () => {
  it('tells what was lost, by kind, and nothing else is wrong', async () => {
    // No path alone rules these out, so the kernel never learns to leave the opens out.
    const rule = (name: string) =>
      ruleOf(name, `evt.type in (open, openat) and proc.name=${name}`, ['fd.name']);
    const live = new LiveEngine(rule('nowhere'), { ringBytes: 256 * 1024 });
    const loop = 'while (1) { open F, "<", "/etc/hostname"; close F }';
    try {
      await live.engine.ready;
      const opening = spawn('perl', ['-e', loop]);
      await new Promise((resolve) => opening.once('spawn', resolve));
      // While it compiles, nobody reads the ring, and the loop fills it.
      const many = Array.from({ length: 2000 }, (_, index) => rule(`nowhere-${index}`)).join('');
      const files = [{ name: 'many.yaml', content: many }];
      const reloaded = live.engine.reload({ files, matching: 'all' });
      const { output_fields: fields, source } = await live
        .until(LOSS_RULE, () => true)
        .finally(() => opening.kill('SIGKILL'));
      assert.equal((await reloaded).rules, 2000);
      assert.equal(source, 'internal');
      const lost = Object.entries(fields).filter(([name]) => /^tocsin\.lost\.\w+\.\w+$/.test(name));
      const sum = lost.reduce((all, [, count]) => all + Number(count), 0);
      assert.equal(sum, fields['tocsin.lost']);
      assert.ok(lost.some(([name]) => name.startsWith('tocsin.lost.open.')));
      // Another program of a busy machine may have flooded more.
      assert.ok(fields['proc.name'] && Number(fields['proc.pid']) > 0 && fields['container.id']);
      assert.ok(Number(fields['tocsin.lost.by']) <= sum && Number(fields['tocsin.lost.by']) > 0);
      const coverage = () => live.engine.statistics().rules?.['nowhere-7']?.coverage ?? 1;
      await waitFor('a coverage below one', () => coverage() < 1);
      assert.ok(coverage() > 0);
    } finally {
      await live.engine.stop();
    }
  });
});

describe('an engine that cannot start', () => {
  it('says what is wrong with the rules', async () => {
    const { engine } = new LiveEngine(ruleOf('x', 'proc.name =', ['evt.num']));
    await assert.rejects(engine.ready, /test\.yaml:\d+:\d+: error: rule 'x': /);
    await engine.stop();
  });
});
