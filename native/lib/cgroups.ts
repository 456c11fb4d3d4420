/** Which cgroup hierarchy container runtimes use here: the one whose kernfs ids the records carry. */
import { readFileSync } from 'node:fs';

export interface CgroupHierarchy {
  /** Mount point; the inode number of each folder below it is the cgroup's id. */
  readonly mount: string;
  /** v1 controller, empty for the unified hierarchy. */
  readonly controller: string;
  /** Id in /proc/cgroups, 0 for the unified hierarchy. */
  readonly id: number;
}

/** Controllers that every runtime sets up, best first. */
const CONTROLLERS = ['pids', 'memory', 'cpu', 'devices', 'freezer'];

/** Decides from the texts of /proc/mounts and /proc/cgroups. On hybrid systems runtimes use the v1 controllers. */
export function hierarchyFrom(mounts: string, cgroups: string): CgroupHierarchy {
  const entries = mounts.split('\n').map((line) => line.split(' '));
  const ids = new Map(
    cgroups
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([name = '', id]) => [name, Number(id)]),
  );
  for (const controller of CONTROLLERS) {
    const entry = entries.find(
      ([, , type, options]) => type === 'cgroup' && options?.split(',').includes(controller),
    );
    const id = ids.get(controller);
    if (entry?.[1] && id) return { mount: unescapeMount(entry[1]), controller, id };
  }
  const unified = entries.find(([, , type]) => type === 'cgroup2')?.[1] ?? '/sys/fs/cgroup';
  return { mount: unescapeMount(unified), controller: '', id: 0 };
}

export const currentHierarchy = (): CgroupHierarchy =>
  hierarchyFrom(readFileSync('/proc/mounts', 'utf8'), readFileSync('/proc/cgroups', 'utf8'));

/** /proc/mounts writes blanks and backslashes as octal. */
const unescapeMount = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
