import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RuntimePaths } from '../../src/state/runtimes/lookup.ts';

const run = promisify(execFile);
const BUSYBOX = '/bin/busybox';

/** Why containerd cannot be used here, or false. */
export const skipContainerd: string | false = (() => {
  if (process.getuid?.() !== 0) return 'containerd needs root';
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is missing (install busybox-static)`;
  try {
    execFileSync('containerd', ['--version'], { stdio: 'ignore' });
    execFileSync('ctr', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'containerd and ctr are not installed';
  }
})();

/** A containerd of our own, with its folders in a temporary place. */
export class ContainerdDaemon {
  readonly folder = mkdtempSync(join(tmpdir(), 'tocsin-containerd-'));
  readonly #daemon: ChildProcess;

  constructor() {
    const config = join(this.folder, 'config.toml');
    writeFileSync(
      config,
      `version = 2
root = "${this.folder}/root"
state = "${this.folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${this.#address}"
`,
    );
    this.#daemon = spawn('containerd', ['--config', config], { stdio: 'ignore' });
  }

  get #address(): string {
    return join(this.folder, 'state/containerd.sock');
  }

  get paths(): Partial<RuntimePaths> {
    return { taskRoots: [join(this.folder, 'state/io.containerd.runtime.v2.task')] };
  }

  /** Waits until it answers, and imports an image of one static program. */
  async start(image: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const answers = await this.ctr('version').then(
        () => true,
        () => false,
      );
      if (answers) break;
      if (attempt > 300 || this.#daemon.exitCode !== null)
        throw new Error('containerd does not answer');
      await delay(100);
    }
    await this.ctr('images', 'import', this.#archive(image));
  }

  async ctr(...args: string[]): Promise<string> {
    const { stdout } = await run('ctr', ['--address', this.#address, ...args]);
    return stdout.trim();
  }

  async stop(): Promise<void> {
    for (const id of (await this.ctr('tasks', 'ls', '-q').catch(() => '')).split('\n')) {
      if (id !== '') await this.ctr('tasks', 'rm', '--force', id).catch(() => '');
    }
    if (this.#daemon.exitCode === null) {
      const ended = new Promise((resolve) => this.#daemon.once('exit', resolve));
      this.#daemon.kill('SIGTERM');
      await ended;
    }
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const place = line.split(' ')[1] ?? '';
      if (place.startsWith(this.folder)) execFileSync('umount', ['-l', place]);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What `docker save` would write for an image of one layer. */
  #archive(image: string): string {
    const root = join(this.folder, 'image/root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    for (const name of ['busybox', 'sh', 'true', 'cat'])
      copyFileSync(BUSYBOX, join(root, 'bin', name));
    const place = join(this.folder, 'image');
    execFileSync('tar', ['-C', root, '-cf', join(place, 'layer.tar'), '.']);
    const layer = createHash('sha256')
      .update(readFileSync(join(place, 'layer.tar')))
      .digest('hex');
    const architecture = { x64: 'amd64' }[process.arch as string] ?? process.arch;
    const files = {
      'config.json': {
        architecture,
        os: 'linux',
        config: { Env: ['PATH=/bin'] },
        rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
      },
      'manifest.json': [{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }],
    };
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(place, name), JSON.stringify(content));
    const archive = join(this.folder, 'image.tar');
    execFileSync('tar', ['-C', place, '-cf', archive, ...Object.keys(files), 'layer.tar']);
    return archive;
  }
}
