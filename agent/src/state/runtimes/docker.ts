import { get } from 'node:http';
import { join } from 'node:path';
import type { ByteString } from '../../rules/field.ts';
import type { ContainerFacts, Mount } from '../container.ts';
import { healthcheckOf, probesOfLabels } from '../health-probes.ts';
import { parseImageReference } from '../image-reference.ts';
import {
  elements,
  flag,
  type Json,
  member,
  present,
  readJson,
  text,
  textMap,
  texts,
  values,
} from './json-value.ts';

const ANSWER_LIMIT = 4 * 1024 * 1024;

/** What Docker tells of a container. */
export interface DockerFacts {
  readonly facts: ContainerFacts;
  /** Where its cgroup may be. */
  readonly cgroupsPaths: readonly ByteString[];
}

/** What `docker` wrote below its data root before the container starts. */
export async function readDockerFiles(
  dataRoot: string,
  id: string,
): Promise<DockerFacts | undefined> {
  const folder = join(dataRoot, 'containers', id);
  const config = await readJson(join(folder, 'config.v2.json'));
  if (config === undefined) return undefined;
  const hostConfig = await readJson(join(folder, 'hostconfig.json'));
  const facts = factsOf(config, hostConfig, values(member(config, 'MountPoints')));
  return {
    facts: { ...facts, ...imageFacts(config, await namesIn(dataRoot, config)) },
    cgroupsPaths: cgroupsPathsOf(id, hostConfig),
  };
}

/** The names of a container's image, with tags and with digests, as Docker keeps them. */
async function namesIn(dataRoot: string, config: Json): Promise<readonly ByteString[]> {
  const driver = text(member(config, 'Driver')) ?? '';
  if (!/^[a-z0-9]+$/.test(driver)) return [];
  const file = await readJson(join(dataRoot, 'image', driver, 'repositories.json'));
  const image = text(member(config, 'Image'));
  return values(member(file, 'Repositories')).flatMap((names) =>
    [...(textMap(names) ?? [])].filter(([, id]) => id === image).map(([name]) => name),
  );
}

/** What the names of an image say of the reference it was started by, which may leave out the tag, or be an id. */
function imageFacts(config: Json, names: readonly ByteString[]): ContainerFacts {
  const given = text(member(config, 'Config', 'Image')) ?? '';
  const familiar = given.replace(/^(?:index\.)?docker\.io\/(?:library\/)?/, '');
  const { repository, tag, digest } = parseImageReference(familiar);
  const own = names.filter((name) => parseImageReference(name).repository === repository);
  if (own.length === 0 && isIdOf(given, text(member(config, 'Image')) ?? '')) {
    const imageName = names.find((name) => !name.includes('@')) ?? names[0];
    return present<ContainerFacts>({ imageName, imageDigest: digestIn(names) });
  }
  const isWhole = repository === '' || tag !== '' || digest !== '';
  const name = isWhole ? familiar : `${familiar}:latest`;
  return present<ContainerFacts>({
    imageName: name === given ? undefined : name,
    imageDigest: digestIn(own),
  });
}

/** Whether a reference is the id or the beginning of it. */
function isIdOf(reference: ByteString, id: ByteString): boolean {
  const digits = reference.replace(/^sha256:/, '');
  return digits !== '' && id.replace(/^sha256:/, '').startsWith(digits);
}

function digestIn(names: readonly ByteString[]): ByteString | undefined {
  return names.map((name) => parseImageReference(name).digest).find((digest) => digest !== '');
}

function cgroupsPathsOf(id: string, hostConfig: Json): ByteString[] {
  const parent = text(member(hostConfig, 'CgroupParent'));
  if (parent?.endsWith('.slice')) return [`${parent}:docker:${id}`];
  return parent === undefined
    ? [`/docker/${id}`, `system.slice:docker:${id}`]
    : [`${parent}/${id}`];
}

/** Asks a daemon that speaks Docker's API, as Podman does too, for a container. */
export async function askDocker(
  socket: string,
  id: string,
  deadlineMs = 1000,
): Promise<DockerFacts | undefined> {
  if (!/^[0-9a-f]{12,64}$/.test(id)) return undefined;
  const answer = await request(socket, `/containers/${id}/json`, deadlineMs);
  if (answer === undefined) return undefined;
  const hostConfig = member(answer, 'HostConfig');
  const image = await imageAt(socket, answer, deadlineMs);
  const names = ['RepoTags', 'RepoDigests'].flatMap((key) => texts(member(image, key)));
  return {
    facts: {
      ...factsOf(answer, hostConfig, elements(member(answer, 'Mounts'))),
      ...imageFacts(answer, names),
    },
    cgroupsPaths: cgroupsPathsOf(id, hostConfig),
  };
}

function imageAt(socket: string, container: Json, deadlineMs: number): Promise<Json> {
  const id = text(member(container, 'Image')) ?? '';
  if (!/^sha256:[0-9a-f]{64}$/.test(id)) return Promise.resolve(undefined);
  return request(socket, `/images/${id}/json`, deadlineMs);
}

/** Where the daemon keeps its files, or undefined when it does not answer. */
export async function askDockerRoot(
  socket: string,
  deadlineMs = 1000,
): Promise<string | undefined> {
  const root = member(await request(socket, '/info', deadlineMs), 'DockerRootDir');
  return typeof root === 'string' && root.startsWith('/') ? root : undefined;
}

function request(socketPath: string, path: string, deadlineMs: number): Promise<Json> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(deadlineMs);
    const call = get(
      { socketPath, path, signal, agent: false, headers: { host: 'docker' } },
      (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size > ANSWER_LIMIT) call.destroy();
          else parts.push(part);
        });
        answer.on('end', () => resolve(answer.statusCode === 200 ? parse(parts) : undefined));
        answer.on('error', () => resolve(undefined));
        answer.on('close', () => resolve(undefined));
      },
    );
    call.on('error', () => resolve(undefined));
  });
}

function parse(parts: readonly Buffer[]): Json {
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return undefined;
  }
}

function factsOf(config: Json, hostConfig: Json, mounts: readonly Json[]): ContainerFacts {
  const labels = textMap(member(config, 'Config', 'Labels'));
  const networks = values(member(config, 'NetworkSettings', 'Networks'));
  return present<ContainerFacts>({
    name: text(member(config, 'Name'))?.replace(/^\//, ''),
    image: text(member(config, 'Config', 'Image')),
    imageId: text(member(config, 'Image'))
      ?.replace(/^sha256:/, '')
      .slice(0, 12),
    privileged: flag(member(hostConfig, 'Privileged')),
    mounts: mounts.map(mountOf),
    labels,
    environment: texts(member(config, 'Config', 'Env')),
    healthcheck: healthcheckOf(texts(member(config, 'Config', 'Healthcheck', 'Test'))),
    ...probesOfLabels(labels),
    ip: networks.map((one) => text(member(one, 'IPAddress'))).find((one) => one !== undefined),
    hostPid: isHost(hostConfig, 'PidMode'),
    hostNetwork: isHost(hostConfig, 'NetworkMode'),
    hostIpc: isHost(hostConfig, 'IpcMode'),
    podName: labels?.get('io.kubernetes.pod.name'),
    podNamespace: labels?.get('io.kubernetes.pod.namespace'),
    podUid: labels?.get('io.kubernetes.pod.uid'),
    podSandboxId: labels?.get('io.kubernetes.sandbox.id'),
  });
}

function isHost(hostConfig: Json, key: string): boolean | undefined {
  const mode = text(member(hostConfig, key));
  return mode === undefined ? undefined : mode === 'host';
}

function mountOf(value: Json): Mount {
  return {
    source: text(member(value, 'Source')) ?? '',
    destination: text(member(value, 'Destination')) ?? '',
    mode: text(member(value, 'Mode')) ?? text(member(value, 'Relabel')) ?? '',
    writable: flag(member(value, 'RW')) ?? false,
    propagation: text(member(value, 'Propagation')) ?? '',
  };
}
