import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { LiveEngine, ruleOf, skipLive } from './live-engine.ts';
import { shortLived } from './short-lived.ts';

const run = promisify(execFile);
const BUSYBOX = '/bin/busybox';
const IMAGE = 'localhost/tocsin/test:1.5';
const FIELDS = [
  'proc.name',
  'proc.cmdline',
  'container.full_id',
  'container.name',
  'container.type',
  'container.image.repository',
  'container.image.tag',
  'container.privileged',
  'container.mount.dest[/proc]',
  'container.unconfirmed',
];

const skipPodman: string | false = (() => {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is missing (install busybox-static)`;
  try {
    execFileSync('podman', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'podman is not installed';
  }
})();

/** Podman with storage in a place of its own, which nothing tells the engine. */
describe('containers of Podman on this kernel', { skip: skipLive || skipPodman }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-podman-'));
  let live: LiveEngine;

  async function podman(...args: string[]): Promise<string> {
    const place = ['root', 'runroot', 'tmpdir'].flatMap((name) => [
      `--${name}`,
      join(folder, name),
    ]);
    const kind = ['--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=none'];
    return (await run('podman', [...place, ...kind, ...args])).stdout.trim();
  }

  // The limits of the caller: a machine may not let root raise them.
  const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024'];
  const start = (...args: string[]) => podman('run', '--network=none', ...limits, ...args);

  before(async () => {
    const bin = join(folder, 'image/bin');
    mkdirSync(bin, { recursive: true });
    for (const name of ['true', 'cat']) copyFileSync(BUSYBOX, join(bin, name));
    execFileSync('tar', ['-C', join(folder, 'image'), '-cf', join(folder, 'image.tar'), '.']);
    await podman('import', join(folder, 'image.tar'), IMAGE);
    live = new LiveEngine(ruleOf('inside', 'evt.type=execve and container.id != host', FIELDS));
    await live.engine.ready;
  });

  after(async () => {
    await live?.engine.stop();
    await podman('rm', '--all', '--force').catch(() => '');
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const place = line.split(' ')[1] ?? '';
      if (place.startsWith(folder)) execFileSync('umount', ['-l', place]);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it('knows name, image and mounts at the first exec', async () => {
    await start('--name', 'first', '-v', '/proc:/host/proc:ro', IMAGE, '/bin/cat', '/dev/null');
    const id = await podman('inspect', '--format', '{{.Id}}', 'first');
    const { output_fields: fields } = await live.until(
      'inside',
      (all) => all['proc.name'] === 'cat' && all['container.full_id'] === id,
    );
    assert.deepEqual(
      { ...fields, 'evt.time': 0 },
      {
        'evt.time': 0,
        'proc.name': 'cat',
        'proc.cmdline': 'cat /dev/null',
        'container.full_id': id,
        'container.name': 'first',
        'container.type': 'podman',
        'container.image.repository': 'localhost/tocsin/test',
        'container.image.tag': '1.5',
        'container.privileged': false,
        'container.mount.dest[/proc]': '/host/proc',
        'container.unconfirmed': false,
      },
    );
  });

  it('names every one of many short-lived containers', async (context) => {
    const image = { repository: 'localhost/tocsin/test', tag: '1.5' };
    const told = await shortLived(live, image, (name, mark) =>
      start('--rm', '--name', name, IMAGE, '/bin/true', mark),
    );
    context.diagnostic(told);
  });
});
