/** A private Docker daemon and a tiny image, for tests that need real containers. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from './wait.ts';

const execute = promisify(execFile);
const DAEMON = '/usr/sbin/dockerd';
const BUSYBOX = '/bin/busybox';
const APPLETS = ['sh', 'ls', 'cat', 'sleep', 'mkdir', 'echo', 'id', 'mount', 'touch', 'wget'];

export interface Docker {
  readonly image: string;
  /** Runs the docker client; resolves with its stdout. */
  docker(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Why containers cannot be run here, or undefined when they can. */
export function dockerMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root to run a Docker daemon';
  if (!existsSync(DAEMON)) return `needs ${DAEMON} (Debian package docker.io)`;
  if (!existsSync(BUSYBOX)) return `needs ${BUSYBOX} (Debian package busybox-static)`;
  return undefined;
}

export async function startDocker(): Promise<Docker> {
  const home = mkdtempSync(join(tmpdir(), 'tocsin-docker-'));
  const socket = `unix://${home}/docker.sock`;
  const state = [
    '--data-root',
    `${home}/data`,
    '--exec-root',
    `${home}/exec`,
    '-p',
    `${home}/docker.pid`,
  ];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const daemon = spawn(DAEMON, [...network, ...state, '-H', socket], { stdio: 'ignore' });
  const exited = new Promise((resolve) => daemon.on('exit', resolve));
  const docker = async (...args: string[]) =>
    (await execute('docker', ['-H', socket, ...args])).stdout;
  const stop = async () => {
    const running = (await docker('ps', '-q').catch(() => '')).split('\n').filter(Boolean);
    if (running.length > 0) await docker('kill', ...running).catch(() => '');
    daemon.kill('SIGTERM');
    await exited;
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await waitFor('the Docker daemon', async () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`);
      return docker('info').catch(() => undefined);
    });
    const image = 'tocsin/busybox:1.0';
    importImage(join(home, 'root'), socket, image);
    return { image, docker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function importImage(root: string, socket: string, image: string): void {
  for (const folder of ['bin', 'etc', 'tmp', 'root'])
    mkdirSync(join(root, folder), { recursive: true });
  cpSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\n');
  const archive = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 28 });
  execFileSync('docker', ['-H', socket, 'import', '-', image], {
    input: archive,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}
