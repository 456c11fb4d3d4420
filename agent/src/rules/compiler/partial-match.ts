import type { Condition, Leaf } from '../condition/condition.ts';

/** What is known of a check without seeing the whole event; undefined when it may come to either. */
export type KnownOfLeaf = (leaf: Leaf) => boolean | undefined;

/**
 * Kleene's three-valued logic: what a condition comes to for every event of which `known` is true, or undefined when that
 * depends on the rest of the event.
 */
export function decideFrom(condition: Condition, known: KnownOfLeaf): boolean | undefined {
  const memo = new Map<Condition, boolean | undefined>();
  const decide = (node: Condition): boolean | undefined => {
    if (memo.has(node)) return memo.get(node);
    const decided = decideNode(node, known, decide);
    memo.set(node, decided);
    return decided;
  };
  return decide(condition);
}

function decideNode(
  node: Condition,
  known: KnownOfLeaf,
  decide: (node: Condition) => boolean | undefined,
): boolean | undefined {
  switch (node.kind) {
    case 'leaf':
      return known(node);
    case 'not': {
      const child = decide(node.child);
      return child === undefined ? undefined : !child;
    }
    default: {
      const deciding = node.kind === 'or';
      let decided: boolean | undefined = !deciding;
      for (const child of node.children) {
        const value = decide(child);
        if (value === deciding) return deciding;
        if (value === undefined) decided = undefined;
      }
      return decided;
    }
  }
}
