import { get } from 'node:http';
import { join } from 'node:path';
import type { ByteString } from '../../rules/field.ts';
import type { ContainerFacts, Mount } from '../container.ts';
import { healthcheckOf, probesOfLabels } from '../health-probes.ts';
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
  const digest = await digestOf(dataRoot, config);
  return {
    facts: digest === undefined ? facts : { ...facts, imageDigest: digest },
    cgroupsPaths: cgroupsPathsOf(id, hostConfig),
  };
}

/** What the registry calls the image, kept beside the names of images. */
async function digestOf(dataRoot: string, config: Json): Promise<ByteString | undefined> {
  const driver = text(member(config, 'Driver')) ?? '';
  const repository = text(member(config, 'Config', 'Image'))?.replace(/(?:@.*|:[^/:]*)$/, '');
  const image = member(config, 'Image');
  if (!/^[a-z0-9]+$/.test(driver) || repository === undefined) return undefined;
  const names = member(
    await readJson(join(dataRoot, 'image', driver, 'repositories.json')),
    'Repositories',
    repository,
  );
  const digests = [...(textMap(names) ?? [])].filter(
    ([name, id]) => id === image && name.includes('@'),
  );
  return digests[0]?.[0].slice(digests[0][0].indexOf('@') + 1);
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
  return {
    facts: factsOf(answer, hostConfig, elements(member(answer, 'Mounts'))),
    cgroupsPaths: cgroupsPathsOf(id, hostConfig),
  };
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
