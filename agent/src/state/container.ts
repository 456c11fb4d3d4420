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
  /** The container's root folder as the host sees it. */
  readonly root?: string;
  readonly healthcheck?: ByteString;
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
  | 'mesos';

/** A container, or the host when `isHost`. */
export class Container {
  /** As the cgroup tells it, mostly 64 hex digits. */
  readonly fullId: ByteString;
  /** What `container.id` shows: at most 12 characters. */
  readonly id: ByteString;
  runtime: ContainerRuntime;
  facts: ContainerFacts | undefined;
  /** Whether the facts are still being looked up. */
  pending = false;
  /** When its pid namespace's first process started, CLOCK_BOOTTIME ns; 0 when unknown. */
  initStartTime = 0n;
  /** A process inside, for its view of files. */
  member = 0;

  constructor(runtime: ContainerRuntime, fullId: ByteString) {
    this.runtime = runtime;
    this.fullId = fullId;
    this.id = fullId.slice(0, 12);
  }

  get isHost(): boolean {
    return this === HOST;
  }
}

/** Everything that is in no container. */
export const HOST: Container = new Container('host', 'host');
