import { resolve } from 'node:path';
import type { ByteString } from '../../rules/field.ts';
import type { ContainerFacts, ContainerRuntime, Mount } from '../container.ts';
import {
  elements,
  type Json,
  member,
  present,
  readOwnedJson,
  text,
  textMap,
  texts,
} from './json-value.ts';

/** Facts of a bundle and the runtime its annotations give away. */
export interface BundleFacts {
  readonly facts: ContainerFacts;
  readonly runtime: ContainerRuntime | undefined;
  /** Data root of the Docker that made the bundle: it binds files of its own into every container. */
  readonly dockerRoot: string | undefined;
  /** Where its cgroup must be, as `linux.cgroupsPath` says it. */
  readonly cgroupsPath: ByteString | undefined;
}

/** A bundle as it lies on disk. */
export interface Bundle extends BundleFacts {
  readonly folder: string;
  /** Whether only root can have written it. */
  readonly byRoot: boolean;
}

type Annotations = ReadonlyMap<ByteString, ByteString>;

/** Reads the specification a runtime writes before the first process of a container runs. */
export async function readBundle(folder: string): Promise<Bundle | undefined> {
  const file = await readOwnedJson(`${folder}/config.json`);
  if (file === undefined) return undefined;
  const { facts, ...rest } = bundleFacts(file.value);
  const root = member(file.value, 'root', 'path');
  const place = typeof root === 'string' && root !== '' ? { root: resolve(folder, root) } : {};
  return { ...rest, facts: { ...facts, ...place }, folder, byRoot: file.uid === 0 };
}

/** What a specification tells of a container. */
export function bundleFacts(spec: Json): BundleFacts {
  const annotations: Annotations = textMap(member(spec, 'annotations')) ?? new Map();
  const first = (...keys: string[]): ByteString | undefined =>
    keys.map((key) => annotations.get(key)).find((value) => value !== undefined && value !== '');
  const facts = present<ContainerFacts>({
    name: first(
      'io.kubernetes.cri.container-name',
      'io.kubernetes.container.name',
      'io.kubernetes.cri-o.ContainerName',
      'nerdctl/name',
      'io.kubernetes.cri.sandbox-name',
    ),
    image: first(
      'io.kubernetes.cri.image-name',
      'io.kubernetes.cri-o.ImageName',
      'io.kubernetes.cri-o.UserRequestedImage',
      'io.container.manager.image',
    ),
    privileged:
      annotations.get('io.podman.annotations.privileged') === 'TRUE' || isPrivileged(spec),
    mounts: elements(member(spec, 'mounts')).filter(isBind).map(mountOf),
    environment: texts(member(spec, 'process', 'env')),
    labels: annotations.size === 0 ? undefined : annotations,
    hostPid: sharesNamespace(spec, 'pid'),
    hostNetwork: sharesNamespace(spec, 'network'),
    hostIpc: sharesNamespace(spec, 'ipc'),
    podName: first('io.kubernetes.cri.sandbox-name', 'io.kubernetes.pod.name'),
    podNamespace: first('io.kubernetes.cri.sandbox-namespace', 'io.kubernetes.pod.namespace'),
    podUid: first('io.kubernetes.cri.sandbox-uid', 'io.kubernetes.pod.uid'),
    podSandboxId: first('io.kubernetes.cri.sandbox-id', 'io.kubernetes.cri-o.SandboxID'),
    podLabels: labelsIn(annotations.get('io.kubernetes.cri-o.Labels')),
    ip: first('io.kubernetes.cri-o.IP.0'),
    cni: first('io.kubernetes.cri-o.CNIResult'),
  });
  return {
    facts,
    runtime: runtimeOf(annotations),
    dockerRoot: dockerRootIn(facts.mounts ?? []),
    cgroupsPath: text(member(spec, 'linux', 'cgroupsPath')),
  };
}

const DOCKER_FILE = /^(\/.*)\/containers\/[0-9a-f]{64}\/(?:hostname|hosts|resolv\.conf)$/;

function dockerRootIn(mounts: readonly Mount[]): string | undefined {
  return mounts
    .map(({ source }) => DOCKER_FILE.exec(source)?.[1])
    .find((root) => root !== undefined);
}

function runtimeOf(annotations: Annotations): ContainerRuntime | undefined {
  // Podman sets some annotations of CRI-O too.
  if (annotations.get('io.container.manager') === 'libpod') return 'podman';
  const keys = [...annotations.keys()];
  if (keys.some((key) => key.startsWith('io.kubernetes.cri-o.'))) return 'cri-o';
  if (keys.some((key) => key.startsWith('io.kubernetes.cri.') || key.startsWith('nerdctl/'))) {
    return 'containerd';
  }
  return undefined;
}

function labelsIn(json: ByteString | undefined): ContainerFacts['podLabels'] {
  if (json === undefined) return undefined;
  try {
    return textMap(JSON.parse(Buffer.from(json, 'latin1').toString('utf8')));
  } catch {
    return undefined;
  }
}

/** No runtime writes "privileged" into the specification: it shows as the absence of every fence. */
function isPrivileged(spec: Json): boolean {
  const fences = [
    ...elements(member(spec, 'linux', 'maskedPaths')),
    ...elements(member(spec, 'linux', 'readonlyPaths')),
  ];
  const profile = text(member(spec, 'process', 'apparmorProfile'));
  const bounding = texts(member(spec, 'process', 'capabilities', 'bounding'));
  return (
    fences.length === 0 &&
    member(spec, 'linux', 'seccomp') === undefined &&
    (profile === undefined || profile === 'unconfined') &&
    text(member(spec, 'process', 'selinuxLabel')) === undefined &&
    bounding.includes('CAP_SYS_ADMIN') &&
    !elements(member(spec, 'mounts')).some(isReadOnlySystemMount)
  );
}

function isReadOnlySystemMount(mount: Json): boolean {
  const type = text(member(mount, 'type'));
  return (
    (type === 'sysfs' || type === 'cgroup' || type === 'cgroup2') && options(mount).includes('ro')
  );
}

function options(mount: Json): readonly ByteString[] {
  return texts(member(mount, 'options'));
}

function isBind(mount: Json): boolean {
  return (
    text(member(mount, 'type')) === 'bind' || options(mount).some((one) => /^r?bind$/.test(one))
  );
}

function mountOf(mount: Json): Mount {
  const given = options(mount);
  return {
    source: text(member(mount, 'source')) ?? '',
    destination: text(member(mount, 'destination')) ?? '',
    mode: '',
    writable: !given.includes('ro'),
    propagation: given.find((one) => /^r?(?:private|shared|slave)$/.test(one)) ?? 'private',
  };
}

/** Whether the container has no namespace of its own of this type. */
function sharesNamespace(spec: Json, type: string): boolean | undefined {
  const namespaces = elements(member(spec, 'linux', 'namespaces'));
  if (namespaces.length === 0) return undefined;
  return !namespaces.some((one) => text(member(one, 'type')) === type);
}
