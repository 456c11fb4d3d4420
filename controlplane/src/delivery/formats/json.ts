/** A copy without what says nothing: undefined, null, false, NaN, empty text, empty lists and empty objects, at any depth. */
export function compact(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, child]): [string, unknown] => [key, isObject(child) ? compact(child) : child])
      .filter(([, child]) => !isEmpty(child)),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === '' ||
  Number.isNaN(value) ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0);
