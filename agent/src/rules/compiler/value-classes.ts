import type { Leaf } from '../condition/condition.ts';
import type { Value } from '../field.ts';

/** With fewer checks a lookup for each is as fast. */
const WORTH_CLASSES = 3;

/**
 * The values that checks on one field compare with, sorted into classes that all the checks treat alike; 0 is any other value.
 * One lookup of the value's class then decides every one of them by an array access.
 */
export interface ValueClasses {
  readonly classOf: ReadonlyMap<Value, number>;
  /** For each check, by its text: 1 where the class fits. */
  readonly fits: ReadonlyMap<string, Uint8Array>;
}

function valuesOf({ plan }: Leaf): readonly Value[] | undefined {
  if (plan.form === 'equal' && typeof plan.value === 'string') return [plan.value];
  return plan.form === 'member' ? [...plan.set] : undefined;
}

/** Sorts the values of the checks of one field; nothing when there are too few. */
export function classifyValues(leaves: readonly Leaf[]): ValueClasses | undefined {
  const checks = leaves.flatMap((leaf) => {
    const values = valuesOf(leaf);
    return values ? [{ text: leaf.text, values }] : [];
  });
  if (checks.length < WORTH_CLASSES) return undefined;
  const checksOf = new Map<Value, number[]>();
  for (const [index, { values }] of checks.entries()) {
    for (const value of values) {
      const list = checksOf.get(value);
      if (list) list.push(index);
      else checksOf.set(value, [index]);
    }
  }
  const classes = new Map<string, number>();
  const classOf = new Map<Value, number>();
  for (const [value, indexes] of checksOf) {
    const signature = indexes.join(',');
    let number = classes.get(signature);
    if (number === undefined) {
      number = classes.size + 1;
      classes.set(signature, number);
    }
    classOf.set(value, number);
  }
  const tables = checks.map(() => new Uint8Array(classes.size + 1));
  for (const [value, indexes] of checksOf) {
    for (const index of indexes) (tables[index] as Uint8Array)[classOf.get(value) ?? 0] = 1;
  }
  return {
    classOf,
    fits: new Map(checks.map(({ text }, index) => [text, tables[index] as Uint8Array])),
  };
}
