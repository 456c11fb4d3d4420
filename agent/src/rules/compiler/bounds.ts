/** What a condition can come to while some of its checks cannot be decided yet. */
import type { Condition, Leaf } from '../condition/condition.ts';

const ALWAYS: Condition = { kind: 'and', children: [] };
const NEVER: Condition = { kind: 'or', children: [] };

type IsOpen = (leaf: Leaf) => boolean;

/** Holds wherever the condition could hold, whichever way the open checks turn out. */
export function couldHold(condition: Condition, isOpen: IsOpen): Condition {
  return bound(condition, isOpen, ALWAYS);
}

/** Holds only where the condition holds, whichever way the open checks turn out. */
export function mustHold(condition: Condition, isOpen: IsOpen): Condition {
  return bound(condition, isOpen, NEVER);
}

/** Puts `stand` in the place of open checks, and its opposite below an odd number of `not`. */
function bound(condition: Condition, isOpen: IsOpen, stand: Condition): Condition {
  const opposite = stand === ALWAYS ? NEVER : ALWAYS;
  const straightDone = new Map<Condition, Condition>();
  const turnedDone = new Map<Condition, Condition>();
  const visit = (node: Condition, straight: boolean): Condition => {
    const done = straight ? straightDone : turnedDone;
    const result = done.get(node) ?? replace(node, straight);
    done.set(node, result);
    return result;
  };
  const replace = (node: Condition, straight: boolean): Condition => {
    switch (node.kind) {
      case 'leaf':
        return isOpen(node) ? (straight ? stand : opposite) : node;
      case 'not':
        return { kind: 'not', child: visit(node.child, !straight) };
      default:
        return { kind: node.kind, children: node.children.map((child) => visit(child, straight)) };
    }
  };
  return visit(condition, true);
}
