import type { ByteString } from '../rules/field.ts';

/** One bind or volume as the container sees it. */
export interface Mount {
  readonly source: ByteString;
  readonly destination: ByteString;
  readonly mode: ByteString;
  readonly writable: boolean;
  readonly propagation: ByteString;
}

/** What a runtime tells of a container. What it does not tell stays undefined. */
export interface ContainerFacts {
  readonly name?: ByteString;
  /** The reference as given, such as `registry:5000/team/app:1.2`. */
  readonly image?: ByteString;
  /** The image's name with its tag, where the reference as given is an id or leaves the tag out. */
  readonly imageName?: ByteString;
  readonly imageId?: ByteString;
  readonly imageDigest?: ByteString;
  readonly privileged?: boolean;
  readonly mounts?: readonly Mount[];
  readonly labels?: ReadonlyMap<ByteString, ByteString>;
  /** `K=V`, as the container was configured with. */
  readonly environment?: readonly ByteString[];
  readonly hostPid?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostIpc?: boolean;
  readonly ip?: ByteString;
  /** What the network plugin answered, as JSON. */
  readonly cni?: ByteString;
  /** The container's root folder as the host sees it. */
  readonly root?: string;
  /** argv of the commands that ask whether it is well, words separated by NUL; `NONE` when there shall be none. */
  readonly healthcheck?: ByteString;
  readonly livenessProbe?: ByteString;
  readonly readinessProbe?: ByteString;
  readonly podName?: ByteString;
  readonly podNamespace?: ByteString;
  readonly podUid?: ByteString;
  readonly podSandboxId?: ByteString;
  readonly podLabels?: ReadonlyMap<ByteString, ByteString>;
}

/** Which runtime's naming of cgroups matched. */
export type ContainerRuntime =
  | 'host'
  | 'docker'
  | 'podman'
  | 'cri-o'
  | 'containerd'
  | 'lxc'
  | 'libvirt-lxc'
  | 'bpm'
  | 'mesos'
  | 'systemd-nspawn';

/** A container, or the host when `isHost`. */
export class Container {
  /** As the cgroup tells it, mostly 64 hex digits. */
  readonly fullId: ByteString;
  /** Its cgroup from the root of the hierarchy: who else names a group so is no part of it. */
  readonly cgroupPath: ByteString;
  /** What `container.id` shows: at most 12 characters. */
  readonly id: ByteString;
  runtime: ContainerRuntime;
  facts: ContainerFacts | undefined;
  /** Bytes of the facts, about. */
  factsBytes = 0;
  /** Whether the facts are still being looked up. */
  pending = false;
  /** Whether files or a daemon of root tell of a container with this id and this cgroup. A name alone can be imitated. */
  confirmed = false;
  /** When its pid namespace's first process started, CLOCK_BOOTTIME ns; 0 when unknown. */
  initStartTime = 0n;
  /** A process inside, for its view of files. */
  member = 0;
  /** The process that made its cgroup: mostly the runtime. */
  maker = 0;
  /** Where its bundle lies, once found. */
  bundle: string | undefined;

  constructor(runtime: ContainerRuntime, fullId: ByteString, cgroupPath: ByteString = '') {
    this.runtime = runtime;
    this.fullId = fullId;
    this.cgroupPath = cgroupPath;
    this.id = fullId.slice(0, 12);
  }

  get isHost(): boolean {
    return this === HOST;
  }
}

/** Everything that is in no container. */
export const HOST: Container = new Container('host', 'host');
