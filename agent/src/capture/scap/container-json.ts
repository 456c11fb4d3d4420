/** What captures tell of containers, as JSON. */
import { bytesOf, textOf } from '../../rules/byte-string.ts';
import type { ByteString } from '../../rules/field.ts';
import type { ContainerFacts, Mount } from '../../state/container.ts';

type Json = Record<string, unknown>;

/** Runtimes by the numbers of captures. */
const RUNTIMES: Readonly<Record<number, string>> = {
  0: 'docker',
  1: 'lxc',
  2: 'libvirt-lxc',
  3: 'mesos',
  6: 'docker',
  7: 'containerd',
  8: 'cri-o',
  9: 'containerd',
  10: 'bpm',
  11: 'podman',
};

/** Facts of one container; undefined when the text tells none. */
export function containerFactsOf(
  json: ByteString,
): { id: ByteString; runtime: string; facts: ContainerFacts } | undefined {
  const outer = parse(textOf(json));
  const one = isJson(outer?.['container']) ? outer['container'] : outer;
  const id = text(one?.['full_id']) || text(one?.['id']);
  if (one === undefined || !id) return undefined;
  const labels = pairs(one['labels']);
  const label = (name: string) => labels?.get(`io.kubernetes.${name}`);
  const facts = withoutMissing({
    name: text(one['name']),
    image: text(one['image']),
    imageName: imageName(text(one['imagerepo']), text(one['imagetag'])),
    imageId: text(one['imageid'])
      ?.replace(/^sha256:/, '')
      .slice(0, 12),
    imageDigest: text(one['imagedigest']),
    privileged: flag(one['privileged']),
    mounts: mounts(one['Mounts']),
    labels,
    environment: texts(one['env']),
    hostPid: flag(one['host_pid']),
    hostNetwork: flag(one['host_network']),
    hostIpc: flag(one['host_ipc']),
    ip: text(one['ip']),
    healthcheck: probe(one['Healthcheck']),
    livenessProbe: probe(one['LivenessProbe']),
    readinessProbe: probe(one['ReadinessProbe']),
    podName: label('pod.name'),
    podNamespace: label('pod.namespace'),
    podUid: label('pod.uid'),
    podSandboxId: text(one['pod_sandbox_id']),
    podLabels: pairs(one['pod_sandbox_labels']),
  });
  const runtime = RUNTIMES[typeof one['type'] === 'number' ? one['type'] : -1] ?? 'docker';
  return { id, runtime, facts };
}

function imageName(repository = '', tag = ''): ByteString | undefined {
  if (repository === '') return undefined;
  return tag === '' ? repository : `${repository}:${tag}`;
}

function parse(json: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown) =>
  typeof value === 'string' && value !== '' ? bytesOf(value) : undefined;
const flag = (value: unknown) => (typeof value === 'boolean' ? value : undefined);

function texts(value: unknown): ByteString[] | undefined {
  return Array.isArray(value)
    ? value.filter((one) => typeof one === 'string').map(bytesOf)
    : undefined;
}

function pairs(value: unknown): Map<ByteString, ByteString> | undefined {
  if (!isJson(value)) return undefined;
  return new Map(
    Object.entries(value).flatMap(([key, one]) =>
      typeof one === 'string' ? [[bytesOf(key), bytesOf(one)] as const] : [],
    ),
  );
}

/** argv of a probe, told as its program and the rest. */
function probe(value: unknown): ByteString | undefined {
  if (!isJson(value)) return undefined;
  const words = [text(value['exe']) ?? '', ...(texts(value['args']) ?? [])];
  return words[0] === '' ? undefined : words.join('\0');
}

function mounts(value: unknown): Mount[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter(isJson).map((one) => ({
    source: text(one['Source']) ?? '',
    destination: text(one['Destination']) ?? '',
    mode: text(one['Mode']) ?? '',
    writable: one['RW'] === true,
    propagation: text(one['Propagation']) ?? '',
  }));
}

/** Facts without those that nothing was told of. */
function withoutMissing(
  facts: {
    [name in keyof ContainerFacts]: ContainerFacts[name] | undefined;
  },
): ContainerFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
