/** The package of the agent works in a root file system that has Node and nothing else: no compiler, no libbpf, no libelf, no shell. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import { ROOT, type Running, tocsin } from '../support/tocsin.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;

describe('the package of the agent', { skip: noProbe }, () => {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-package-'));
  const root = join(home, 'root');
  const running = new Set<Running>();

  /** Runs the packaged tocsin inside; the mounts go with its mount namespace. */
  const inside = (...args: string[]) => {
    const script = `set -e
for from in /proc /sys /dev; do mount --rbind $from ${root}$from; done
shift 2; exec chroot ${root} /usr/bin/node /opt/tocsin/tocsin.js "$@"`;
    const one = tocsin(args, {}, [
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
    ]);
    running.add(one);
    return one;
  };

  before(() => {
    execFileSync(process.execPath, [join(ROOT, 'infra/package-agent.mjs'), home], {
      stdio: 'pipe',
    });
    const [archive = ''] =
      execFileSync('ls', [home], { encoding: 'utf8' }).match(/tocsin-agent-\S+\.tar\.gz/) ?? [];
    for (const folder of ['proc', 'sys', 'dev', 'tmp', 'opt/tocsin', 'usr/bin'])
      mkdirSync(join(root, folder), { recursive: true });
    execFileSync('tar', [
      '-xzf',
      join(home, archive),
      '-C',
      join(root, 'opt/tocsin'),
      '--strip-components=1',
    ]);
    const place = (path: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      copyFileSync(realpathSync(path), join(root, path));
    };
    copyFileSync(process.execPath, join(root, 'usr/bin/node'));
    for (const [path] of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(
      /\/\S+/g,
    ))
      place(path);
  });

  after(async () => {
    await Promise.all([...running].map((one) => one.stop()));
    rmSync(home, { recursive: true, force: true });
  });

  test('holds no compiler and no library of its own beside Node', () => {
    for (const path of [
      'usr/bin/clang',
      'usr/bin/cc',
      'bin/sh',
      'usr/lib/x86_64-linux-gnu/libbpf.so.1',
      'lib/x86_64-linux-gnu/libelf.so.1',
    ])
      assert.ok(!existsSync(join(root, path)), path);
    assert.ok(
      !existsSync(join(root, 'opt/tocsin/node_modules/typescript')),
      'a module that only building needs',
    );
    assert.ok(existsSync(join(root, 'opt/tocsin/tocsin-agent.service')), 'what systemd starts');
  });

  test('says where the commands of the control plane are', async () => {
    const run = inside('channels', 'list');
    const [code] = await once(run.process, 'close');
    assert.equal(code, 2);
    assert.match(
      run.stderr(),
      /^tocsin: the package of the agent does not have 'channels': run it where the control plane is\n$/m,
    );
  });

  test('its doctor finds that the kernel takes the probe', async () => {
    const run = inside('doctor', '--json', '--data-dir', '/data');
    await new Promise((resolve) => run.process.once('close', resolve));
    const { findings } = JSON.parse(run.stdout()) as {
      findings: { check: string; status: string }[];
    };
    for (const check of ['build', 'probe', 'rules'])
      assert.equal(
        findings.find((one) => one.check === check)?.status,
        'ok',
        `${check}: ${run.stdout()}`,
      );
  });

  test('its agent rings', async () => {
    const target = join(home, 'target');
    writeFileSync(
      join(root, 'rules.yaml'),
      `- {rule: Made, desc: d, condition: "evt.type in (open, openat, creat) and fd.name=${target}", output: made %fd.name, priority: INFO}\n`,
    );
    const agent = inside(
      'agent',
      '--rules',
      '/rules.yaml',
      '--output',
      'stdout-json',
      '--data-dir',
      '/data',
    );
    await agent.line(/^ready$/m);
    writeFileSync(target, '');
    await agent.line(/"rule":"Made"/);
  });
});
