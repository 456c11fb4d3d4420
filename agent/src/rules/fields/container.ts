import type { FieldDefinition } from '../field.ts';
import { field, INDEX_OR_KEY, REQUIRED_KEY, SUGGESTED } from './define.ts';

const MOUNT = { argument: { required: true, kind: 'index-or-key' } } as const;

/** The container the event happened in. */
export const CONTAINER_FIELDS: readonly FieldDefinition[] = [
  field('container.id', 'string', 'First 12 characters of the container id, or `host`.', SUGGESTED),
  field('container.full_id', 'string', 'Whole container id.'),
  field('container.name', 'string', 'Name of the container.', SUGGESTED),
  field('container.image', 'string', 'Image with its tag.'),
  field('container.image.id', 'string', 'Image id.'),
  field('container.type', 'string', 'Runtime: docker, cri-o, containerd, podman and so on.'),
  field('container.privileged', 'bool', 'Whether the container is privileged.'),
  field('container.mounts', 'string', 'All mounts as `source:dest:mode:rdwr:propagation`.'),
  field('container.mount', 'string', 'One mount, by index or a pattern of its source.', MOUNT),
  field(
    'container.mount.source',
    'string',
    'Source of a mount, by index or a pattern of its destination.',
    MOUNT,
  ),
  field(
    'container.mount.dest',
    'string',
    'Destination of a mount, by index or a pattern of its source.',
    MOUNT,
  ),
  field(
    'container.mount.mode',
    'string',
    'Mode of a mount, by index or a pattern of its source.',
    MOUNT,
  ),
  field(
    'container.mount.rdwr',
    'string',
    'Whether a mount is writable, by index or a pattern of its source.',
    MOUNT,
  ),
  field(
    'container.mount.propagation',
    'string',
    'Propagation of a mount, by index or a pattern of its source.',
    MOUNT,
  ),
  field('container.image.repository', 'string', 'Image without its tag.', SUGGESTED),
  field('container.image.tag', 'string', 'Tag of the image.', SUGGESTED),
  field('container.image.digest', 'string', 'Digest of the image.'),
  field('container.healthcheck', 'string', 'Health check command.'),
  field('container.liveness_probe', 'string', 'Liveness probe command.'),
  field('container.readiness_probe', 'string', 'Readiness probe command.'),
  field('container.start_ts', 'abstime', 'When the container began.'),
  field('container.duration', 'reltime', 'Nanoseconds since the container began.'),
  field('container.ip', 'string', 'Address of the container.'),
  field('container.cni.json', 'string', 'CNI result of the container.'),
  field(
    'container.unconfirmed',
    'bool',
    'Whether only the name of the cgroup, which can be imitated, tells of the container, and nothing of root.',
  ),
  field('container.host_pid', 'bool', 'Whether it shares the pid namespace of the host.'),
  field('container.host_network', 'bool', 'Whether it shares the network namespace of the host.'),
  field('container.host_ipc', 'bool', 'Whether it shares the IPC namespace of the host.'),
  field('container.label', 'string', 'One label.', REQUIRED_KEY),
  field('container.labels', 'string', 'All labels.'),
  field('container.info', 'string', 'Filled in by the output; nothing in conditions.'),
];

/** The pod the event happened in. */
export const KUBERNETES_FIELDS: readonly FieldDefinition[] = [
  field('k8s.pod.name', 'string', 'Name of the pod.', SUGGESTED),
  field('k8s.ns.name', 'string', 'Namespace of the pod.', SUGGESTED),
  field('k8s.pod.id', 'string', 'Id of the pod.'),
  field('k8s.pod.uid', 'string', 'Uid of the pod.'),
  field('k8s.pod.sandbox_id', 'string', 'First 12 characters of the sandbox id.'),
  field('k8s.pod.full_sandbox_id', 'string', 'Whole sandbox id.'),
  field('k8s.pod.label', 'string', 'One label of the pod.', REQUIRED_KEY),
  field('k8s.pod.labels', 'string', 'All labels of the pod.'),
  field('k8s.pod.ip', 'string', 'Address of the pod.'),
  field('k8s.pod.cni.json', 'string', 'CNI result of the pod.'),
  ...(
    [
      ['rc', 'replication controller'],
      ['svc', 'services that select the pod'],
      ['rs', 'replica set'],
      ['deployment', 'deployment'],
      ['ns', 'namespace'],
    ] as const
  ).flatMap(([kind, what]) => [
    ...(kind === 'ns' ? [] : [field(`k8s.${kind}.name`, 'string', `Name of the ${what}.`)]),
    field(`k8s.${kind}.id`, 'string', `Uid of the ${what}, from the Kubernetes API.`),
    field(
      `k8s.${kind}.label`,
      'string',
      `One label of the ${what}, from the Kubernetes API.`,
      INDEX_OR_KEY,
    ),
    field(`k8s.${kind}.labels`, 'string', `All labels of the ${what}, from the Kubernetes API.`),
  ]),
];
