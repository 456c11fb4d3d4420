import type { FieldOperand, Leaf, Operand } from '../condition/condition.ts';
import type { AddressBytes, Extractor, FieldSource, Value } from '../field.ts';

/** The addresses a domain name is known to have; a name not looked up yet has none. Must not block. */
export type ResolveDomain = (name: string) => readonly AddressBytes[] | undefined;

/** Gives the reader of a field; missing for ever when the source has no such field. */
export type ReadField<E> = (field: FieldOperand) => Extractor<E>;

const MISSING = (): undefined => undefined;

/** Binds fields to a source, each once. */
export class FieldBinder<E> {
  private readonly source: FieldSource<E>;
  private readonly bound = new Map<string, Extractor<E> | undefined>();

  constructor(source: FieldSource<E>) {
    this.source = source;
  }

  /** The extractor, or nothing when the source cannot supply the field. */
  bind(field: FieldOperand): Extractor<E> | undefined {
    if (!this.bound.has(field.text)) {
      this.bound.set(field.text, this.source.bind(field.reference));
    }
    return this.bound.get(field.text);
  }

  /** Whether events of the type can come. */
  hasType(type: string): boolean {
    return this.source.hasType?.(type) ?? true;
  }

  readonly read: ReadField<E> = (field) => this.bind(field) ?? MISSING;
}

/** How an operand's value is got from an event; missing as soon as one part is. */
export function operandReader<E>(operand: Operand, read: ReadField<E>): Extractor<E> {
  switch (operand.kind) {
    case 'field':
      return read(operand);
    case 'literal': {
      const { value } = operand;
      return () => value;
    }
    case 'list':
      return valuesReader(operand.items, read);
    case 'transformer': {
      const { apply } = operand;
      const values = valuesReader(operand.operands, read);
      return (event) => {
        const found = values(event);
        return found === undefined ? undefined : apply(found);
      };
    }
  }
}

function valuesReader<E>(
  operands: readonly Operand[],
  read: ReadField<E>,
): (event: E) => Value[] | undefined {
  const readers = operands.map((operand) => operandReader(operand, read));
  return (event) => {
    const values: Value[] = [];
    for (const reader of readers) {
      const value = reader(event);
      if (value === undefined) return undefined;
      values.push(value);
    }
    return values;
  };
}

/** How a check is decided for an event. */
export function leafTest<E>(
  leaf: Leaf,
  read: ReadField<E>,
  resolve: ResolveDomain,
): (event: E) => boolean {
  const { test } = leaf;
  const left = operandReader(leaf.left, read);
  if (leaf.domain) return domainTest(leaf, leaf.domain, left, read, resolve);
  if (leaf.right) {
    const right = operandReader(leaf.right, read);
    return (event) => {
      const value = left(event);
      if (value === undefined) return false;
      const other = right(event);
      return other !== undefined && test(value, other);
    };
  }
  return (event) => {
    const value = left(event);
    return value !== undefined && test(value);
  };
}

/** A name found for the address is compared as text; else the names on the right are looked up. */
function domainTest<E>(
  leaf: Leaf,
  domain: NonNullable<Leaf['domain']>,
  name: Extractor<E>,
  read: ReadField<E>,
  resolve: ResolveDomain,
): (event: E) => boolean {
  const address = operandReader(domain.address, read);
  const expected = leaf.operator !== '!=';
  return (event) => {
    const found = name(event);
    if (found !== undefined) return leaf.test(found);
    const value = address(event);
    if (typeof value !== 'string') return false;
    const isOne = domain.names.some((each) => resolve(each)?.includes(value) ?? false);
    return isOne === expected;
  };
}
