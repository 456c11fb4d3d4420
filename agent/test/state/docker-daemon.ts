import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
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

/** Why Docker cannot be used here, or false. */
export const skipDocker: string | false = (() => {
  if (process.getuid?.() !== 0) return 'dockerd needs root';
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is missing (install busybox-static)`;
  try {
    execFileSync('dockerd', ['--version'], { stdio: 'ignore' });
    execFileSync('docker', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'docker and dockerd are not installed';
  }
})();

/** A Docker daemon of our own, with its folders in a temporary place. */
export class DockerDaemon {
  readonly folder: string;
  readonly #daemon: ChildProcess;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'tocsin-docker-'));
    this.#daemon = spawn(
      'dockerd',
      [
        ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--host', this.#host],
        ...['--data-root', join(this.folder, 'data'), '--exec-root', join(this.folder, 'exec')],
        ...['--pidfile', join(this.folder, 'pid')],
      ],
      { stdio: 'ignore' },
    );
  }

  get #host(): string {
    return `unix://${join(this.folder, 'docker.sock')}`;
  }

  get paths(): Partial<RuntimePaths> {
    return {
      dockerRoots: [join(this.folder, 'data')],
      dockerSocket: join(this.folder, 'docker.sock'),
      taskRoots: [join(this.folder, 'exec/containerd/daemon/io.containerd.runtime.v2.task')],
    };
  }

  /** Waits until it answers, and makes an image of one static program. */
  async start(image: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const answers = await this.docker('version').then(
        () => true,
        () => false,
      );
      if (answers) break;
      if (attempt > 100 || this.#daemon.exitCode !== null)
        throw new Error('dockerd does not answer');
      await delay(100);
    }
    const root = join(this.folder, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'etc'));
    copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
    for (const name of ['sh', 'true', 'cat']) copyFileSync(BUSYBOX, join(root, 'bin', name));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\napp:x:1234:1234::/:/bin/sh\n');
    execFileSync('tar', ['-C', root, '-cf', join(this.folder, 'root.tar'), '.']);
    await this.docker('import', join(this.folder, 'root.tar'), image);
  }

  async docker(...args: string[]): Promise<string> {
    const { stdout } = await run('docker', ['--host', this.#host, ...args]);
    return stdout.trim();
  }

  async stop(): Promise<void> {
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
}
