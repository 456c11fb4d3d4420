import { LIMITS } from '../limits.ts';
import type { Condition } from './condition.ts';

interface Size {
  readonly nodes: number;
  readonly depth: number;
}

/** Conditions are shared and never change, so neither do their sizes. */
const sizes = new WeakMap<Condition, Size>();

const TOO_LARGE: Size = { nodes: Number.POSITIVE_INFINITY, depth: Number.POSITIVE_INFINITY };

function measure(node: Condition, level: number): Size {
  const known = sizes.get(node);
  if (known) return known;
  if (level > LIMITS.conditionDepth) return TOO_LARGE;
  const children = node.kind === 'leaf' ? [] : node.kind === 'not' ? [node.child] : node.children;
  let nodes = 1;
  let depth = 0;
  for (const child of children) {
    const size = measure(child, level + 1);
    nodes += size.nodes;
    depth = Math.max(depth, size.depth);
  }
  const size = { nodes, depth: depth + 1 };
  sizes.set(node, size);
  return size;
}

/** Whether a condition is too large when shared macros are counted wherever they are used. */
export function isTooLarge(condition: Condition): boolean {
  const { nodes, depth } = measure(condition, 0);
  return nodes > LIMITS.conditionSize || depth > LIMITS.conditionDepth;
}
