import { existsSync, readdirSync, statSync } from 'node:fs';
import type { ByteString } from '../rules/field.ts';
import { listProcesses, type ProcessFacts, readBytes, readProcess } from './proc-files.ts';

/** What the state asks the host itself, because no record tells it. A replay answers from what a recording was told. */
export interface Host {
  listProcesses(): number[];
  readProcess(tgid: number, withEnvironment: boolean): ProcessFacts | undefined;
  /** Kernel id and path of every cgroup below a mount point. */
  listCgroups(hierarchy: string): Iterable<readonly [id: number, path: ByteString]>;
  /** The text of /proc/<pid>/cgroup, empty when the process has gone. */
  readCgroup(tgid: number): ByteString;
  /** Kernel id of a cgroup; undefined when there is none. */
  cgroupId(hierarchy: string, path: ByteString): number | undefined;
  /** Whether anything lies at a path. */
  exists(path: string): boolean;
}

const CGROUPS_LIMIT = 32_768;

/** The inode number of a cgroup's folder is its kernel id. */
function* listCgroups(hierarchy: string): Iterable<readonly [number, ByteString]> {
  const open = [''];
  for (let seen = 0; open.length > 0 && seen < CGROUPS_LIMIT; seen++) {
    const path = open.pop() ?? '';
    try {
      yield [statSync(`${hierarchy}${path}`).ino, path];
      for (const entry of readdirSync(`${hierarchy}${path}`, { withFileTypes: true })) {
        if (entry.isDirectory()) open.push(`${path}/${entry.name}`);
      }
    } catch {
      // Removed between the listing and the look: a record tells of it.
    }
  }
}

/** This very machine. */
export const LIVE_HOST: Host = {
  listProcesses: () => listProcesses(),
  readProcess: (tgid, withEnvironment) => readProcess(tgid, withEnvironment),
  listCgroups,
  readCgroup: (tgid) => readBytes(`/proc/${tgid}/cgroup`, 16_384),
  cgroupId: (hierarchy, path) => {
    try {
      return statSync(Buffer.from(`${hierarchy}${path}`, 'latin1')).ino;
    } catch {
      return undefined;
    }
  },
  exists: existsSync,
};
