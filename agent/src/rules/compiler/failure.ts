import type { Leaf } from '../condition/condition.ts';

/** Calls that make a file descriptor, so that a failure leaves `fd.num` at -1. */
const MAKES_FD: ReadonlySet<string> = new Set([
  'open',
  'openat',
  'openat2',
  'creat',
  'open_by_handle_at',
  'accept',
  'accept4',
  'socket',
  'dup',
  'dup2',
  'dup3',
  'memfd_create',
  'bpf',
]);

/** What a comparison comes to for every whole number from `low` to `high`, if that is certain. */
function ofRange(
  { operator, modifier, literals }: Leaf,
  low: number,
  high: number,
): boolean | undefined {
  if (modifier || !literals) return undefined;
  const numbers = literals.map(Number);
  if (numbers.some((number) => Number.isNaN(number))) return undefined;
  const [first = 0] = numbers;
  const isOutside = (number: number): boolean => number < low || number > high;
  const compare = (always: boolean, never: boolean): boolean | undefined =>
    always ? true : never ? false : undefined;
  switch (operator) {
    case '=':
    case 'in':
    case 'intersects':
      return numbers.every(isOutside) ? false : undefined;
    case '!=':
      return isOutside(first) ? true : undefined;
    case '>=':
      return compare(low >= first, high < first);
    case '>':
      return compare(low > first, high <= first);
    case '<':
      return compare(high < first, low >= first);
    case '<=':
      return compare(high <= first, low > first);
    default:
      return undefined;
  }
}

const ofNegative = (leaf: Leaf): boolean | undefined => ofRange(leaf, Number.NEGATIVE_INFINITY, -1);

const ofNatural = (leaf: Leaf): boolean | undefined => ofRange(leaf, 0, Number.POSITIVE_INFINITY);

/** What a check comes to for every call that made a descriptor, if that is certain. */
export function successOf(leaf: Leaf): boolean | undefined {
  if (leaf.left.kind !== 'field' || leaf.right || leaf.operator === 'exists') return undefined;
  switch (leaf.left.text) {
    case 'evt.rawres':
    case 'fd.num':
      return ofNatural(leaf);
    default:
      return undefined;
  }
}

/** What a check comes to for every failed call of a type, if that is certain. A failed call always has a result. */
export function failureOf(leaf: Leaf, eventType: string): boolean | undefined {
  if (leaf.left.kind !== 'field' || leaf.right || leaf.operator === 'exists') return undefined;
  switch (leaf.left.text) {
    case 'evt.rawres':
      return ofNegative(leaf);
    case 'evt.rawarg.res':
      // Of some calls the result has another name, and then the check is false.
      return ofNegative(leaf) === false ? false : undefined;
    case 'evt.failed':
      return leaf.test(true);
    case 'evt.res':
      // The name of the error is not known, only that it is none of the good ones.
      if (leaf.operator === '=' && leaf.literals?.[0] === 'SUCCESS') return false;
      if (leaf.operator === '!=' && leaf.literals?.[0] === 'SUCCESS') return true;
      return undefined;
    case 'fd.num':
      // False for a missing descriptor as well, whatever the source says of one that was not made.
      return MAKES_FD.has(eventType) && !leaf.test(-1) ? false : undefined;
    default:
      return undefined;
  }
}
