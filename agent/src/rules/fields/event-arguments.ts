import type { FieldType } from '../field.ts';

/** Parameters of events by type, for `evt.rawarg`. */
const PARAMETERS: Readonly<Record<string, string>> = {
  int: `res fd dirfd linkdirfd olddirfd newdirfd olddir newdir oldfd newfd fd1 fd2 ret status backlog pid tid ptid pgid vtid
vpid vpgid loginuid length val reaper_tid`,
  uint: `uid gid euid egid suid sgid ruid rgid size dev ino exe_ino exe_ino_ctime exe_ino_mtime request cmd domain type proto
nstype fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap tty pidns_init_start_ts cap_inheritable cap_permitted
cap_effective addr_count queuepct queuelen queuemax sig how option arg2_int resource offset pos`,
  flags: 'flags resolve creat_flags prot in_fd out_fd',
  mode: 'mode',
  path: 'name path filename oldpath newpath linkpath dir',
  string: 'target exe comm trusted_exepath cwd arg2_str uargs',
  bytes: 'data args env cgroups tuple addr msgcontrol img',
  bool: 'core',
};

const TYPES: ReadonlyMap<string, FieldType> = new Map(
  Object.entries(PARAMETERS).flatMap(([type, names]) =>
    names.split(/\s+/).map((name): [string, FieldType] => [name, type as FieldType]),
  ),
);

/** The type of an event parameter; nothing if no event has one of that name. */
export function parameterType(name: string): FieldType | undefined {
  return TYPES.get(name);
}
