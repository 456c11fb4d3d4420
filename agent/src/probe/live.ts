import {
  type Probe as NativeProbe,
  openProbe,
  openProbeAside,
  probeCapabilities,
} from '@tocsin/native';
import { ExpectedError } from '../expected-error.ts';
import type { FilteredCount, Interest, Probe, RecordCount } from './probe.ts';

export interface LiveProbeOptions {
  /** A power of two. */
  readonly ringBytes?: number;
  /** Processes of which nothing is recorded, such as the agent's own. */
  readonly mutedProcesses?: readonly number[];
}

/** The probe cannot run on this machine as it is. */
export class ProbeError extends ExpectedError {
  override readonly name = 'ProbeError';
}

/** Opens the eBPF probe. Throws `ProbeError` with what is missing and how to get it. */
export function openLiveProbe(interest: Interest, options: LiveProbeOptions = {}): Probe {
  checkMachine();
  return liveProbe(openProbe({ ...interest, ...options }));
}

/** The same while this thread goes on; nothing but the lifecycle is recorded before `watch`. Rejects likewise. */
export async function openLiveProbeAside(options: LiveProbeOptions = {}): Promise<Probe> {
  checkMachine();
  return liveProbe(await openProbeAside({ ...NO_INTEREST, ...options }));
}

const NO_INTEREST: Interest = { syscalls: [], keepFailed: [], environment: false };

function checkMachine(): void {
  const { ok, problems } = probeCapabilities();
  if (ok) return;
  const list = problems.map(({ what, remedy }) => `${what}: ${remedy}`).join('; ');
  throw new ProbeError(`kernel events cannot be watched here: ${list}`);
}

function liveProbe(probe: NativeProbe): Probe {
  return {
    ring: probe.ring,
    cgroupHierarchy: probe.cgroupHierarchy,
    skipped: probe.skipped,
    scan: (span) => probe.scan(span),
    advance: (bytes) => probe.advance(bytes),
    wait: (onRecord) => probe.wait(onRecord),
    watch: ({ syscalls, keepFailed, openClasses, environment }) =>
      probe.setSyscalls(syscalls, keepFailed, environment, openClasses),
    statistics: () =>
      probe
        .statistics()
        .kinds.flatMap(({ kind, ...fates }) =>
          Object.entries(fates).map(([fate, count]): RecordCount => ({ kind, fate, count })),
        ),
    ruleOut: (verdict) => probe.ruleOut(verdict),
    markHost: (cgroup) => probe.markHost(cgroup),
    calls: () => probe.statistics().calls.map(({ call, ...counts }) => ({ type: call, ...counts })),
    takeLosers: () => probe.takeLosers(),
    filtered: () =>
      probe
        .statistics()
        .filtered.flatMap(({ kind, ...reasons }) =>
          Object.entries(reasons).map(
            ([reason, count]): FilteredCount => ({ kind, reason, count }),
          ),
        )
        .filter(({ count }) => count > 0),
    close: () => probe.close(),
  };
}
