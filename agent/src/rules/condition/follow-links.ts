import type { FieldReference } from '../field.ts';
import type { FieldRegistry } from '../fields/registry.ts';
import type { LoadedRule } from '../loader/rule-set.ts';
import type { Condition, FieldOperand, Leaf } from './condition.ts';

/** Fields of the path by its letters, with the field that tells the same of where the kernel came out. */
const COUNTERPARTS: ReadonlyMap<string, string> = new Map([
  ['fd.name', 'fd.path.resolved'],
  ['fd.directory', 'fd.path.resolved.directory'],
]);

/** What names a path: `exists`, `!=` and order say nothing that a link could hide. */
const NAMING: ReadonlySet<string> = new Set([
  ...['=', 'in', 'startswith', 'bstartswith', 'endswith', 'contains', 'icontains', 'bcontains'],
  ...['glob', 'iglob', 'regex', 'pmatch'],
]);

/**
 * Makes a rule hold as well when the kernel came out at a path it names: through a symbolic link, `/proc/self/root`, another root or
 * a path that was exchanged during the call. Only checks that must hold are widened: what a rule excludes stays
 * excluded by the path as given alone, so that a link never widens an exception.
 */
export function followLinks(rule: LoadedRule, registry: FieldRegistry): LoadedRule {
  const condition = new Widener(registry).widen(rule.condition, true);
  return condition === rule.condition ? rule : { ...rule, condition };
}

class Widener {
  private readonly registry: FieldRegistry;
  /** Subtrees are shared between conditions; those that must not hold are their own. */
  private readonly done = {
    wanted: new Map<Condition, Condition>(),
    unwanted: new Map<Condition, Condition>(),
  };

  constructor(registry: FieldRegistry) {
    this.registry = registry;
  }

  widen(condition: Condition, wanted: boolean): Condition {
    const done = wanted ? this.done.wanted : this.done.unwanted;
    const known = done.get(condition);
    if (known !== undefined) return known;
    const widened = this.widenNode(condition, wanted);
    done.set(condition, widened);
    return widened;
  }

  private widenNode(condition: Condition, wanted: boolean): Condition {
    if (condition.kind === 'leaf') return wanted ? this.widenLeaf(condition) : condition;
    if (condition.kind === 'not') {
      const child = this.widen(condition.child, !wanted);
      return child === condition.child ? condition : { ...condition, child };
    }
    const children = condition.children.map((child) => this.widen(child, wanted));
    const isSame = children.every((child, index) => child === condition.children[index]);
    return isSame ? condition : { ...condition, children };
  }

  private widenLeaf(leaf: Leaf): Condition {
    const { left, operator } = leaf;
    if (left.kind !== 'field' || leaf.right !== undefined || !NAMING.has(operator)) return leaf;
    const name = COUNTERPARTS.get(left.text);
    if (name === undefined) return leaf;
    const reference: FieldReference = this.registry.resolve(name, undefined);
    const resolved: FieldOperand = { ...left, reference, text: name };
    const text = name + leaf.text.slice(left.text.length);
    return { kind: 'or', children: [leaf, { ...leaf, left: resolved, text }] };
  }
}
