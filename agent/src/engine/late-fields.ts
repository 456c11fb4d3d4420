import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';

/** What the cgroup and the process tell of a container at once. */
const AT_ONCE = new Set([
  'container.id',
  'container.full_id',
  'container.start_ts',
  'container.duration',
  'container.info',
]);
/** Names of users and groups of a container are read in its root folder, which its runtime tells. */
const NAMES = ['user.name', 'user.homedir', 'user.shell', 'user.loginname', 'group.name'];

const PROBES = [
  'proc.is_container_healthcheck',
  'proc.is_container_liveness_probe',
  'proc.is_container_readiness_probe',
];

/** Fields that have their values only when the facts of the event's container are there. */
export const LATE_FIELDS: ReadonlySet<string> = new Set([
  ...FIELD_DEFINITIONS.map(({ name }) => name).filter(
    (name) => /^(?:container|k8s|mesos|marathon)\./.test(name) && !AT_ONCE.has(name),
  ),
  ...NAMES,
  ...PROBES,
]);
