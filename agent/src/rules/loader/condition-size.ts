import type { Condition } from '../condition/condition.ts';
import { LIMITS } from './limits.ts';

interface Size {
  readonly nodes: number;
  readonly depth: number;
}

/** Whether a condition is too large when shared macros are counted wherever they are used. */
export function isTooLarge(condition: Condition): boolean {
  const sizes = new Map<Condition, Size>();
  const measure = (node: Condition): Size => {
    const known = sizes.get(node);
    if (known) return known;
    const children = node.kind === 'leaf' ? [] : node.kind === 'not' ? [node.child] : node.children;
    let nodes = 1;
    let depth = 0;
    for (const child of children) {
      const size = measure(child);
      nodes += size.nodes;
      depth = Math.max(depth, size.depth);
    }
    const size = { nodes, depth: depth + 1 };
    sizes.set(node, size);
    return size;
  };
  const { nodes, depth } = measure(condition);
  return nodes > LIMITS.conditionSize || depth > LIMITS.conditionDepth;
}
