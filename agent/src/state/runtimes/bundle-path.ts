/**
 * Where a container's bundle lies, told by the processes that run it: the runtime was started with `--bundle`, and a containerd shim
 * lives in it. This finds runtimes with roots of their own, without any being configured.
 */
import { readFile, readlink } from 'node:fs/promises';
import type { Container } from '../container.ts';
import type { Process } from '../process.ts';

const ANCESTORS = 4;
const ARGUMENTS_LIMIT = 16_384;

/** The bundle folder of a container, or undefined when no living process tells. */
export async function findBundle({
  maker,
  member,
  fullId,
}: Container): Promise<string | undefined> {
  const host = await Promise.all([linkOf('/proc/1/ns/mnt'), linkOf('/proc/self/ns/mnt')]);
  for (const start of [maker, member]) {
    let pid = start;
    for (let hops = 0; pid > 1 && hops < ANCESTORS; hops++) {
      // Only processes of the host are believed: those inside choose their arguments and folders.
      const namespace = await linkOf(`/proc/${pid}/ns/mnt`);
      const trusted = namespace !== undefined && host.includes(namespace);
      const bundle = trusted ? await bundleOf(pid, fullId) : undefined;
      if (bundle !== undefined) return bundle;
      pid = await parentOf(pid);
    }
  }
  return undefined;
}

/**
 * The same by what is remembered of the process that made the cgroup and its ancestors: they may be gone before anything can be
 * read of them. A blank in the path ends it.
 */
export function rememberedBundle(maker: Process | undefined, id: string): string | undefined {
  for (let level = 0; level < ANCESTORS; level++) {
    const process = maker?.ancestor(level);
    if (process === undefined || process.inPidNamespace) return undefined;
    const folder = bundleArgument(process.args.replaceAll(' ', '\0'));
    if (belongsTo(folder, id)) return folder;
  }
  return undefined;
}

async function bundleOf(pid: number, id: string): Promise<string | undefined> {
  const named = bundleArgument(await textOf(`/proc/${pid}/cmdline`));
  return [named, await linkOf(`/proc/${pid}/cwd`)].find((folder) => belongsTo(folder, id));
}

function belongsTo(folder: string | undefined, id: string): folder is string {
  const parts = folder?.startsWith('/') ? folder.split('/') : [];
  return parts.at(-1) === id || (parts.at(-1) === 'userdata' && parts.at(-2) === id);
}

/** The value of `--bundle`, `--bundle=` or `-b` in an argument area. */
function bundleArgument(argumentArea: string): string | undefined {
  const argv = argumentArea.split('\0');
  const joined = argv.find((word) => word.startsWith('--bundle='));
  if (joined !== undefined) return joined.slice('--bundle='.length);
  const at = argv.findIndex((word) => word === '--bundle' || word === '-b' || word === '-bundle');
  return at < 0 ? undefined : argv[at + 1];
}

async function parentOf(pid: number): Promise<number> {
  const stat = await textOf(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0) || 0;
}

async function linkOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}

async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  return bytes.subarray(0, ARGUMENTS_LIMIT).toString('utf8');
}
