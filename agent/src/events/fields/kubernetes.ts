/** The pod of an event and what it belongs to: from its runtime at once, and from the Kubernetes API where that is configured. */
import type { ByteString, Value } from '../../rules/field.ts';
import type { ContainerFacts } from '../../state/container.ts';
import { type Owner, type OwnerKind, ownersByLabel, type Pod } from '../../state/kubernetes/pod.ts';
import { type Binder, podOf } from './context.ts';
import { type Labels, labelText } from './labels.ts';

/** A fact of the pod; `pod` is what the API tells. */
function ofPod(read: (facts: ContainerFacts, pod: Pod | undefined) => Value | undefined): Binder {
  return (context) =>
    ({ container: { facts } }) =>
      facts && read(facts, podOf(context, facts));
}

/** A fact that containers outside of pods have as well, but not as one of a pod. */
function inPod(read: (facts: ContainerFacts, pod: Pod | undefined) => Value | undefined): Binder {
  return ofPod((facts, pod) => (facts.podName === undefined ? undefined : read(facts, pod)));
}

const labelsOf = ({ podLabels, labels }: ContainerFacts, pod: Pod | undefined): Labels =>
  podLabels ?? pod?.labels ?? labels;

const label: Binder = (context, key) =>
  key === undefined
    ? undefined
    : inPod((facts, pod) => labelsOf(facts, pod)?.get(key))(context, undefined);

/** What of these kinds the pod belongs to; several services are joined by commas. */
function ofOwners(kind: OwnerKind, read: (owner: Owner) => ByteString | undefined): Binder {
  return ofPod((facts, pod) => {
    const guessed = ownersByLabel(facts.podName ?? '', labelsOf(facts, pod));
    const owners = pod?.owners[kind] ?? guessed[kind] ?? [];
    const values = owners.map(read).filter((one) => one !== undefined);
    return values.length === 0 ? undefined : values.join(', ');
  });
}

function ownerFields(kind: OwnerKind): [string, Binder][] {
  const ownLabel: Binder = (context, key) =>
    key === undefined
      ? undefined
      : ofOwners(kind, ({ labels }) => labels?.get(key))(context, undefined);
  return [
    ...(kind === 'ns'
      ? []
      : [[`k8s.${kind}.name`, ofOwners(kind, ({ name }) => name)] as [string, Binder]]),
    [`k8s.${kind}.id`, ofOwners(kind, ({ id }) => id)],
    [`k8s.${kind}.label`, ownLabel],
    [`k8s.${kind}.labels`, ofOwners(kind, ({ labels }) => labelText(labels))],
  ];
}

export const kubernetesFields: readonly [string, Binder][] = [
  ['k8s.pod.name', ofPod(({ podName }) => podName)],
  ['k8s.ns.name', ofPod(({ podNamespace }) => podNamespace)],
  ['k8s.pod.id', ofPod(({ podUid }) => podUid)],
  ['k8s.pod.uid', ofPod(({ podUid }) => podUid)],
  ['k8s.pod.sandbox_id', ofPod(({ podSandboxId }) => podSandboxId?.slice(0, 12))],
  ['k8s.pod.full_sandbox_id', ofPod(({ podSandboxId }) => podSandboxId)],
  ['k8s.pod.ip', inPod(({ ip }, pod) => ip ?? pod?.ip)],
  ['k8s.pod.cni.json', inPod(({ cni }) => cni)],
  ['k8s.pod.labels', inPod((facts, pod) => labelText(labelsOf(facts, pod)))],
  ['k8s.pod.label', label],
  ...(['rc', 'svc', 'rs', 'deployment', 'ns'] as const).flatMap(ownerFields),
];
