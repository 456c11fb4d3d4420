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

/** What a comparison comes to for every negative number, if that is certain. */
function ofNegative({ operator, modifier, literals }: Leaf): boolean | undefined {
  if (modifier || !literals) return undefined;
  const numbers = literals.map(Number);
  if (numbers.some((number) => Number.isNaN(number))) return undefined;
  const [first = 0] = numbers;
  switch (operator) {
    case '=':
    case 'in':
    case 'intersects':
      return numbers.every((number) => number >= 0) ? false : undefined;
    case '!=':
      return first >= 0 ? true : undefined;
    case '>=':
      return first >= 0 ? false : undefined;
    case '>':
      return first >= -1 ? false : undefined;
    case '<':
      return first >= 0 ? true : undefined;
    case '<=':
      return first >= -1 ? true : undefined;
    default:
      return undefined;
  }
}

/** What a check comes to for every failed call of a type, if that is certain. */
export function failureOf(leaf: Leaf, eventType: string): boolean | undefined {
  if (leaf.left.kind !== 'field' || leaf.right || leaf.operator === 'exists') return undefined;
  switch (leaf.left.text) {
    case 'evt.rawres':
    case 'evt.rawarg.res':
      return ofNegative(leaf);
    case 'evt.failed':
      return leaf.test(true);
    case 'evt.res':
      // The name of the error is not known, only that it is none of the good ones.
      if (leaf.operator === '=' && leaf.literals?.[0] === 'SUCCESS') return false;
      if (leaf.operator === '!=' && leaf.literals?.[0] === 'SUCCESS') return true;
      return undefined;
    case 'fd.num':
      return MAKES_FD.has(eventType) ? leaf.test(-1) : undefined;
    default:
      return undefined;
  }
}
