import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT_PIDNS } from '@tocsin/native';
import { Container, type ContainerFacts } from '../../src/state/container.ts';
import { healthcheckOf, probesOfLabels } from '../../src/state/health-probes.ts';
import { podOf } from '../../src/state/kubernetes/pod.ts';
import { get, quietTree } from './fields.ts';
import { eventOf, exec, fork } from './records.ts';

const KINDS = ['healthcheck', 'liveness_probe', 'readiness_probe'];

/** Host 1 (shim) → 10 (container's first) and 1 → 20 (the runtime's exec) → 21: what each field says of 10, 20 and 21. */
function verdicts(facts: ContainerFacts, argv: readonly string[], more = {}) {
  const tree = quietTree();
  const container = new Container('docker', 'c'.repeat(64), '/docker/c');
  container.facts = facts;
  const inside = (tgid: number, ppid: number, vpid: number) => ({
    tgid,
    start: tgid,
    ppid,
    vpid,
    flags: EVENT_PIDNS,
  });
  const run = (tgid: number, ppid: number, vpid: number, argv: readonly string[]) => {
    const child = { tgid, start: tgid, vpid, flags: EVENT_PIDNS };
    if (tree.get(tgid) === undefined) tree.apply(eventOf(fork({ tgid: ppid, start: ppid }, child)));
    const event = eventOf(exec(inside(tgid, ppid, vpid), { exePath: '/x', argv }, 'x'));
    event.process = tree.apply(event);
    event.container = container;
    return KINDS.map((kind) => get(event, `proc.is_container_${kind}`, tree, more));
  };
  return [
    run(10, 2, 1, argv),
    run(20, 2, 7, argv),
    run(21, 20, 8, ['other']),
    // A shell that becomes its last command is on the same errand.
    run(20, 2, 7, ['last']),
    run(11, 10, 9, argv),
  ];
}

describe('probes of containers', () => {
  it('are told by their command, with what they start, unless the container itself starts it', () => {
    const command = healthcheckOf(['CMD-SHELL', 'curl -f http://x || exit 1']);
    const argv = ['/bin/sh', '-c', 'curl -f http://x || exit 1'];
    const no = [false, false, false];
    const yes = [true, false, false];
    assert.deepEqual(verdicts({ healthcheck: command ?? '' }, argv), [no, yes, yes, yes, no]);
    assert.deepEqual(verdicts({ healthcheck: command ?? '' }, [...argv, 'x']), [
      no,
      no,
      no,
      no,
      no,
    ]);
    assert.deepEqual(verdicts({}, argv), [no, no, no, no, no]);
    assert.equal(healthcheckOf(['CMD', 'a', 'b c']), 'a\0b c');
    assert.equal(healthcheckOf(['NONE']), 'NONE');
    assert.equal(healthcheckOf([]), undefined);
  });

  it('come from the labels of a pod, and from the API of its cluster', () => {
    const spec = {
      metadata: { uid: 'u', name: 'p', namespace: 'n' },
      spec: {
        containers: [
          { name: 'side', livenessProbe: { httpGet: {} } },
          {
            name: 'web',
            livenessProbe: { exec: { command: ['alive', '-v'] } },
            readinessProbe: { exec: { command: ['ready'] } },
          },
        ],
      },
    };
    const labels = new Map([
      ['annotation.kubectl.kubernetes.io/last-applied-configuration', JSON.stringify(spec)],
      ['io.kubernetes.container.name', 'web'],
    ]);
    const probes = probesOfLabels(labels);
    assert.deepEqual(probes, { livenessProbe: 'alive\0-v', readinessProbe: 'ready' });
    const live = [false, true, false];
    const no = [false, false, false];
    assert.deepEqual(verdicts(probes, ['alive', '-v']), [no, live, live, live, no]);
    const more = { podOf: () => podOf(spec) };
    const facts = { podUid: 'u', labels: new Map([['io.kubernetes.container.name', 'web']]) };
    const ready = [false, false, true];
    assert.deepEqual(verdicts(facts, ['ready'], more), [no, ready, ready, ready, no]);
    for (const bad of ['{', '[]', '{"spec":{"containers":[null,7,{"name":[]}]}}'])
      assert.deepEqual(
        probesOfLabels(
          new Map([['annotation.kubectl.kubernetes.io/last-applied-configuration', bad]]),
        ),
        {},
      );
  });
});
