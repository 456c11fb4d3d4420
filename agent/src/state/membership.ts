import type { ByteString } from '../rules/field.ts';

/** The subsystems that fields tell of, in their order. */
const SUBSYSTEMS: readonly ByteString[] = ['cpuset', 'cpu', 'cpuacct', 'io', 'memory'];
/** Their names in hierarchies of version 1, where those are others. */
const OLD_NAMES: ReadonlyMap<ByteString, ByteString> = new Map([['io', 'blkio']]);

/** A cgroup of the unified hierarchy is one of every subsystem. */
export function everywhere(path: ByteString): ReadonlyMap<ByteString, ByteString> {
  return new Map(SUBSYSTEMS.map((name) => [name, path]));
}

/** The paths in the text of a /proc/<pid>/cgroup. A subsystem without a hierarchy of its own is in the unified one. */
export function pathsBySubsystem(text: ByteString): ReadonlyMap<ByteString, ByteString> {
  const told = new Map<ByteString, ByteString>();
  for (const line of text.split('\n')) {
    const [, names, ...path] = line.split(':');
    for (const name of names?.split(',') ?? []) told.set(name, path.join(':'));
  }
  const paths = new Map<ByteString, ByteString>();
  for (const name of SUBSYSTEMS) {
    const path = told.get(name) ?? told.get(OLD_NAMES.get(name) ?? name) ?? told.get('');
    if (path !== undefined) paths.set(name, path);
  }
  return paths;
}
