import { CAPABILITY_TOPICS, type CapabilityProblem, probeCapabilities } from '@tocsin/native';

export { currentHierarchy } from '@tocsin/native';

/** What this machine lacks to watch kernel events and how to get it, a line each; undefined when nothing is missing. */
export function describeMissing(): string | undefined {
  const { ok, problems } = probeCapabilities();
  if (ok) return undefined;
  return problems.map(({ what, remedy }) => `  ${what}; ${remedy}`).join('\n');
}

/** Everything the probe needs of the machine, in order, with what is wrong about it. */
export function probeNeeds(): readonly (readonly [
  topic: string,
  problem: CapabilityProblem | undefined,
])[] {
  const { problems } = probeCapabilities();
  return CAPABILITY_TOPICS.map((topic) => [topic, problems.find((one) => one.topic === topic)]);
}
