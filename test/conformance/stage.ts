/** Acts out the cases: the compiled actor under many names, a cgroup that looks like a container, and real containers. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Docker } from '../support/docker.ts';
import { ROOT } from '../support/tocsin.ts';
import type { Case } from './case.ts';

const execute = promisify(execFile);
const SOURCE = join(ROOT, 'test/conformance/actor.c');
const ACT_LIMIT_MS = 30_000;

export class Stage {
  readonly folder: string;
  /** As alerts show it. */
  readonly containerId: string;
  readonly #cgroup: string;
  readonly #actor: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'tocsin-conformance-'));
    chmodSync(this.folder, 0o755);
    this.#actor = join(this.folder, 'actor');
    // Static, so that it runs in any container and opens no files of its own.
    const options = ['-O1', '-static', '-Wall', '-Wno-unused-result'];
    execFileSync('cc', [...options, '-o', this.#actor, SOURCE]);
    const id = randomBytes(32).toString('hex');
    this.containerId = id.slice(0, 12);
    this.#cgroup = join(cgroupMount(), 'docker', id);
    mkdirSync(this.#cgroup, { recursive: true });
  }

  /** Runs an act in a folder named after it. Throws when the stage for it could not be set. */
  async play(name: string, { where }: Case, act: string, docker: Docker): Promise<void> {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    if (where === undefined) return run(this.#argv(folder, `detach ${act}`));
    if (where === 'container') return run(this.#argv(folder, `detach join ${this.#cgroup} ${act}`));
    const argv = this.#argv(folder, act);
    const flags = ['--rm', '--network=none', `--runtime=${docker.limitedRuntime}`];
    const mount = ['-v', `${this.folder}:${this.folder}:ro`];
    await docker.docker('run', ...flags, ...mount, ...where.docker, docker.image, ...argv);
  }

  /** What a text of the case stands for in the act of this name. */
  expand(name: string, text: string): string {
    const folder = join(this.folder, name);
    return text.replaceAll('{folder}', folder).replaceAll(/@([a-z0-9]+)/g, `${folder}/$1`);
  }

  #argv(folder: string, act: string): string[] {
    const words = ['@stage', ...act.split(' ')];
    return words.map((word) => {
      if (!word.startsWith('@')) return word.replaceAll('{folder}', folder);
      const path = join(folder, word.slice(1));
      if (!existsSync(path)) linkSync(this.#actor, path);
      return path;
    });
  }

  remove(): void {
    if (existsSync(this.#cgroup)) rmdirSync(this.#cgroup);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ends when the last process of the act has closed its output. What the actor itself cannot do it says on stderr. */
async function run([program = '', ...words]: string[]): Promise<void> {
  const options = { env: { PATH: '/usr/bin:/bin' }, cwd: '/', timeout: ACT_LIMIT_MS };
  const { stderr } = await execute(program, words, options);
  if (stderr !== '') throw new Error(stderr);
}

/** Where container runtimes make their cgroups here: a v1 controller where there is one. */
function cgroupMount(): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const v1 = mounts.find(([, , type, options]) => type === 'cgroup' && options?.includes('pids'));
  return (v1 ?? mounts.find(([, , type]) => type === 'cgroup2'))?.[1] ?? '/sys/fs/cgroup';
}
