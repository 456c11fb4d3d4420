/** Commands that a runtime or an orchestrator runs in a container to see whether it is well. */
import type { ByteString } from '../rules/field.ts';
import type { ContainerFacts } from '../state/container.ts';
import type { HealthProbe } from '../state/health-probes.ts';
import type { Pod } from '../state/kubernetes/pod.ts';
import type { Process } from '../state/process.ts';

/** Longest chain of ancestors that is looked at. */
const CHAIN = 64;

/** argv of a probe, its words separated by NUL; the API of the cluster knows better than the container. */
export function probeCommand(
  facts: ContainerFacts,
  pod: Pod | undefined,
  kind: HealthProbe,
): ByteString | undefined {
  const name = facts.labels?.get('io.kubernetes.container.name') ?? facts.name;
  const told = name === undefined ? undefined : pod?.probes.get(name)?.[kind];
  return told ?? facts[kind];
}

/**
 * Whether a process is a probe or was started by one: its command is the probe's, and it came into the container from outside,
 * not from the container's first process.
 */
export function isProbe(process: Process, command: ByteString): boolean {
  let found = false;
  let one: Process | undefined = process;
  for (let level = 0; one?.inPidNamespace && level < CHAIN; level++, one = one.parentNow()) {
    if (one.vpid === 1) return false;
    found ||= one.errand === command || [one.exe, ...one.argumentList].join('\0') === command;
  }
  return found;
}
