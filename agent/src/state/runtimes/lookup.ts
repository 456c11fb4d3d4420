import { readdir } from 'node:fs/promises';
import type { Container, ContainerFacts, ContainerRuntime } from '../container.ts';
import { askDocker, askDockerRoot, readDockerFiles } from './docker.ts';
import { readBundle } from './oci-bundle.ts';
import { readStorage } from './podman.ts';

/** Where runtimes keep their files and sockets. */
export interface RuntimePaths {
  /** Data roots of Docker. */
  readonly dockerRoots: readonly string[];
  readonly dockerSocket: string;
  /** Folders of `<namespace>/<id>` bundles. */
  readonly taskRoots: readonly string[];
  /** Folders of `<id>/userdata` bundles and of storage. */
  readonly storageRoots: readonly string[];
}

/** What a look-up found. */
export interface Found {
  readonly facts: ContainerFacts;
  readonly runtime?: ContainerRuntime;
}

export const DEFAULT_PATHS: RuntimePaths = {
  dockerRoots: ['/var/lib/docker'],
  dockerSocket: '/var/run/docker.sock',
  taskRoots: [
    '/run/containerd/io.containerd.runtime.v2.task',
    '/run/docker/containerd/daemon/io.containerd.runtime.v2.task',
    '/run/k3s/containerd/io.containerd.runtime.v2.task',
  ],
  storageRoots: ['/run/containers/storage', '/var/lib/containers/storage'],
};

/** Reads what runtimes tell of containers: their files first, which are there before the first process runs. */
export class RuntimeLookup {
  readonly #paths: RuntimePaths;
  #dockerRoots: readonly string[];

  constructor(paths: Partial<RuntimePaths> = {}) {
    this.#paths = { ...DEFAULT_PATHS, ...paths };
    this.#dockerRoots = this.#paths.dockerRoots;
  }

  /** Learns where Docker keeps its files, when it answers. */
  async discover(): Promise<void> {
    const root = await askDockerRoot(this.#paths.dockerSocket);
    if (root !== undefined && !this.#dockerRoots.includes(root)) {
      this.#dockerRoots = [root, ...this.#dockerRoots];
    }
  }

  /** One pass over the files. A result without an image is a beginning only. */
  async readFiles(container: Container): Promise<Found | undefined> {
    const id = container.fullId;
    if (!isFileName(id)) return undefined;
    for (const root of this.#dockerRoots) {
      const facts = await readDockerFiles(root, id);
      if (facts === undefined) continue;
      const task = await this.#readTask(id);
      const place = task?.facts.root;
      return { facts: place === undefined ? facts : { ...facts, root: place }, runtime: 'docker' };
    }
    for (const root of this.#paths.storageRoots) {
      const bundle = await readBundle(`${root}/overlay-containers/${id}/userdata`);
      const stored = await readStorage(root, id);
      if (bundle !== undefined || stored !== undefined) {
        const runtime = bundle?.runtime ?? 'podman';
        return { facts: { ...bundle?.facts, ...stored }, runtime };
      }
    }
    return this.#readTask(id);
  }

  /** Asks the runtime itself. */
  async ask(container: Container): Promise<Found | undefined> {
    if (container.runtime !== 'docker') return undefined;
    const facts = await askDocker(this.#paths.dockerSocket, container.fullId);
    return facts && { facts, runtime: 'docker' };
  }

  async #readTask(id: string): Promise<Found | undefined> {
    for (const root of this.#paths.taskRoots) {
      for (const namespace of await folders(root)) {
        const bundle = await readBundle(`${root}/${namespace}/${id}`);
        if (bundle === undefined) continue;
        const runtime = namespace === 'moby' ? 'docker' : (bundle.runtime ?? 'containerd');
        return { facts: bundle.facts, runtime };
      }
    }
    return undefined;
  }
}

/** Container names become parts of paths. */
function isFileName(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id);
}

async function folders(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).slice(0, 64);
  } catch {
    return [];
  }
}
