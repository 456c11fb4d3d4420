import type { Condition, Leaf } from '../condition/condition.ts';
import { leafTest, type ReadField, type ResolveDomain } from './operand-reader.ts';

/** Walks the tree for each event: slow and plain, the measure of what the compiler may do. */
export function interpretCondition<E>(
  condition: Condition,
  read: ReadField<E>,
  resolve: ResolveDomain = () => undefined,
): (event: E) => boolean {
  const tests = new Map<Leaf, (event: E) => boolean>();
  const decide = (node: Condition, event: E): boolean => {
    switch (node.kind) {
      case 'and':
        return node.children.every((child) => decide(child, event));
      case 'or':
        return node.children.some((child) => decide(child, event));
      case 'not':
        return !decide(node.child, event);
      case 'leaf': {
        let test = tests.get(node);
        if (!test) {
          test = leafTest(node, read, resolve);
          tests.set(node, test);
        }
        return test(event);
      }
    }
  };
  return (event) => decide(condition, event);
}
