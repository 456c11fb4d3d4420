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

/**
 * An OCI runtime for machines whose root lacks some capabilities, as in many virtual machines: it asks runc only for those there are, so
 * that `--privileged` works.
 */
const LIMITED_RUNTIME = `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const argv = process.argv.slice(2);
const at = argv.indexOf('--bundle');
if (at >= 0) {
  const names = \`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
    SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE\`.trim().split(/\\s+/);
  const bound = BigInt('0x' + /CapBnd:\\s*([0-9a-f]+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const has = (name) => (bound >> BigInt(names.indexOf(name.slice(4)))) & 1n;
  const path = argv[at + 1] + '/config.json';
  const spec = JSON.parse(readFileSync(path, 'utf8'));
  for (const set of Object.keys(spec.process.capabilities)) {
    spec.process.capabilities[set] = spec.process.capabilities[set].filter(has);
  }
  writeFileSync(path, JSON.stringify(spec));
}
process.exit(spawnSync('runc', argv, { stdio: 'inherit' }).status ?? 1);
`;

export interface Docker {
  readonly image: string;
  /** Path of the daemon's socket. */
  readonly socket: string;
  /** Name of the runtime that `--privileged` needs on some machines. */
  readonly limitedRuntime: string;
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
  const socket = join(home, 'docker.sock');
  const address = `unix://${socket}`;
  const state = [
    '--data-root',
    `${home}/data`,
    '--exec-root',
    `${home}/exec`,
    '-p',
    `${home}/docker.pid`,
  ];
  const limitedRuntime = 'limited';
  const script = join(home, 'limited-runtime');
  writeFileSync(script, LIMITED_RUNTIME, { mode: 0o755 });
  const runtime = ['--add-runtime', `${limitedRuntime}=${script}`];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const daemon = spawn(DAEMON, [...network, ...state, ...runtime, '-H', address], {
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => daemon.on('exit', resolve));
  const docker = async (...args: string[]) =>
    (await execute('docker', ['-H', address, ...args])).stdout;
  const stop = async () => {
    const running = (await docker('ps', '-q').catch(() => '')).split('\n').filter(Boolean);
    if (running.length > 0) await docker('kill', ...running).catch(() => '');
    daemon.kill('SIGTERM');
    await exited;
    // The daemon mounts its data root on itself and does not always get to unmount it.
    await execute('umount', ['--lazy', join(home, 'data')]).catch(() => undefined);
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await waitFor('the Docker daemon', async () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`);
      return docker('info').catch(() => undefined);
    });
    const image = 'tocsin/busybox:1.0';
    importImage(join(home, 'root'), address, image);
    return { image, socket, limitedRuntime, docker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function importImage(root: string, address: string, image: string): void {
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
  execFileSync('docker', ['-H', address, 'import', '-', image], {
    input: archive,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}
