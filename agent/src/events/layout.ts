/** What the state needs of the record's layout, so that only this folder and the probe know the native package. */
export {
  CGROUP_ATTACH,
  CGROUP_MKDIR,
  CGROUP_RMDIR,
  cgroupLayout,
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
} from '@tocsin/native';
