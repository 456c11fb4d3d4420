import type { Condition, Leaf } from '../condition/condition.ts';
import { mergeAlternatives } from './merge.ts';

/** What nodes are ordered by: rough cost relative to reading a boolean, and how often they hold. */
interface Estimate {
  readonly cost: number;
  readonly likely: number;
}

/** A node of the simplified graph. Equal subtrees are one node, so `id` stands for what it decides. */
export type Node =
  | ({ readonly kind: 'leaf'; readonly id: number; readonly leaf: Leaf } & Estimate)
  | ({ readonly kind: 'not'; readonly id: number; readonly child: Node } & Estimate)
  | ({
      readonly kind: 'and' | 'or';
      readonly id: number;
      readonly children: readonly Node[];
    } & Estimate);

/** A condition after simplification: a node, or decided already. */
export type Simplified = Node | boolean;

/** What a check is known to come to before any event is seen. */
export type Assume = (leaf: Leaf) => boolean | undefined;

/** Texts are equal seldom, flags half of the time; what rules exclude is rarer than what they look for. */
function estimateOf({ plan, left, right, domain }: Leaf): Estimate {
  if (domain) return { cost: 60, likely: 0.05 };
  if (right || left.kind === 'transformer') return { cost: 40, likely: 0.3 };
  switch (plan.form) {
    case 'exists':
      return { cost: 2, likely: 0.9 };
    case 'equal':
      return typeof plan.value === 'string'
        ? { cost: 3, likely: 0.1 }
        : { cost: 1, likely: typeof plan.value === 'boolean' ? 0.4 : 0.3 };
    case 'unequal':
      return { cost: 3, likely: 0.6 };
    case 'less':
    case 'most':
    case 'more':
    case 'least':
      return { cost: 1, likely: 0.6 };
    case 'member':
      return { cost: 5, likely: 0.1 };
    case 'prefix':
    case 'suffix':
      return { cost: 4, likely: 0.08 };
    case 'contains':
      return { cost: 10, likely: 0.05 };
    case 'call':
      return { cost: 15, likely: 0.08 };
  }
}

/** Tries first what decides the chain soonest for its cost: what fails in an `and`, what holds in an `or`. */
function inOrder(kind: 'and' | 'or', nodes: readonly Node[]): Node[] {
  const rank = ({ cost, likely }: Node): number =>
    cost / Math.max(kind === 'and' ? 1 - likely : likely, 0.01);
  return [...nodes].sort((a, b) => rank(a) - rank(b) || a.id - b.id);
}

/** What a chain in this order comes to: a later node is reached only if the ones before did not decide. */
function chainEstimate(kind: 'and' | 'or', nodes: readonly Node[]): Estimate {
  let cost = 0;
  let reached = 1;
  for (const node of nodes) {
    cost += node.cost * reached;
    reached *= kind === 'and' ? node.likely : 1 - node.likely;
  }
  return { cost, likely: kind === 'and' ? reached : 1 - reached };
}

/** Builds simplified conditions in which equal parts are shared across rules and event types. */
export class Graph {
  private readonly byKey = new Map<string, Node>();
  private readonly leafIds = new Map<string, Node>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Simplifies a condition under what is assumed. Checks are pure, so cheap ones may come first. */
  simplify(condition: Condition, assume: Assume): Simplified {
    const known = new Map<Condition, Simplified>();
    const visit = (node: Condition): Simplified => {
      const before = known.get(node);
      if (before !== undefined) return before;
      const after = this.visit(node, assume, visit);
      known.set(node, after);
      return after;
    };
    return visit(condition);
  }

  private visit(
    node: Condition,
    assume: Assume,
    visit: (node: Condition) => Simplified,
  ): Simplified {
    switch (node.kind) {
      case 'leaf':
        return assume(node) ?? this.leaf(node);
      case 'not': {
        const child = visit(node.child);
        if (typeof child === 'boolean') return !child;
        return child.kind === 'not' ? child.child : this.not(child);
      }
      default:
        return this.chain(node.kind, node.children.map(visit));
    }
  }

  private leaf(leaf: Leaf): Node {
    let node = this.leafIds.get(leaf.text);
    if (!node) {
      node = { kind: 'leaf', id: this.count++, ...estimateOf(leaf), leaf };
      this.leafIds.set(leaf.text, node);
    }
    return node;
  }

  private not(child: Node): Node {
    const estimate = { cost: child.cost, likely: 1 - child.likely };
    return this.intern(`!${child.id}`, (id) => ({ kind: 'not', id, ...estimate, child }));
  }

  private chain(kind: 'and' | 'or', parts: readonly Simplified[]): Simplified {
    // `false` decides an `and`, `true` an `or`; the other value adds nothing.
    const deciding = kind === 'or';
    const children = new Map<number, Node>();
    for (const part of parts) {
      if (part === deciding) return deciding;
      if (typeof part === 'boolean') continue;
      for (const child of part.kind === kind ? part.children : [part])
        children.set(child.id, child);
    }
    for (const child of children.values()) {
      if (child.kind === 'not' && children.has(child.child.id)) return deciding;
    }
    this.merge(kind, children);
    const ordered = inOrder(kind, [...children.values()]);
    const [first] = ordered;
    if (!first) return !deciding;
    if (ordered.length === 1) return first;
    const key = `${kind === 'and' ? '&' : '|'}${ordered.map(({ id }) => id).join(',')}`;
    const estimate = chainEstimate(kind, ordered);
    return this.intern(key, (id) => ({ kind, id, ...estimate, children: ordered }));
  }

  /** Replaces alternatives on one field by one check: in an `or` as they are, in an `and` below their negations. */
  private merge(kind: 'and' | 'or', children: Map<number, Node>): void {
    const leaves: Leaf[] = [];
    for (const node of children.values()) {
      const inner = kind === 'and' && node.kind === 'not' ? node.child : node;
      if (inner.kind === 'leaf' && (kind === 'or' || inner !== node)) leaves.push(inner.leaf);
    }
    const nodeOf = (leaf: Leaf): Node =>
      kind === 'or' ? this.leaf(leaf) : this.not(this.leaf(leaf));
    for (const { merged, replaced } of mergeAlternatives(leaves)) {
      for (const leaf of replaced) children.delete(nodeOf(leaf).id);
      const node = nodeOf(merged);
      children.set(node.id, node);
    }
  }

  private intern(key: string, make: (id: number) => Node): Node {
    let node = this.byKey.get(key);
    if (!node) {
      node = make(this.count++);
      this.byKey.set(key, node);
    }
    return node;
  }
}
