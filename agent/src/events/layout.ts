import * as native from '@tocsin/native';

/** What the state needs of the record's layout, so that only this folder and the probe know the native package. */
export {
  CGROUP_ATTACH,
  CGROUP_MKDIR,
  CGROUP_RMDIR,
  cgroupLayout,
  EVENT_ABI,
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_EXE_DELETED,
  EVENT_EXE_MEMFD,
  EVENT_EXEC,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_PATH,
  EVENT_PIDNS,
  execLayout,
  exitLayout,
  forkLayout,
  headerLayout,
} from '@tocsin/native';

/** Byte offsets of the fields of a record's parts by name, and their `size`. */
export type RecordLayouts = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** The layout of every part of records. */
export const RECORD_LAYOUTS: RecordLayouts = Object.fromEntries(
  Object.entries(native).flatMap(([name, value]) =>
    name.endsWith('Layout') ? [[name.replace(/Layout$/, ''), value as Record<string, number>]] : [],
  ),
);
