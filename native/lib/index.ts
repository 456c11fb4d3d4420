/** @module The eBPF syscall probe: what this machine can do, the running probe, and the layout of its records. */
export { type SkippedProgram, shareMemory, trimMemory } from './binding.ts';
export {
  CAPABILITY_TOPICS,
  type CapabilityProblem,
  type CapabilityTopic,
  type ProbeCapabilities,
  probeCapabilities,
} from './capabilities.ts';
export { currentHierarchy } from './cgroups.ts';
// biome-ignore lint/performance/noReExportAll: generated constants, all of them public
export * from './layout.ts';
export {
  type CallStatistics,
  type KindFilters,
  type KindStatistics,
  type Loser,
  type OpenClasses,
  type OpenVerdict,
  openProbe,
  openProbeAside,
  type Probe,
  type ProbeOptions,
  type ProbeStatistics,
} from './probe.ts';
export { forEachRecord } from './records.ts';
export { IA32_NAMES, SYSCALL_NAMES, SYSCALLS } from './syscalls.ts';
