import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Container, type ContainerFacts } from '../../src/state/container.ts';
import { get, quietTree } from './fields.ts';
import { eventOf, exec, fork } from './records.ts';

const TASK = '12345678-1234-1234-1234-123456789abc';
const ENVIRONMENT = [
  'PATH=/bin',
  'MESOS_TASK_ID=web_front.2c8e9fae-0001',
  'MARATHON_APP_ID=/web/front',
  'MARATHON_APP_LABELS=OWNER COST_CENTRE',
  'MARATHON_APP_LABEL_OWNER=red team',
  'MARATHON_APP_LABEL_COST_CENTRE=42=x',
];
const EXPECTED = {
  'mesos.task.id': 'web_front.2c8e9fae-0001',
  'mesos.task.name': 'front.web',
  'mesos.task.label[owner]': 'red team',
  'mesos.task.label[Cost-Centre]': '42=x',
  'mesos.task.label[none]': undefined,
  'mesos.task.labels': 'owner:red team, cost_centre:42=x',
  'marathon.app.id': '/web/front',
  'marathon.app.name': 'front',
  'marathon.app.label[owner]': 'red team',
  'marathon.app.labels': 'owner:red team, cost_centre:42=x',
  'marathon.group.id': '/web',
  'marathon.group.name': 'web',
};
const NOTHING = Object.fromEntries(Object.keys(EXPECTED).map((name) => [name, undefined]));

function fieldsOf(container: Container | undefined, records: readonly Buffer[]) {
  const tree = quietTree();
  let event = eventOf(records[0] ?? Buffer.alloc(0));
  for (const bytes of records) {
    event = eventOf(bytes);
    event.process = tree.apply(event);
  }
  if (container !== undefined) event.container = container;
  return Object.fromEntries(Object.keys(EXPECTED).map((name) => [name, get(event, name, tree)]));
}

function docker(facts: ContainerFacts): Container {
  const container = new Container('docker', 'ab'.repeat(32));
  container.facts = facts;
  return container;
}

const of = (pid: number, parent: number) => ({ tgid: pid, ppid: parent, cgroup: 7 });
const withEnvironment = (pid: number, parent: number, environment: readonly string[]) =>
  exec(of(pid, parent), { argv: ['x'], env: environment }, 'x');

describe('fields of Mesos and Marathon', () => {
  it('come from the environment a container was made with', () => {
    const container = docker({ environment: ENVIRONMENT });
    assert.deepEqual(
      fieldsOf(container, [withEnvironment(50, 1, ['MESOS_TASK_ID=fake.1'])]),
      EXPECTED,
    );
  });

  it('come from the first process of a task that no runtime knows, whatever its children say', () => {
    const container = new Container('mesos', TASK);
    const records = [
      withEnvironment(50, 1, ENVIRONMENT),
      fork(of(50, 1), { tgid: 51, cgroup: 7 }),
      withEnvironment(51, 50, ['MESOS_TASK_ID=fake.1', 'MARATHON_APP_ID=/fake']),
    ];
    assert.deepEqual(fieldsOf(container, records), EXPECTED);
  });

  it('have no value on the host, where anyone may set variables, and without a task', () => {
    assert.deepEqual(fieldsOf(undefined, [withEnvironment(50, 1, ENVIRONMENT)]), NOTHING);
    assert.deepEqual(
      fieldsOf(new Container('mesos', TASK), [withEnvironment(50, 1, ['A=1'])]),
      NOTHING,
    );
    assert.deepEqual(
      fieldsOf(docker({ environment: ['A=1'] }), [withEnvironment(50, 1, [])]),
      NOTHING,
    );
  });

  it('know tasks of other frameworks, and by the label of Docker', () => {
    const name = (facts: ContainerFacts) => {
      const { 'mesos.task.id': id, 'mesos.task.name': task } = fieldsOf(docker(facts), [
        withEnvironment(50, 1, []),
      ]);
      return [id, task];
    };
    assert.deepEqual(name({ environment: ['mesos_task_id=ct:1.0:job'] }), ['ct:1.0:job', 'ct:1']);
    assert.deepEqual(name({ environment: ['MESOS_TASK_ID=x', 'MESOS_EXECUTOR_ID=a_b'] }), [
      'a_b',
      'a_b',
    ]);
    assert.deepEqual(name({ environment: [], labels: new Map([['MESOS_TASK_ID', 'db.7']]) }), [
      'db.7',
      'db',
    ]);
    const root = fieldsOf(
      docker({ environment: ['MESOS_TASK_ID=one.1', 'MARATHON_APP_ID=/one'] }),
      [withEnvironment(50, 1, [])],
    );
    assert.deepEqual([root['marathon.group.id'], root['marathon.group.name']], ['/', '']);
  });
});
