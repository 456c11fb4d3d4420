import type { Condition, Leaf } from '../condition/condition.ts';

/** A node of the simplified graph. Equal subtrees are one node, so `id` stands for what it decides. */
export type Node =
  | { readonly kind: 'leaf'; readonly id: number; readonly cost: number; readonly leaf: Leaf }
  | { readonly kind: 'not'; readonly id: number; readonly cost: number; readonly child: Node }
  | {
      readonly kind: 'and' | 'or';
      readonly id: number;
      readonly cost: number;
      readonly children: readonly Node[];
    };

/** A condition after simplification: a node, or decided already. */
export type Simplified = Node | boolean;

/** What a check is known to come to before any event is seen. */
export type Assume = (leaf: Leaf) => boolean | undefined;

/** Rough costs of a check relative to reading a boolean, to try cheap ones first. */
function leafCost({ plan, left, right, domain }: Leaf): number {
  if (domain) return 60;
  if (right || left.kind === 'transformer') return 40;
  switch (plan.form) {
    case 'exists':
      return 2;
    case 'equal':
    case 'unequal':
      return typeof plan.value === 'string' ? 3 : 1;
    case 'less':
    case 'most':
    case 'more':
    case 'least':
      return 1;
    case 'member':
      return 4;
    case 'prefix':
    case 'suffix':
      return 4;
    case 'contains':
      return 10;
    case 'call':
      return 30;
  }
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
      node = { kind: 'leaf', id: this.count++, cost: leafCost(leaf), leaf };
      this.leafIds.set(leaf.text, node);
    }
    return node;
  }

  private not(child: Node): Node {
    return this.intern(`!${child.id}`, (id) => ({ kind: 'not', id, cost: child.cost, child }));
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
    const ordered = [...children.values()].sort((a, b) => a.cost - b.cost || a.id - b.id);
    const [first] = ordered;
    if (!first) return !deciding;
    if (ordered.length === 1) return first;
    const key = `${kind === 'and' ? '&' : '|'}${ordered.map(({ id }) => id).join(',')}`;
    const cost = ordered.reduce((sum, child) => sum + child.cost, 0);
    return this.intern(key, (id) => ({ kind, id, cost, children: ordered }));
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
