import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CGROUP_MKDIR, CGROUP_RMDIR, cgroupLayout, EVENT_CGROUP } from '@tocsin/native';
import { encodeJson } from '../../src/rules/output/encode-json.ts';
import { capture, HEAD, PROCESS, replayed } from '../capture/captures.ts';
import { exec, fork, onPath, open, record } from '../events/records.ts';
import { ruleOf } from './live-engine.ts';

const MS = 1_000_000n;
const AT = 20_000n * MS;
const path = `/system.slice/docker-${'4e'.repeat(32)}.scope`;
const opened = (header = {}) => open('/etc/shadow', {}, { time: AT, ppid: 1, ...header });
const RULE = ruleOf('opened', 'evt.type=openat', [
  ...['proc.name', 'proc.cmdline', 'proc.pname', 'user.name', 'fd.name', 'container.name'],
]);
const outputs = ({ alerts }: Awaited<ReturnType<typeof replayed>>) =>
  alerts.map(({ output }) => output.replace(/^.*Warning /, ''));

describe('a replay', () => {
  it('knows the processes and users of the recording, not those of this machine', async () => {
    const bytes = await capture([
      { kind: 'process', facts: { ...PROCESS, tgid: 1, comm: 'init', startTicks: 1 } },
      { kind: 'process', facts: PROCESS },
      { kind: 'cgroup', id: 0, path: '/' },
      {
        kind: 'accounts',
        cgroupPath: '',
        users: [{ id: 1000, name: 'alice', home: '/', shell: '' }],
        groups: [],
      },
      { kind: 'started' },
      opened({ euid: 1000, start: 476 }),
      fork({ time: AT, start: 476 }, { tgid: 200, start: 900, vpid: 200 }),
      exec(
        { time: AT, tgid: 200, start: 900, ppid: 100, euid: 1001 },
        { exePath: '/usr/bin/cat', argv: ['cat', 'x'] },
      ),
      opened({ tgid: 200, start: 900, ppid: 100, euid: 1001 }),
      // Never seen before: told when it was asked for.
      { kind: 'process', facts: { ...PROCESS, tgid: 300, startTicks: 60, comm: 'late' } },
      opened({ tgid: 300, start: 572, euid: 1000 }),
    ]);
    const result = await replayed(bytes, RULE);
    assert.deepEqual(outputs(result), [
      'bash | bash -i | init | alice | /etc/shadow | host',
      'cat | cat x | bash | <NA> | /etc/shadow | host',
      'late | late -i | init | alice | /etc/shadow | host',
    ]);
    assert.equal(result.alerts[0]?.hostname, 'recorded-host');
    assert.equal(result.alerts[0]?.time, '2023-11-14T22:13:40.000000000Z');
    assert.deepEqual(result.warnings, []);
  });

  it('gives the same bytes each time', async () => {
    const bytes = await capture([{ kind: 'process', facts: PROCESS }, opened(), opened()]);
    const [one, two] = [await replayed(bytes, RULE), await replayed(bytes, RULE)];
    assert.equal(encodeJson(one.alerts), encodeJson(two.alerts));
    const uuids = one.alerts.map(({ uuid }) => uuid);
    assert.match(
      uuids[0] ?? '',
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    assert.notEqual(uuids[0], uuids[1]);
  });

  it('waits for the facts of a container as long as an agent does, by the clock of the records', async () => {
    const inside = (time: bigint) => opened({ time, cgroup: 77 });
    const container = {
      kind: 'container',
      cgroupPath: path,
      confirmed: true,
      runtime: 'docker',
      facts: { name: 'web' },
    } as const;
    const made = record(
      EVENT_CGROUP,
      cgroupLayout,
      { time: AT },
      { id: 77, action: CGROUP_MKDIR },
      [path],
    );
    const names = async (...parts: Parameters<typeof capture>[0]) =>
      outputs(await replayed(await capture([{ kind: 'started' }, made, ...parts]), RULE)).map(
        (line) => line.split(' | ').at(-1),
      );
    assert.deepEqual(await names(inside(AT), container, inside(AT)), ['web', 'web']);
    assert.deepEqual(await names(inside(AT), { ...container, facts: undefined }), ['<NA>']);
    assert.deepEqual(await names(inside(AT)), ['<NA>']);
    assert.deepEqual(
      await names(inside(AT), onPath('unlink', '/x', {}, { time: AT + 4000n * MS }), container),
      ['<NA>'],
    );
    const again = [{ action: CGROUP_RMDIR }, { id: 78, action: CGROUP_MKDIR }].map((own) =>
      record(EVENT_CGROUP, cgroupLayout, { time: AT }, { id: 77, ...own }, [path]),
    );
    const renamed = { ...container, facts: { name: 'renamed' } };
    const inIt = opened({ time: AT, cgroup: 78 });
    assert.deepEqual(
      await names(container, inside(AT), ...again, inside(AT), inIt, renamed, inIt),
      ['web', 'web', 'renamed', 'renamed'],
    );
  });

  it('follows the clock of the host when it was set', async () => {
    const { alerts } = await replayed(
      await capture([{ kind: 'clock', bootEpoch: 0n }, opened()]),
      RULE,
    );
    assert.equal(alerts[0]?.time, '1970-01-01T00:00:20.000000000Z');
  });

  it('says which events the rules want and the recording has not', async () => {
    const bytes = await capture([opened()], {
      head: { ...HEAD, types: ['openat'], environment: false },
    });
    const rules = ruleOf('both', 'evt.type in (openat, connect) and proc.env contains x', [
      'evt.type',
    ]);
    assert.deepEqual((await replayed(bytes, rules)).warnings, [
      'the recording has no events of these types, which the rules watch: connect',
      'the recording has no environment of processes, which the rules read',
    ]);
  });

  it('refuses records it would misread', async () => {
    const refusal = async (change: Partial<typeof HEAD>) =>
      replayed(await capture([], { head: { ...HEAD, ...change } }), RULE);
    await assert.rejects(
      refusal({ abi: 99, version: '9.9.9' }),
      /version 99 .* replay it with tocsin 9\.9\.9/,
    );
    await assert.rejects(
      refusal({ layouts: { ...HEAD.layouts, header: { size: 4 } } }),
      /layout other than this version's/,
    );
    await assert.rejects(refusal({ arch: 'riscv64' }), /recorded on riscv64/);
  });

  it('counts what is no record', async () => {
    const { warnings } = await replayed(
      await capture([Buffer.alloc(3), Buffer.alloc(200, 9)]),
      RULE,
    );
    assert.deepEqual(warnings, ['2 records could not be understood']);
  });
});
