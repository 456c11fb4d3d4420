import type { Leaf, Plan } from '../condition/condition.ts';
import type { ByteString, Value } from '../field.ts';

/** Fewer prefixes than this are as fast one by one. */
const WORTH_A_TRIE = 3;
/** Bytes of all texts that are merged; the table of a trie takes a kilobyte for each. */
const MAX_TEXT_BYTES = 1000;
/** Bytes that texts must share for one search for these to spare the searches for the texts. */
const WORTH_A_SEARCH = 3;

/** Checks of one field that a single look can decide together. */
type Family = 'value' | 'prefix' | 'suffix' | 'contains';

function familyOf({ plan, left, right, domain }: Leaf): Family | undefined {
  if (left.kind !== 'field' || right || domain) return undefined;
  switch (plan.form) {
    case 'equal':
    case 'member':
      return 'value';
    case 'prefix':
    case 'suffix':
    case 'contains':
      return plan.form;
    default:
      return undefined;
  }
}

/** A walk over bytes: 256 columns a node, where 0 is no way on and -1 the end of a text. */
class TrieTable {
  private readonly table: number[] = new Array(256).fill(0);

  /** Adds a text given in the order of the walk. What begins with a shorter text ends there. */
  add(bytes: readonly number[]): void {
    let node = 0;
    for (const [index, byte] of bytes.entries()) {
      const at = node * 256 + byte;
      if (this.table[at] === -1) return;
      if (index === bytes.length - 1) this.table[at] = -1;
      else if (this.table[at] === 0) this.table[at] = this.newNode();
      node = this.table[at] ?? 0;
    }
  }

  private newNode(): number {
    const node = this.table.length / 256;
    for (let column = 0; column < 256; column++) this.table.push(0);
    return node;
  }

  pack(): Int16Array {
    return Int16Array.from(this.table);
  }
}

/** Whether a value begins (or ends) with any of the texts. */
function compileTrie(
  texts: readonly ByteString[],
  backwards: boolean,
): ((value: ByteString) => boolean) | undefined {
  if (texts.length < WORTH_A_TRIE) return undefined;
  const trie = new TrieTable();
  for (const text of texts) {
    const bytes = [...text].map((byte) => byte.charCodeAt(0));
    trie.add(backwards ? bytes.reverse() : bytes);
  }
  const table = trie.pack();
  if (backwards) {
    return (value) => {
      let node = 0;
      for (let index = value.length - 1; index >= 0; index--) {
        node = table[node * 256 + value.charCodeAt(index)] as number;
        if (node <= 0) return node < 0;
      }
      return false;
    };
  }
  return (value) => {
    let node = 0;
    for (let index = 0; index < value.length; index++) {
      node = table[node * 256 + value.charCodeAt(index)] as number;
      if (node <= 0) return node < 0;
    }
    return false;
  };
}

function mergedValues(leaves: readonly Leaf[]): { plan: Plan; test: Leaf['test'] } {
  const set = new Set<Value>();
  for (const { plan } of leaves) {
    if (plan.form === 'equal') set.add(plan.value);
    if (plan.form === 'member') for (const value of plan.set) set.add(value);
  }
  return { plan: { form: 'member', set }, test: (value) => set.has(value) };
}

/** The longest text that is within each of them. */
function commonPart([first = '', ...others]: readonly ByteString[]): ByteString {
  for (let size = first.length; size > 0; size--) {
    for (let from = 0; from + size <= first.length; from++) {
      const part = first.slice(from, from + size);
      if (others.every((text) => text.includes(part))) return part;
    }
  }
  return '';
}

/** Whether a value contains any of the texts; nearly always what they share is not in it already. */
function compileSearch(texts: readonly ByteString[]): ((value: ByteString) => boolean) | undefined {
  const common = commonPart(texts);
  if (common.length < WORTH_A_SEARCH) return undefined;
  return (value) => value.includes(common) && texts.some((text) => value.includes(text));
}

function mergedTexts(
  leaves: readonly Leaf[],
  family: 'prefix' | 'suffix' | 'contains',
): { plan: Plan; test: Leaf['test'] } | undefined {
  const texts = leaves.map(({ plan }) => ('value' in plan ? (plan.value as ByteString) : ''));
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  // An empty text is in every value, which a walk over bytes cannot tell.
  if (bytes > MAX_TEXT_BYTES || texts.includes('')) return undefined;
  const matches =
    family === 'contains' ? compileSearch(texts) : compileTrie(texts, family === 'suffix');
  return matches && { plan: { form: 'call' }, test: (value) => matches(value as ByteString) };
}

/**
 * One check for several of the same field that are joined by `or`. It is false for a missing value as they are. Nothing
 * when they cannot be decided together.
 */
function mergeGroup(leaves: readonly Leaf[], family: Family): Leaf | undefined {
  const [first] = leaves;
  if (!first || leaves.length < 2) return undefined;
  const merged = family === 'value' ? mergedValues(leaves) : mergedTexts(leaves, family);
  if (!merged) return undefined;
  const text = leaves
    .map((leaf) => leaf.text)
    .sort()
    .join(' or ');
  return { kind: 'leaf', text, left: first.left, operator: 'in', warnings: [], ...merged };
}

/** Merges what can be of checks joined by `or`; gives the new checks and those they stand for. */
export function mergeAlternatives(
  leaves: readonly Leaf[],
): { merged: Leaf; replaced: readonly Leaf[] }[] {
  const groups = new Map<string, { family: Family; leaves: Leaf[] }>();
  for (const leaf of leaves) {
    const family = familyOf(leaf);
    if (!family) continue;
    const key = `${family} ${leaf.left.text}`;
    const group = groups.get(key) ?? { family, leaves: [] };
    group.leaves.push(leaf);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ family, leaves: replaced }) => {
    const merged = mergeGroup(replaced, family);
    return merged ? [{ merged, replaced }] : [];
  });
}
