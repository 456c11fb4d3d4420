import type { ContainerFacts } from './container.ts';

/** What of the facts may be without end, in the order in which it can be missed. */
const LARGE = [
  'cni',
  'environment',
  'podLabels',
  'labels',
  'mounts',
  'healthcheck',
  'livenessProbe',
  'readinessProbe',
] as const;
/** An object or text without its content. */
const OBJECT_BYTES = 32;

/** Bytes that facts take, about. */
export function factsBytes(value: unknown): number {
  if (typeof value === 'string') return OBJECT_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  const parts: unknown[] = value instanceof Map ? [...value].flat() : Object.values(value);
  return parts.reduce<number>((sum, part) => sum + factsBytes(part), OBJECT_BYTES);
}

/** Leaves out what makes facts too large, and tells whether it did. */
export function fitFacts(
  facts: ContainerFacts,
  limit: number,
): { facts: ContainerFacts; cut: boolean } {
  let rest = facts;
  for (const key of LARGE) {
    if (factsBytes(rest) <= limit) break;
    const { [key]: _left, ...kept } = rest;
    rest = kept;
  }
  return { facts: rest, cut: rest !== facts };
}
