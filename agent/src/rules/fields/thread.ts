import type { FieldDefinition } from '../field.ts';
import { field, KEY, REQUIRED_KEY } from './define.ts';

/** The thread of the event. */
export const THREAD_FIELDS: readonly FieldDefinition[] = [
  field('thread.cap_permitted', 'string', 'Permitted capabilities by name, joined by blanks.'),
  field('thread.cap_inheritable', 'string', 'Inheritable capabilities by name, joined by blanks.'),
  field('thread.cap_effective', 'string', 'Effective capabilities by name, joined by blanks.'),
  field(
    'thread.pfmajor',
    'uint',
    'Major page faults when it was made, executed its program, or was found running.',
  ),
  field('thread.pfminor', 'uint', 'Minor page faults, then.'),
  field('thread.tid', 'int', 'Thread id.'),
  field('thread.vtid', 'int', 'Thread id in its own pid namespace.'),
  field('thread.ismain', 'bool', 'Whether it is the main thread.'),
  field('thread.exectime', 'reltime', 'Never has a value: switches are not watched.'),
  field('thread.totexectime', 'reltime', 'Never has a value: switches are not watched.'),
  field(
    'thread.cgroups',
    'string',
    'Cgroups of cpuset, cpu, cpuacct, io and memory as `subsystem=path`, joined by blanks.',
  ),
  field('thread.cgroup', 'string', 'Path of the cgroup of one subsystem.', REQUIRED_KEY),
  field('thread.cpu', 'double', 'Never has a value: it is not sampled.'),
  field('thread.cpu.user', 'double', 'Never has a value: it is not sampled.'),
  field('thread.cpu.system', 'double', 'Never has a value: it is not sampled.'),
  field('thread.vmsize', 'uint', 'As `proc.vmsize` for main threads, else 0.'),
  field('thread.vmrss', 'uint', 'As `proc.vmrss` for main threads, else 0.'),
  field('thread.vmsize.b', 'uint', 'The same in bytes.'),
  field('thread.vmrss.b', 'uint', 'The same in bytes.'),
];

/** Who the thread runs as. */
export const USER_FIELDS: readonly FieldDefinition[] = [
  field('user.uid', 'uint', 'Effective user id.', { bits: 32 }),
  field('user.name', 'string', 'Name of the effective user, `<NA>` if it has none.'),
  field('user.homedir', 'string', 'Home directory of the effective user.'),
  field('user.shell', 'string', 'Login shell of the effective user.'),
  field('user.loginuid', 'int', 'Audit user id, -1 if unset.'),
  field('user.loginname', 'string', 'Name of the audit user.'),
  field('group.gid', 'uint', 'Effective group id.', { bits: 32 }),
  field('group.name', 'string', 'Name of the effective group.'),
];

/** What a Mesos or Marathon task says of itself in labels and environment. */
export const MESOS_FIELDS: readonly FieldDefinition[] = [
  field('mesos.task.name', 'string', 'Name of the Mesos task.'),
  field('mesos.task.id', 'string', 'Id of the Mesos task.'),
  field('mesos.task.label', 'string', 'One label of the Mesos task.', REQUIRED_KEY),
  field('mesos.task.labels', 'string', 'All labels of the Mesos task.'),
  field('marathon.app.name', 'string', 'Name of the Marathon application.'),
  field('marathon.app.id', 'string', 'Id of the Marathon application.'),
  field('marathon.app.label', 'string', 'One label of the Marathon application.', KEY),
  field('marathon.app.labels', 'string', 'All labels of the Marathon application.'),
  field('marathon.group.name', 'string', 'Name of the Marathon group.'),
  field('marathon.group.id', 'string', 'Id of the Marathon group.'),
];
