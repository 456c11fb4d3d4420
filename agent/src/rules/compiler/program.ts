import type { FieldOperand, Leaf } from '../condition/condition.ts';
import type { Extractor, Value } from '../field.ts';
import type { Node } from './graph.ts';
import { type FieldBinder, leafTest, type ResolveDomain } from './operand-reader.ts';

/** A function that decides a node for an event; the program's `begin` must be called before each event. */
export type Decide<E> = (event: E) => boolean;

interface Compiled<E> {
  begin(): void;
  readonly readers: readonly Extractor<E>[];
  readonly roots: readonly Decide<E>[];
}

/** Checks that cost less than this are decided again rather than remembered. */
const REMEMBERED_COST = 8;

/**
 * Generates JavaScript for a set of nodes. Fields are read at most once per event, and nodes that several parents share are
 * decided at most once: a result is remembered with the number of its event. Only indexes reach the source text; everything
 * a user wrote stays in constant arrays.
 */
export class Program<E> {
  private readonly binder: FieldBinder<E>;
  private readonly resolve: ResolveDomain;
  private readonly constants: (Value | ReadonlySet<Value>)[] = [];
  private readonly extractors: Extractor<E>[] = [];
  private readonly fieldIndexes = new Map<string, number>();
  private readonly tests: Decide<E>[] = [];
  private readonly calls: ((value: Value) => boolean)[] = [];
  private readonly uses = new Map<number, number>();
  private readonly functions: string[] = [];
  private readonly named = new Map<number, string>();
  private readonly roots: string[] = [];
  private compiled: Compiled<E> | undefined;

  constructor(binder: FieldBinder<E>, resolve: ResolveDomain) {
    this.binder = binder;
    this.resolve = resolve;
  }

  /** Compiles the nodes; the functions come in the same order. */
  compile(nodes: readonly Node[]): { begin(): void; decide: readonly Decide<E>[] } {
    for (const node of nodes) this.countUses(node);
    for (const node of nodes) this.roots.push(this.root(node));
    const body = `'use strict';
let g = 0;
const V = new Array(${this.extractors.length}).fill(undefined);
const G = new Int32Array(${this.extractors.length});
const M = new Int32Array(${this.named.size});
${this.extractors.map((_, index) => readerSource(index)).join('\n')}
${this.functions.join('\n')}
return {
  begin() { g += 1; if (g >= ${2 ** 30}) { g = 1; G.fill(0); M.fill(0); } },
  readers: [${this.extractors.map((_, index) => `v${index}`).join(',')}],
  roots: [${this.roots.join(',')}],
};`;
    const factory = new Function('X', 'K', 'T', 'C', body) as (
      extractors: readonly Extractor<E>[],
      constants: readonly unknown[],
      tests: readonly Decide<E>[],
      calls: readonly ((value: Value) => boolean)[],
    ) => Compiled<E>;
    this.compiled = factory(this.extractors, this.constants, this.tests, this.calls);
    return { begin: this.compiled.begin, decide: this.compiled.roots };
  }

  private countUses(node: Node): void {
    const uses = (this.uses.get(node.id) ?? 0) + 1;
    this.uses.set(node.id, uses);
    if (uses > 1 || node.kind === 'leaf') return;
    for (const child of node.kind === 'not' ? [node.child] : node.children) this.countUses(child);
  }

  private root(node: Node): string {
    const index = this.functions.length;
    // Reserve the place: the source of the node may add functions of its own.
    this.functions.push('');
    this.functions[index] = `function r${index}(e) { let t; return ${this.source(node)}; }`;
    return `r${index}`;
  }

  private source(node: Node): string {
    const shared = (this.uses.get(node.id) ?? 0) > 1 && node.cost >= REMEMBERED_COST;
    if (!shared || node.kind === 'not') return this.plainSource(node);
    let name = this.named.get(node.id);
    if (name === undefined) {
      const slot = this.named.size;
      name = `n${slot}`;
      this.named.set(node.id, name);
      // The sign tells the result, the magnitude the event.
      this.functions.push(
        `function ${name}(e) { const t = M[${slot}]; return t === g || (t !== -g && d${slot}(e)); }
function d${slot}(e) { let t; const r = ${this.plainSource(node)}; M[${slot}] = r ? g : -g; return r; }`,
      );
    }
    return `${name}(e)`;
  }

  private plainSource(node: Node): string {
    switch (node.kind) {
      case 'leaf':
        return this.leafSource(node.leaf);
      case 'not':
        return `!${this.source(node.child)}`;
      case 'and':
        return `(${node.children.map((child) => this.source(child)).join(' && ')})`;
      case 'or':
        return `(${node.children.map((child) => this.source(child)).join(' || ')})`;
    }
  }

  private leafSource(leaf: Leaf): string {
    const { plan, left } = leaf;
    if (left.kind !== 'field' || leaf.right || leaf.domain) {
      this.tests.push(leafTest(leaf, (field) => this.lateReader(field), this.resolve));
      return `T[${this.tests.length - 1}](e)`;
    }
    const value = `v${this.fieldIndex(left)}(e)`;
    const constant = (): string => {
      if (!('value' in plan)) return '';
      this.constants.push(plan.value);
      return `K[${this.constants.length - 1}]`;
    };
    const present = (test: string): string => `((t = ${value}) !== undefined && ${test})`;
    switch (plan.form) {
      case 'equal':
        return `(${value} === ${constant()})`;
      case 'unequal':
        return present(`t !== ${constant()}`);
      case 'less':
        return present(`t < ${constant()}`);
      case 'most':
        return present(`t <= ${constant()}`);
      case 'more':
        return present(`t > ${constant()}`);
      case 'least':
        return present(`t >= ${constant()}`);
      case 'prefix':
        return present(`t.startsWith(${constant()})`);
      case 'suffix':
        return present(`t.endsWith(${constant()})`);
      case 'contains':
        return present(`t.includes(${constant()})`);
      case 'member':
        this.constants.push(plan.set);
        return present(`K[${this.constants.length - 1}].has(t)`);
      default:
        this.calls.push(leaf.test);
        return present(`C[${this.calls.length - 1}](t)`);
    }
  }

  private fieldIndex(field: FieldOperand): number {
    let index = this.fieldIndexes.get(field.text);
    if (index === undefined) {
      index = this.extractors.length;
      this.extractors.push(this.binder.read(field));
      this.fieldIndexes.set(field.text, index);
    }
    return index;
  }

  /** Reads through the generated reader, which remembers the value. */
  private lateReader(field: FieldOperand): Extractor<E> {
    const index = this.fieldIndex(field);
    return (event) => this.compiled?.readers[index]?.(event);
  }
}

function readerSource(index: number): string {
  return `function v${index}(e) { return G[${index}] === g ? V[${index}] : x${index}(e); }
function x${index}(e) { const t = X[${index}](e); V[${index}] = t; G[${index}] = g; return t; }`;
}
