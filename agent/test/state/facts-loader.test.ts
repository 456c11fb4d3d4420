import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Container } from '../../src/state/container.ts';
import { FactsLoader } from '../../src/state/facts-loader.ts';
import type { Found } from '../../src/state/runtimes/lookup.ts';

const whole: Found = { facts: { name: 'web', image: 'nginx' }, runtime: 'docker' };

/** A loader over scripted answers, and a promise of its next settled container. */
function setUp(files: (Found | undefined)[], socket: (Found | undefined)[] = [], now = () => 0) {
  const waiting: ((container: Container) => void)[] = [];
  const loader = new FactsLoader({
    lookup: { readFiles: async () => files.shift(), ask: async () => socket.shift() },
    retryMs: [1, 1],
    negativeMs: 1000,
    now,
    onSettled: (container) => waiting.shift()?.(container),
  });
  const settled = () => new Promise<Container>((resolve) => waiting.push(resolve));
  return { loader, settled };
}

describe('FactsLoader', () => {
  it('takes what a file tells', async () => {
    const { loader, settled } = setUp([whole]);
    const container = new Container('docker', 'a');
    const done = settled();
    loader.load(container);
    assert.equal(container.pending, true);
    await done;
    assert.equal(container.pending, false);
    assert.equal(container.facts?.name, 'web');
    assert.deepEqual(loader.counters, { found: 1, asked: 0, missing: 0, cut: 0 });
  });

  it('tries again while a runtime is still writing', async () => {
    const { loader, settled } = setUp([undefined, { facts: { privileged: true } }, whole]);
    const done = settled();
    loader.load(new Container('docker', 'a'));
    assert.equal((await done).facts?.name, 'web');
  });

  it('asks the runtime and keeps what files told besides', async () => {
    const { loader, settled } = setUp([{ facts: { privileged: true } }], [whole]);
    const done = settled();
    loader.load(new Container('docker', 'a'));
    assert.deepEqual((await done).facts, { privileged: true, name: 'web', image: 'nginx' });
    assert.equal(loader.counters.asked, 1);
  });

  it('is content with a part in the end', async () => {
    const part = { facts: { privileged: true } };
    const { loader, settled } = setUp([part, part, part]);
    const done = settled();
    loader.load(new Container('containerd', 'a'));
    assert.deepEqual((await done).facts, { privileged: true });
  });

  it('leaves a container alone that nothing told of, for a while', async () => {
    let now = 0;
    const { loader, settled } = setUp([undefined, undefined, undefined, whole], [], () => now);
    const container = new Container('docker', 'a');
    let done = settled();
    loader.load(container);
    await done;
    assert.equal(loader.counters.missing, 1);
    loader.refresh(container);
    assert.equal(container.pending, false);
    now = 1000;
    done = settled();
    loader.refresh(container);
    assert.equal((await done).facts?.name, 'web');
  });

  it('looks for no facts where no runtime keeps them', () => {
    const { loader } = setUp([]);
    const container = new Container('bpm', 'guest');
    loader.load(container);
    assert.equal(container.pending, false);
  });

  it('looks for the newest first, and nobody waits for another to try again', async () => {
    const order: string[] = [];
    const answers: (() => void)[] = [];
    const loader = new FactsLoader({
      lookup: {
        readFiles: ({ fullId }) => {
          order.push(fullId);
          return new Promise((resolve) => answers.push(() => resolve(undefined)));
        },
        ask: async () => undefined,
      },
      retryMs: [1000],
      concurrency: 1,
    });
    for (const id of ['a', 'b', 'c']) loader.load(new Container('docker', id));
    for (let index = 0; index < 3; index++) {
      answers[index]?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(order, ['a', 'c', 'b']);
    loader.stop();
  });

  it('leaves out what would make facts too large', async () => {
    const environment = Array.from({ length: 1000 }, (_, index) => `K${index}=${'v'.repeat(1000)}`);
    const labels = new Map([['k', 'v']]);
    const { loader, settled } = setUp([
      { facts: { name: 'web', image: 'nginx', environment, labels } },
    ]);
    const done = settled();
    loader.load(new Container('docker', 'a'));
    assert.deepEqual((await done).facts, { name: 'web', image: 'nginx', labels });
    assert.equal(loader.counters.cut, 1);
  });
});
