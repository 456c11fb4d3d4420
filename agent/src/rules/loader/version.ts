/** Engine version that rules may require. */
export const ENGINE_VERSION = '0.63.0';

/** Plugins whose fields this engine has by itself. */
export const PROVIDED_PLUGINS: ReadonlyMap<string, string> = new Map([['container', '0.9.0']]);

type Version = readonly [number, number, number];

/** Reads `x.y.z`, with or without a pre-release part that is not compared. */
export function parseVersion(text: string): Version | undefined {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(
    text,
  );
  if (!match) return undefined;
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** Whether `provided` serves who requires `required`: the same major version, and not older. */
export function isCompatible(provided: string, required: string): boolean {
  const have = parseVersion(provided);
  const want = parseVersion(required);
  if (!have || !want || have[0] !== want[0]) return false;
  return have[1] > want[1] || (have[1] === want[1] && have[2] >= want[2]);
}
