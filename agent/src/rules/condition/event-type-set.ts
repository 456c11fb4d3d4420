import { EVENT_TYPES, typeNameIn } from '../event-types.ts';
import type { Condition, Leaf } from './condition.ts';

/** The event types a condition can be true for, as far as its shape tells. `all` is not limited to the known types. */
export type EventTypeSet = 'all' | ReadonlySet<string>;

const NONE: EventTypeSet = new Set();

function union(left: EventTypeSet, right: EventTypeSet): EventTypeSet {
  if (left === 'all' || right === 'all') return 'all';
  return new Set([...left, ...right]);
}

function intersection(left: EventTypeSet, right: EventTypeSet): EventTypeSet {
  if (left === 'all') return right;
  if (right === 'all') return left;
  return new Set([...left].filter((name) => right.has(name)));
}

function complement(names: ReadonlySet<string>): EventTypeSet {
  return new Set([...EVENT_TYPES].filter((name) => !names.has(name)));
}

function ofEventType(leaf: Leaf, negated: boolean): EventTypeSet {
  if (leaf.operator === 'exists') return negated ? NONE : 'all';
  if (leaf.modifier || !leaf.literals) return 'all';
  const names = new Set<string>(leaf.literals.map((name) => typeNameIn('evt.type', name)));
  switch (leaf.operator) {
    case '=':
    case 'in':
    case 'intersects':
      return negated ? complement(names) : names;
    case '!=':
      return negated ? names : complement(names);
    default:
      return 'all';
  }
}

/**
 * What a check on `evt.num`, which is at least 1, comes to: `true` or `false` when its shape tells, else nothing. This is how
 * the official `never_true` stays neutral when it is negated.
 */
export function constantOf(leaf: Leaf): boolean | undefined {
  if (leaf.text === 'evt.dir = <') return true;
  if (leaf.left.kind !== 'field' || leaf.left.text !== 'evt.num') return undefined;
  if (leaf.modifier || !leaf.literals) return undefined;
  const numbers = leaf.literals.map(Number);
  const [first] = numbers;
  switch (leaf.operator) {
    case 'in':
    case 'intersects':
      return numbers.every((number) => number === 0) ? false : undefined;
    case '=':
      return first === 0 ? false : undefined;
    case '<':
      return first === 0 || first === 1 ? false : undefined;
    case '<=':
      return first === 0 ? false : undefined;
    case '!=':
    case '>':
      return first === 0 ? true : undefined;
    case '>=':
      return first === 0 || first === 1 ? true : undefined;
    default:
      return undefined;
  }
}

function ofLeaf(leaf: Leaf, negated: boolean): EventTypeSet {
  const constant = leaf.text.startsWith('evt.num') ? constantOf(leaf) : undefined;
  if (constant !== undefined) return constant === negated ? NONE : 'all';
  const isType =
    leaf.left.kind === 'field' && /^(evt|syscall)\.type$/.test(leaf.left.reference.definition.name);
  return isType ? ofEventType(leaf, negated) : 'all';
}

/** Computes the set, pushing negation down to the checks. Shared subtrees are computed once. */
export function eventTypesOf(condition: Condition): EventTypeSet {
  const known: [Map<Condition, EventTypeSet>, Map<Condition, EventTypeSet>] = [
    new Map(),
    new Map(),
  ];
  const compute = (node: Condition, negated: boolean): EventTypeSet => {
    const memo = known[negated ? 1 : 0];
    const before = memo.get(node);
    if (before) return before;
    let set: EventTypeSet;
    if (node.kind === 'leaf') set = ofLeaf(node, negated);
    else if (node.kind === 'not') set = compute(node.child, !negated);
    else {
      const combine = (node.kind === 'and') !== negated ? intersection : union;
      set = node.children.map((child) => compute(child, negated)).reduce(combine);
    }
    memo.set(node, set);
    return set;
  };
  return compute(condition, false);
}
