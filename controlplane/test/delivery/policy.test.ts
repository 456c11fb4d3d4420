import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ambiguous, ok, permanent, retry } from '../../src/delivery/outcome.ts';
import { decide, type RetryPolicy } from '../../src/delivery/policy.ts';

const NOW = 1_000_000_000;
const policy: RetryPolicy = { firstMs: 1000, mostMs: 60_000, patienceMs: 3_600_000 };
const fresh = { since: NOW, failures: 0 };
const latest = () => 1;

describe('what follows from an outcome', () => {
  it('is done after a success and gives up what cannot be mended', () => {
    assert.deepEqual(decide(ok(''), fresh, policy, NOW, latest), { next: 'done' });
    const refused = permanent('client_error', 'HTTP 404');
    const expected = { next: 'give up', reason: 'client_error', detail: 'HTTP 404' };
    assert.deepEqual(decide(refused, fresh, policy, NOW, latest), expected);
  });

  it('doubles the pause up to a cap, with half of it chance', () => {
    const at = (failures: number, random: () => number) => {
      const decision = decide(
        retry('connection', ''),
        { since: NOW, failures },
        policy,
        NOW,
        random,
      );
      assert.equal(decision.next, 'again');
      return decision.next === 'again' ? [decision.at - NOW, decision.failures] : [];
    };
    assert.deepEqual(at(0, latest), [1000, 1]);
    assert.deepEqual(
      at(0, () => 0),
      [500, 1],
    );
    assert.deepEqual(at(3, latest), [8000, 4]);
    assert.deepEqual(at(2000, latest), [60_000, 2001]);
  });

  it('takes Retry-After as a pause that is no failure', () => {
    const decision = decide(retry('rate_limited', '', 30_000), fresh, policy, NOW, latest);
    assert.deepEqual(decision, { next: 'again', at: NOW + 30_000, failures: 0, quiet: true });
    const zero = decide(retry('rate_limited', '', 0), fresh, policy, NOW, latest);
    assert.ok(zero.next === 'again' && zero.at > NOW);
  });

  it('keeps trying what a person can mend, and what is open, until patience ends', () => {
    for (const outcome of [permanent('auth', 'x'), ambiguous('timeout', 'x'), retry('dns', 'x')]) {
      assert.equal(decide(outcome, fresh, policy, NOW, latest).next, 'again');
      const old = { since: NOW - 3_600_000, failures: 9 };
      const decision = decide(outcome, old, policy, NOW, latest);
      assert.equal(decision.next, 'give up');
      assert.match(decision.next === 'give up' ? decision.detail : '', /after 1 h: x/);
    }
  });

  it('does not count a stop of ours against the receiver', () => {
    const decision = decide(
      ambiguous('aborted', ''),
      { since: 0, failures: 2 },
      policy,
      NOW,
      latest,
    );
    assert.deepEqual(decision, { next: 'again', at: NOW, failures: 2 });
  });
});
