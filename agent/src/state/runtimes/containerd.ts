/**
 * What containerd keeps of a container besides its bundle: the image that `ctr` was given, and of Kubernetes the labels and the
 * addresses of the pod, which are those of its sandbox.
 */
import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContainerFacts } from '../container.ts';
import { callGrpc } from './grpc.ts';
import { flag, type Json, member, present, text, textMap, texts } from './json-value.ts';
import {
  type Message,
  mapEntries,
  messageField,
  readMessage,
  textField,
  textMessage,
} from './protobuf.ts';

/** A container by containerd's own naming. */
export interface ContainerdName {
  readonly socket: string;
  readonly namespace: string;
  readonly id: string;
}

const TASKS = /^(\/.+)\/io\.containerd\.runtime\.v2\.task\/([^/]+)\/([^/]+)$/;
const DEADLINE_MS = 1000;

/** The container a bundle belongs to, and the socket of the daemon that made it; undefined for bundles of other runtimes. */
export async function containerdOf(bundle: string): Promise<ContainerdName | undefined> {
  const [, state = '', namespace = '', id = ''] = TASKS.exec(bundle) ?? [];
  if (id === '') return undefined;
  for (const folder of [state, dirname(state)]) {
    const socket = join(folder, 'containerd.sock');
    const stats = await lstat(socket).catch(() => undefined);
    if (stats?.isSocket() && stats.uid === 0) return { socket, namespace, id };
  }
  return undefined;
}

/** Asks the daemon for a container and its pod. */
export async function askContainerd(
  name: ContainerdName,
  deadlineMs = DEADLINE_MS,
): Promise<ContainerFacts | undefined> {
  const container = await getContainer(name, deadlineMs);
  if (container === undefined) return undefined;
  const facts = factsOf(container);
  const { image, podSandboxId } = facts;
  const digest = image === undefined ? undefined : await getDigest(name, image, deadlineMs);
  const sandbox =
    podSandboxId === undefined || podSandboxId === name.id
      ? container
      : await getContainer({ ...name, id: podSandboxId }, deadlineMs);
  return present<ContainerFacts>({
    ...facts,
    imageDigest: digest,
    ...(podSandboxId !== undefined && sandbox !== undefined && podFactsOf(sandbox)),
  });
}

async function getContainer(
  name: ContainerdName,
  deadlineMs: number,
): Promise<Message | undefined> {
  const answer = await call(name, 'containers.v1.Containers', name.id, deadlineMs);
  return messageField(answer, 1);
}

async function getDigest(
  name: ContainerdName,
  image: string,
  deadlineMs: number,
): Promise<string | undefined> {
  const answer = await call(name, 'images.v1.Images', image, deadlineMs);
  return textField(messageField(messageField(answer, 1), 3), 2);
}

async function call(
  { socket, namespace }: ContainerdName,
  service: string,
  key: string,
  deadlineMs: number,
): Promise<Message | undefined> {
  if (Buffer.byteLength(key) > 127) return undefined;
  const answer = await callGrpc(textMessage(key), {
    socket,
    path: `/containerd.services.${service}/Get`,
    headers: { 'containerd-namespace': namespace },
    deadlineMs,
  });
  return answer && readMessage(answer);
}

function factsOf(container: Message): ContainerFacts {
  const labels = labelsOf(container);
  const metadata = extension(container, 'io.cri-containerd.container.metadata');
  const isSandbox = labels?.get('io.cri-containerd.kind') === 'sandbox';
  const id = textField(container, 1);
  return present<ContainerFacts>({
    name: labels?.get('io.kubernetes.container.name') ?? labels?.get('nerdctl/name') ?? text(id),
    image: text(textField(container, 3)),
    imageId: text(member(metadata, 'ImageRef'))
      ?.replace(/^sha256:/, '')
      .slice(0, 12),
    labels,
    privileged: flag(member(metadata, 'Config', 'linux', 'security_context', 'privileged')),
    podSandboxId: isSandbox ? text(id) : text(member(metadata, 'SandboxID')),
    podName: labels?.get('io.kubernetes.pod.name'),
    podNamespace: labels?.get('io.kubernetes.pod.namespace'),
    podUid: labels?.get('io.kubernetes.pod.uid'),
  });
}

/** The labels that Kubernetes adds to those of the pod begin so. */
const KUBERNETES = /^io\.(?:kubernetes|cri-containerd)\./;

function podFactsOf(sandbox: Message): ContainerFacts {
  const metadata = extension(sandbox, 'io.cri-containerd.sandbox.metadata');
  const own = textMap(member(metadata, 'Config', 'labels')) ?? labelsOf(sandbox);
  const cni = member(metadata, 'CNIResult');
  return present<ContainerFacts>({
    podLabels: own && new Map([...own].filter(([key]) => !KUBERNETES.test(key))),
    ip: text(member(metadata, 'IP')) ?? texts(member(metadata, 'AdditionalIPs'))[0],
    cni: cni === undefined || cni === null ? undefined : text(JSON.stringify(cni)),
  });
}

function labelsOf(container: Message): ContainerFacts['labels'] {
  const labels = mapEntries(container, 2).map(([key, value]) => [key, value.toString('utf8')]);
  return labels.length === 0 ? undefined : textMap(Object.fromEntries(labels));
}

/** What the CRI plugin keeps with a container, as JSON of its own making. */
function extension(container: Message, name: string): Json {
  const any = mapEntries(container, 10).find(([key]) => key === name)?.[1];
  const value = textField(any && readMessage(any), 2);
  try {
    return value === undefined ? undefined : member(JSON.parse(value), 'Metadata');
  } catch {
    return undefined;
  }
}
