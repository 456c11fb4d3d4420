import * as native from '@tocsin/native';

/** What state and captures need of the record's layout, so that only this folder and the probe know the native package. */
export {
  CGROUP_ATTACH,
  CGROUP_MKDIR,
  CGROUP_RMDIR,
  callLayout,
  cgroupLayout,
  EVENT_ABI,
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_EXE_DELETED,
  EVENT_EXE_MEMFD,
  EVENT_EXE_OVERLAY,
  EVENT_EXE_UPPER,
  EVENT_EXE_WRITABLE,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  EVENT_FORK,
  EVENT_FROM_FD,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  EVENT_PIDNS,
  EVENT_SOCKET,
  EVENT_TRUNCATED,
  execLayout,
  exitLayout,
  forkLayout,
  headerLayout,
  openLayout,
  pathLayout,
  pathsLayout,
  socketLayout,
  usageLayout,
} from '@tocsin/native';

/** Byte offsets of the fields of a record's parts by name, and their `size`. */
export type RecordLayouts = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** The layout of every part of records. */
export const RECORD_LAYOUTS: RecordLayouts = Object.fromEntries(
  Object.entries(native).flatMap(([name, value]) =>
    name.endsWith('Layout') ? [[name.replace(/Layout$/, ''), value as Record<string, number>]] : [],
  ),
);
