import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BackOff } from '../../src/uplink/back-off.ts';

describe('BackOff', () => {
  it('doubles up to the cap and starts again after a success', () => {
    const backOff = new BackOff(100, 500, () => 0);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => backOff.nextMs()),
      [100, 200, 400, 500, 500],
    );
    backOff.reset();
    assert.equal(backOff.nextMs(), 100);
  });

  it('shortens each wait by up to a half', () => {
    assert.equal(new BackOff(100, 500, () => 1).nextMs(), 50);
  });
});
