import type { ByteString } from '../../rules/field.ts';
import { type HealthProbes, probesByContainer } from '../health-probes.ts';
import { elements, flag, type Json, member, text, textMap } from '../runtimes/json-value.ts';

export type Labels = ReadonlyMap<ByteString, ByteString>;

/** An object a pod belongs to. */
export interface Owner {
  readonly name: ByteString;
  readonly id?: ByteString | undefined;
  readonly labels?: Labels | undefined;
}

/** Kinds of owners, as the fields name them: `k8s.rs.name`. */
export type OwnerKind = 'rs' | 'deployment' | 'rc' | 'svc' | 'ns';

/** A pod of this node as the API tells it. */
export interface Pod {
  readonly uid: ByteString;
  readonly name: ByteString;
  readonly namespace: ByteString;
  readonly labels: Labels;
  readonly ip: ByteString | undefined;
  /** By the name of the container. */
  readonly probes: ReadonlyMap<ByteString, HealthProbes>;
  /** Several services may select one pod. */
  readonly owners: Readonly<Partial<Record<OwnerKind, readonly Owner[]>>>;
}

/** Who made an object, as its `ownerReferences` tell. */
export interface Controller {
  readonly kind: string;
  readonly owner: Owner;
}

/** Reads a pod; undefined for what is none. */
export function podOf(object: Json): Pod | undefined {
  const uid = text(member(object, 'metadata', 'uid'));
  const name = text(member(object, 'metadata', 'name'));
  const namespace = text(member(object, 'metadata', 'namespace'));
  if (uid === undefined || name === undefined || namespace === undefined) return undefined;
  const labels = labelsOf(object);
  const ip = text(member(object, 'status', 'podIP'));
  const probes = probesByContainer(object);
  return { uid, name, namespace, labels, ip, probes, owners: ownersByLabel(name, labels) };
}

export function labelsOf(object: Json): Labels {
  return textMap(member(object, 'metadata', 'labels')) ?? new Map();
}

export function ownerOf(object: Json): Owner | undefined {
  const name = text(member(object, 'metadata', 'name'));
  if (name === undefined) return undefined;
  return { name, id: text(member(object, 'metadata', 'uid')), labels: labelsOf(object) };
}

export function controllerOf(object: Json): Controller | undefined {
  const references = elements(member(object, 'metadata', 'ownerReferences'));
  const one = references.find((reference) => flag(member(reference, 'controller')));
  const kind = text(member(one, 'kind'));
  const name = text(member(one, 'name'));
  if (kind === undefined || name === undefined) return undefined;
  return { kind, owner: { name, id: text(member(one, 'uid')) } };
}

/** A deployment marks its pods with a hash that the names of its replica set and of the pod hold: `web-5d4f8c-x7k2p`. */
export function ownersByLabel(podName: ByteString, labels: Labels | undefined): Pod['owners'] {
  const hash = labels?.get('pod-template-hash');
  const set = podName.slice(0, podName.lastIndexOf('-'));
  if (hash === undefined || hash === '' || !set.endsWith(`-${hash}`)) return {};
  const deployment = set.slice(0, -hash.length - 1);
  return deployment === '' ? {} : { rs: [{ name: set }], deployment: [{ name: deployment }] };
}

/** Whether a service selects pods with these labels. Services without a selector select none. */
export function selects(service: Json, labels: Labels): boolean {
  const selector = textMap(member(service, 'spec', 'selector'));
  if (selector === undefined || selector.size === 0) return false;
  return [...selector].every(([key, value]) => labels.get(key) === value);
}
