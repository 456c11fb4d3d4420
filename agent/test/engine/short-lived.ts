import assert from 'node:assert/strict';
import type { Alert } from '@tocsin/openapi';
import type { LiveEngine } from './live-engine.ts';

/** How many containers live and die in a test; the benchmark takes more. */
export const CONTAINERS = Number(process.env['TOCSIN_CONTAINERS'] ?? 12);
const CONCURRENT = 4;

/**
 * Runs containers that end at once, a few at a time, each with the words that `run` gets, and waits until each has rung the rule
 * `inside`. Every alert of one must name it and its image, from the first exec on; other containers of the host do not count.
 * Returns a sentence of figures.
 */
export async function shortLived(
  live: LiveEngine,
  image: { repository: string; tag: string },
  run: (name: string, mark: string) => Promise<unknown>,
): Promise<string> {
  const mark = `mark-${process.pid}`;
  const names = Array.from({ length: CONTAINERS }, (_, index) => `short-${index}`);
  const isOf = (all: Alert['output_fields'], name: string) =>
    String(all['proc.cmdline']).endsWith(`true ${mark}-${name}`);
  const queue = [...names];
  await Promise.all(
    Array.from({ length: CONCURRENT }, async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift())
        await run(name, `${mark}-${name}`);
    }),
  );
  const ids = new Map<unknown, string>();
  for (const name of names) {
    const { output_fields: all } = await live.until('inside', (one) => isOf(one, name));
    ids.set(all['container.full_id'], name);
  }
  assert.equal(ids.size, names.length);
  const alerts = live.alerts
    .map(({ output_fields: all }) => all)
    .filter((all) => ids.has(all['container.full_id']));
  const nameless = alerts.filter(
    (all) =>
      all['container.name'] !== ids.get(all['container.full_id']) ||
      all['container.image.repository'] !== image.repository ||
      all['container.image.tag'] !== image.tag,
  );
  assert.deepEqual(nameless, [], 'an alert of a container that does not say which');
  return `${names.length} containers, ${alerts.length} execs inside, none without name and image`;
}
