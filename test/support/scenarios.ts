/** The classic attacks, each done for real on this machine. */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Docker } from './docker.ts';

const execute = promisify(execFile);
/** Runs a program in a bare environment; its exit status does not matter, only that it ran. */
const attempt = (program: string, ...args: string[]) =>
  execute(program, args, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } }).catch(() => undefined);

/** A program that is really bash but bears another name, as the kernel sees it. */
async function disguised<T>(name: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-scenario-'));
  try {
    const path = join(folder, name);
    copyFileSync('/bin/bash', path);
    chmodSync(path, 0o755);
    return await use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const readShadow = () => attempt('cat', '/etc/shadow');

/** Starts a container that waits for its input, so that it can be looked at until it is removed. */
const waiting = ({ docker, image }: Docker, name: string, flags: string[], ...command: string[]) =>
  docker(
    ...['run', '--detach', '--interactive', '--rm', '--network', 'none', '--name', name],
    ...[...flags, image, ...command],
  );

export const shellInContainer = (docker: Docker) =>
  waiting(docker, 'tocsin-shell', [], 'sh', '-c', 'id; read x');

export const privilegedContainer = (docker: Docker) =>
  waiting(docker, 'tocsin-privileged', ['--runtime', docker.limitedRuntime, '--privileged'], 'cat');

export const sensitiveMount = (docker: Docker, source: string) =>
  waiting(docker, 'tocsin-mount', ['-v', `${source}:/host:ro`], 'cat');

/** A server process (bash under the name of nginx) starts a shell. */
export const serverSpawnsShell = () =>
  disguised('nginx', (nginx) => attempt(nginx, '-c', 'sh -c "id; true"; true'));

export async function writeBelowDev(): Promise<void> {
  const path = `/dev/tocsin-scenario-${process.pid}`;
  await attempt('sh', '-c', `echo x > ${path}`);
  rmSync(path, { force: true });
}

/** `ls` (bash under its name) connects to an address outside loopback, inside a network namespace of its own. */
export const lsConnectsOut = () =>
  disguised('ls', async (ls) => {
    const script = join(ls, '..', 'connect.sh');
    const connect = `${ls} -c 'exec 3<>/dev/tcp/198.51.100.7/4444' 2>/dev/null`;
    writeFileSync(
      script,
      `ip link set lo up\nip addr add 198.51.100.7/32 dev lo\n${connect}\ntrue\n`,
    );
    await attempt('unshare', '-n', 'sh', script);
  });
