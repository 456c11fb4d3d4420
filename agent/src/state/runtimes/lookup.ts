import { readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { ByteString } from '../../rules/field.ts';
import { isCgroupOf } from '../cgroup-path.ts';
import type { Container, ContainerFacts, ContainerRuntime } from '../container.ts';
import { findBundle } from './bundle-path.ts';
import { askContainerd, containerdOf } from './containerd.ts';
import { askDocker, askDockerRoot, readDockerFiles } from './docker.ts';
import { isGuest } from './guest.ts';
import { type Bundle, readBundle } from './oci-bundle.ts';
import { readStorage, storageFolders, storageOfBundle } from './podman.ts';

/** Where runtimes keep their files and sockets. */
export interface RuntimePaths {
  /** Data roots of Docker. */
  readonly dockerRoots: readonly string[];
  readonly dockerSocket: string;
  readonly podmanSocket: string;
  /** Folders of `<namespace>/<id>` bundles. */
  readonly taskRoots: readonly string[];
  /** Folders of `<id>/userdata` bundles and of storage. */
  readonly storageRoots: readonly string[];
}

/** What a look-up found. */
export interface Found {
  readonly facts: ContainerFacts;
  readonly runtime?: ContainerRuntime;
  /** Whether root says so. */
  readonly confirmed?: boolean;
  /** No file can tell more. */
  readonly isAll?: boolean;
}

export const DEFAULT_PATHS: RuntimePaths = {
  dockerRoots: ['/var/lib/docker'],
  dockerSocket: '/var/run/docker.sock',
  podmanSocket: '/run/podman/podman.sock',
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

  /**
   * One pass over the files. A result without an image is a beginning only. What tells of this id, but of another cgroup, is about
   * another container.
   */
  async readFiles(container: Container): Promise<Found | undefined> {
    const id = container.fullId;
    if (!isFileName(id)) return undefined;
    const guest = await isGuest(container);
    if (guest !== undefined)
      return guest ? { facts: { name: id }, confirmed: true, isAll: true } : undefined;
    const bundle = await this.#findBundle(container);
    if (bundle !== undefined && !fitsBundle(container, bundle)) return undefined;
    const isStored = bundle !== undefined && storageOfBundle(bundle.folder) !== undefined;
    const docker = isStored ? undefined : await this.#readDocker(container, bundle);
    if (docker !== undefined) return docker;
    return bundle && this.#readStorage(container, bundle);
  }

  /** Asks the runtime itself. */
  async ask(container: Container, runtime = container.runtime): Promise<Found | undefined> {
    if (runtime === 'docker' || runtime === 'podman') {
      const { dockerSocket, podmanSocket } = this.#paths;
      const socket = runtime === 'docker' ? dockerSocket : podmanSocket;
      const answer = await askDocker(socket, container.fullId);
      if (answer === undefined) return undefined;
      const bundle = await this.#findBundle(container);
      const isIts = bundle ? fitsBundle(container, bundle) : fits(container, answer.cgroupsPaths);
      return isIts ? { facts: answer.facts, runtime, confirmed: true } : undefined;
    }
    return container.bundle === undefined
      ? undefined
      : this.#askContainerd(container, container.bundle);
  }

  /** Both at once, for a container that may be gone in a moment; the bundle tells whether the answer is about this one. */
  async #askContainerd(container: Container, folder: string): Promise<Found | undefined> {
    const [bundle, facts] = await Promise.all([
      readBundle(folder),
      containerdOf(folder).then((name) => name && askContainerd(name)),
    ]);
    if (facts === undefined || bundle === undefined || !fitsBundle(container, bundle)) {
      return undefined;
    }
    return {
      facts: { ...bundle.facts, ...facts },
      runtime: 'containerd',
      confirmed: bundle.byRoot,
    };
  }

  /** A bundle that its container's own runtime or shim points at, which finds runtimes with roots of their own, or one in the usual places. */
  async #findBundle(container: Container): Promise<Bundle | undefined> {
    // Who told of a place may be gone while what is written there becomes whole: it is not forgotten.
    for (const find of [() => container.bundle, () => findBundle(container)]) {
      const folder = await find();
      const bundle = folder && (await readBundle(folder));
      if (!bundle) continue;
      container.bundle = folder;
      return bundle;
    }
    const usual = await this.#readUsual(container.fullId);
    if (usual !== undefined) container.bundle = usual.folder;
    return usual;
  }

  async #readDocker(container: Container, bundle: Bundle | undefined): Promise<Found | undefined> {
    const { dockerRoot, facts: { root } = {} } = bundle ?? {};
    for (const place of dockerRoot ? [dockerRoot, ...this.#dockerRoots] : this.#dockerRoots) {
      const docker = await readDockerFiles(place, container.fullId);
      if (docker === undefined) continue;
      if (bundle === undefined && !fits(container, docker.cgroupsPaths)) continue;
      const facts = root === undefined ? docker.facts : { ...docker.facts, root };
      return { facts, runtime: 'docker', confirmed: bundle?.byRoot ?? true };
    }
    return undefined;
  }

  /** What lies beside a bundle, if anything does. */
  async #readStorage({ fullId }: Container, bundle: Bundle): Promise<Found> {
    const own = storageOfBundle(bundle.folder);
    const usual = this.#paths.storageRoots.flatMap(storageFolders);
    for (const folder of own === undefined ? usual : [own, ...usual]) {
      const stored = await readStorage(folder, fullId);
      if (stored === undefined) continue;
      const runtime = bundle.runtime ?? 'podman';
      return { facts: { ...bundle.facts, ...stored }, runtime, confirmed: bundle.byRoot };
    }
    const { facts, runtime, byRoot } = bundle;
    return { facts, confirmed: byRoot, ...(runtime && { runtime }) };
  }

  /** The bundle below the usual places. */
  async #readUsual(id: string): Promise<Bundle | undefined> {
    for (const root of this.#paths.taskRoots) {
      for (const namespace of await folders(root)) {
        const bundle = await readBundle(`${root}/${namespace}/${id}`);
        if (bundle === undefined) continue;
        const runtime = namespace === 'moby' ? 'docker' : (bundle.runtime ?? 'containerd');
        return { ...bundle, runtime };
      }
    }
    for (const folder of this.#paths.storageRoots.flatMap(storageFolders)) {
      const bundle = await readBundle(`${folder}/${id}/userdata`);
      if (bundle !== undefined) return bundle;
    }
    return undefined;
  }
}

/** The kernel's number of the first cgroup namespace. Only there paths are seen whole. */
const isWhole = ((): boolean => {
  try {
    return readlinkSync('/proc/self/ns/cgroup') === 'cgroup:[4026531835]';
  } catch {
    return true;
  }
})();

function fits({ cgroupPath }: Container, told: readonly ByteString[]): boolean {
  return told.some((path) => isCgroupOf(cgroupPath, path, !isWhole));
}

/** A specification may leave the place to the runtime, which puts the group below its own. */
function fitsBundle(container: Container, { cgroupsPath }: Bundle): boolean {
  if (cgroupsPath !== undefined) return fits(container, [cgroupsPath]);
  return container.cgroupPath.endsWith(`/${container.fullId}`);
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
