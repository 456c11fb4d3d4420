import type { ByteString } from '../field.ts';
import { compileGlob } from './glob.ts';

/** A node of the search paths' tree; a path that ends at a node makes longer ones below it redundant. */
interface PathNode {
  end: boolean;
  readonly literals: Map<ByteString, PathNode>;
  readonly patterns: {
    readonly text: ByteString;
    test(component: ByteString): boolean;
    node: PathNode;
  }[];
}

function newNode(): PathNode {
  return { end: false, literals: new Map(), patterns: [] };
}

function componentsOf(path: ByteString): ByteString[] {
  return path.split('/').filter((component) => component !== '');
}

function childFor(node: PathNode, component: ByteString): PathNode {
  if (!/[?*[]/.test(component)) {
    let child = node.literals.get(component);
    if (!child) {
      child = newNode();
      node.literals.set(component, child);
    }
    return child;
  }
  let pattern = node.patterns.find(({ text }) => text === component);
  if (!pattern) {
    pattern = { text: component, test: compileGlob(component), node: newNode() };
    node.patterns.push(pattern);
  }
  return pattern.node;
}

/**
 * Compiles `pmatch`: whether any search path is a whole-component prefix of the value. Every alternative is tried, unlike
 * upstream, which misses some after a failed pattern. Nodes reached are kept as a set per level, so the time is bounded by
 * the size of the tree.
 */
export function compilePathMatch(paths: readonly ByteString[]): (value: ByteString) => boolean {
  const root = newNode();
  for (const path of paths) {
    let node = root;
    for (const component of componentsOf(path)) node = childFor(node, component);
    node.end = true;
  }
  return (value) => {
    let reached: PathNode[] = [root];
    for (const component of componentsOf(value)) {
      if (reached.some((node) => node.end)) return true;
      reached = step(reached, component);
      if (reached.length === 0) return false;
    }
    return reached.some((node) => node.end);
  };
}

/** The nodes one component further: the literal child and every pattern that fits. */
function step(nodes: readonly PathNode[], component: ByteString): PathNode[] {
  const next: PathNode[] = [];
  for (const node of nodes) {
    const literal = node.literals.get(component);
    if (literal) next.push(literal);
    for (const pattern of node.patterns) if (pattern.test(component)) next.push(pattern.node);
  }
  return next;
}
