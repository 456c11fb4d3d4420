import assert from 'node:assert/strict';
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { PRIORITIES, type Priority, severityOf } from '@tocsin/openapi';
import fc from 'fast-check';
import type { Batch } from '../../src/uplink/batch-file.ts';
import { Outbox } from '../../src/uplink/outbox.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const linesOf = (batch: Batch): string[] =>
  (batch.encoding === 'gzip' ? gunzipSync(batch.body) : batch.body)
    .toString()
    .trimEnd()
    .split('\n');

const unexpected = (): void => assert.fail('nothing may be lost here');

/** An outbox, what was given to it, and what a control plane saw of it. */
class Bench {
  readonly folder = temporaryFolder();
  readonly given: string[] = [];
  readonly confirmed: string[] = [];
  readonly bytesBySequence = new Map<number, string>();
  outbox = this.#open();
  #count = 0;

  #open(): Outbox {
    return new Outbox({
      folder: this.folder,
      capacityBytes: 64 * 1024 * 1024,
      onLoss: unexpected,
      onCorrupt: () => undefined,
    });
  }

  restart(): void {
    this.outbox.close();
    this.outbox = this.#open();
  }

  #line(size: number): string {
    return JSON.stringify({ n: this.#count++, pad: 'x'.repeat(size) });
  }

  append(entries: readonly { readonly severity: number; readonly size: number }[]): void {
    const made = entries.map(({ severity, size }) => ({
      priority: PRIORITIES[severity] as Priority,
      line: this.#line(size),
    }));
    this.outbox.append(made, Date.now());
    this.given.push(...made.map(({ line }) => line));
  }

  /** The process dies in the middle of the write of an append. */
  appendTorn(severity: number, sizes: readonly number[], fraction: number): void {
    const prefix = `${severity}-`;
    const newest = () =>
      readdirSync(this.folder)
        .filter((name) => name.startsWith(prefix))
        .sort()
        .at(-1);
    const before = newest();
    const sizeBefore = before === undefined ? 0 : statSync(join(this.folder, before)).size;
    const priority = PRIORITIES[severity] as Priority;
    const made = sizes.map((size) => ({ priority, line: this.#line(size) }));
    this.outbox.append(made, Date.now());
    const path = join(this.folder, newest() as string);
    const start = newest() === before ? sizeBefore : 0;
    const cut = start + Math.floor((statSync(path).size - start) * fraction);
    truncateSync(path, cut);
    let end = start;
    for (const { line } of made) {
      end += 20 + Buffer.byteLength(line);
      if (end <= cut) this.given.push(line);
    }
    this.restart();
  }

  /** One attempt to send; `isHeard` tells whether the answer came back. */
  async send(isHeard: boolean): Promise<boolean> {
    const batch = await this.outbox.next();
    if (!batch) return false;
    const bytes = batch.body.toString('base64');
    const earlier = this.bytesBySequence.get(batch.sequence);
    assert.equal(earlier ?? bytes, bytes, `sequence ${batch.sequence} was sent with other bytes`);
    this.bytesBySequence.set(batch.sequence, bytes);
    if (isHeard) {
      this.confirmed.push(...linesOf(batch));
      this.outbox.confirm();
    }
    return true;
  }
}

async function drain(outbox: Outbox): Promise<string[]> {
  const lines: string[] = [];
  for (let batch = await outbox.next(); batch; batch = await outbox.next()) {
    lines.push(...linesOf(batch));
    outbox.confirm();
  }
  return lines;
}

function countBy(priorities: readonly Priority[]): Map<Priority, number> {
  const counts = new Map<Priority, number>();
  for (const priority of priorities) counts.set(priority, (counts.get(priority) ?? 0) + 1);
  return counts;
}

const entry = fc.record({ severity: fc.nat(7), size: fc.nat(3000) });
const step = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    entries: fc.array(entry, { minLength: 1, maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant('send' as const), isHeard: fc.boolean() }),
  fc.record({ kind: fc.constant('crash' as const) }),
  fc.record({
    kind: fc.constant('torn' as const),
    severity: fc.nat(7),
    sizes: fc.array(fc.nat(500), { minLength: 1, maxLength: 5 }),
    fraction: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
);

describe('Outbox', () => {
  it('delivers everything once, in order, under stable sequence numbers, whenever it is killed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const bench = new Bench();
        for (const it of steps) {
          if (it.kind === 'append') bench.append(it.entries);
          else if (it.kind === 'send') await bench.send(it.isHeard);
          else if (it.kind === 'torn') bench.appendTorn(it.severity, it.sizes, it.fraction);
          else bench.restart();
        }
        while (await bench.send(true));
        bench.outbox.close();
        assert.deepEqual(bench.confirmed, bench.given);
      }),
      { numRuns: 150 },
    );
  });

  it('cuts batches by number and by size', async () => {
    const bench = new Bench();
    bench.append(Array.from({ length: 1200 }, () => ({ severity: 4, size: 10 })));
    bench.append(Array.from({ length: 3 }, () => ({ severity: 4, size: 400_000 })));
    const sizes: number[] = [];
    for (let batch = await bench.outbox.next(); batch; batch = await bench.outbox.next()) {
      sizes.push(batch.alerts);
      bench.outbox.confirm();
    }
    assert.deepEqual(sizes, [500, 500, 202, 1]);
  });

  it('compresses what is worth it', async () => {
    const bench = new Bench();
    bench.append([{ severity: 4, size: 100 }]);
    assert.equal((await bench.outbox.next())?.encoding, 'identity');
    bench.outbox.confirm();
    bench.append([{ severity: 4, size: 100_000 }]);
    const batch = await bench.outbox.next();
    assert.equal(batch?.encoding, 'gzip');
    assert.ok((batch as Batch).body.length < 10_000);
  });

  it('goes on after a power cut that left a broken batch file', async () => {
    const bench = new Bench();
    bench.append([{ severity: 2, size: 10 }]);
    await bench.outbox.next();
    const path = join(bench.folder, 'batch');
    writeFileSync(path, readFileSync(path).subarray(0, -3));
    bench.bytesBySequence.clear();
    bench.restart();
    while (await bench.send(true));
    assert.deepEqual(bench.confirmed, bench.given);
  });

  it('skips rotten bytes, counts them, and keeps the rest', async () => {
    const bench = new Bench();
    bench.append([{ severity: 3, size: 10 }]);
    const [name] = readdirSync(bench.folder).filter((file) => file.endsWith('.spool'));
    appendFileSync(join(bench.folder, name as string), 'rotten');
    bench.outbox.close();
    let corrupt = 0;
    const options = { folder: bench.folder, capacityBytes: 1e6, onLoss: unexpected };
    const outbox = new Outbox({ ...options, onCorrupt: (bytes) => (corrupt += bytes) });
    outbox.append([{ priority: 'Error', line: '"next"' }], 0);
    const batch = (await outbox.next()) as Batch;
    assert.deepEqual(linesOf(batch), [...bench.given, '"next"']);
    assert.equal(corrupt, 'rotten'.length);
  });

  it('splits a refused batch down to the one alert that is not taken, over restarts too', async () => {
    const bench = new Bench();
    bench.append(Array.from({ length: 37 }, () => ({ severity: 4, size: 600 })));
    const bad = bench.given[23] as string;
    const taken: string[] = [];
    const rejected: string[] = [];
    const sequences: number[] = [];
    for (let batch = await bench.outbox.next(); batch; batch = await bench.outbox.next()) {
      sequences.push(batch.sequence);
      const lines = linesOf(batch);
      if (lines.includes(bad)) {
        const line = bench.outbox.refuse();
        if (line !== undefined) rejected.push(line);
      } else {
        taken.push(...lines);
        bench.outbox.confirm();
      }
      bench.restart();
    }
    assert.deepEqual(rejected, [bad]);
    assert.deepEqual(
      taken,
      bench.given.filter((line) => line !== bad),
    );
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => index + 1),
    );
    assert.equal(readFileSync(join(bench.folder, 'rejected.ndjson'), 'utf8'), `${bad}\n`);
  });

  it('renumbers the batch on its way and counts on from there', async () => {
    const bench = new Bench();
    bench.append([{ severity: 4, size: 1 }]);
    const { sequence, body } = (await bench.outbox.next()) as Batch;
    bench.outbox.renumber(1000);
    bench.restart();
    const again = (await bench.outbox.next()) as Batch;
    assert.deepEqual([sequence, again.sequence], [1, 1000]);
    assert.deepEqual(again.body, body);
    bench.outbox.renumber(1);
    assert.equal((await bench.outbox.next())?.sequence, 1001);
  });
});

describe('Outbox that is full', () => {
  it('loses the lowest priority first, oldest first, and counts each alert', async () => {
    const lost = new Map<Priority, number>();
    const given = new Map<string, Priority>();
    const folder = temporaryFolder();
    const capacityBytes = 1024 * 1024;
    const outbox = new Outbox({
      folder,
      capacityBytes,
      onLoss: (priority, alerts, reason) => {
        assert.equal(reason, 'spool_full');
        lost.set(priority, (lost.get(priority) ?? 0) + alerts);
      },
      onCorrupt: unexpected,
    });
    const pad = 'p'.repeat(1000);
    for (let n = 0; n < 3000; n++) {
      const priority: Priority = n % 10 === 0 ? 'Critical' : n % 2 === 0 ? 'Notice' : 'Debug';
      const line = JSON.stringify({ n, pad });
      given.set(line, priority);
      outbox.append([{ priority, line }], n);
      const disk = readdirSync(folder).reduce(
        (sum, name) => sum + statSync(join(folder, name)).size,
        0,
      );
      assert.ok(disk <= capacityBytes, `${disk} bytes on disk`);
    }
    const kept = countBy((await drain(outbox)).map((line) => given.get(line) as Priority));
    assert.equal(kept.get('Critical'), 300);
    assert.ok(severityOf('Debug') > severityOf('Notice'));
    assert.ok((kept.get('Debug') ?? 0) < 20, 'debug alerts gave way to what is more severe');
    assert.ok((kept.get('Notice') ?? 0) > 500);
    for (const [priority, all] of countBy([...given.values()]))
      assert.equal((kept.get(priority) ?? 0) + (lost.get(priority) ?? 0), all, priority);
  });
});
