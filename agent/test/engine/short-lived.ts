import assert from 'node:assert/strict';
import type { LiveEngine } from './live-engine.ts';

/** How many containers live and die in a test; the benchmark takes more. */
export const CONTAINERS = Number(process.env['TOCSIN_CONTAINERS'] ?? 12);
const CONCURRENT = 4;

/**
 * Runs containers that end at once, a few at a time, and waits until each has rung the rule `inside`. Every alert of one must name
 * it and its image, from the first exec on. Returns a sentence of figures.
 */
export async function shortLived(
  live: LiveEngine,
  image: { repository: string; tag: string },
  run: (name: string) => Promise<unknown>,
): Promise<string> {
  const names = Array.from({ length: CONTAINERS }, (_, index) => `short-${index}`);
  const queue = [...names];
  await Promise.all(
    Array.from({ length: CONCURRENT }, async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) await run(name);
    }),
  );
  for (const name of names)
    await live.until(
      'inside',
      (all) => all['container.name'] === name && all['proc.name'] === 'true',
    );
  const alerts = live.alerts.filter(({ rule }) => rule === 'inside');
  const nameless = alerts
    .map(({ output_fields: all }) => all)
    .filter(
      (all) =>
        !all['container.name'] ||
        all['container.image.repository'] !== image.repository ||
        all['container.image.tag'] !== image.tag,
    );
  assert.deepEqual(nameless, [], 'an alert of a container that does not say which');
  const seen = new Set(alerts.map(({ output_fields }) => output_fields['container.name']));
  assert.ok(names.every((name) => seen.has(name)));
  return `${names.length} containers, ${alerts.length} execs inside, none without name and image`;
}
