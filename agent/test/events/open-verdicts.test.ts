import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  EVENT_IA32,
  EVENT_IO_URING,
  EVENT_REAL_SAME,
  type OpenVerdict,
  openLayout,
} from '@tocsin/native';
import fc from 'fast-check';
import { RuleJudge } from '../../src/engine/rule-judge.ts';
import { givenPath, realPath } from '../../src/events/event-path.ts';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import type { KernelEvent } from '../../src/events/kernel-event.ts';
import { OpenVerdicts, verdictFinder } from '../../src/events/open-verdicts.ts';
import { Container } from '../../src/state/container.ts';
import { contextOf } from './fields.ts';
import { compile, openCondition, openEvent } from './random-open.ts';
import { call, eventOf, open } from './records.ts';

const CLOEXEC = 0o2000000;
const LIBRARY = fileURLToPath(new URL('../../../src/rules/library/', import.meta.url));

function opened(path: string, real = path, changes: { openFlags?: number; flags?: number } = {}) {
  const { openFlags = CLOEXEC, flags = 0 } = changes;
  const same = real === path ? EVENT_REAL_SAME : 0;
  return eventOf(open(path, { openFlags }, { flags: flags | same }, '', real === path ? '' : real));
}

function inContainer(event: KernelEvent): KernelEvent {
  event.container = new Container('docker', 'c'.repeat(64));
  return event;
}

/** Whether the probe leaves the event out by the verdict. */
function covers(verdict: OpenVerdict, event: KernelEvent): boolean {
  return (
    verdict.call === event.syscall &&
    verdict.openFlags === event.uint32(openLayout.openFlags) &&
    verdict.failed === event.result < 0 &&
    verdict.path === givenPath(event) &&
    (verdict.real === '' || verdict.real === realPath(event)) &&
    (!verdict.onHost || event.container.isHost)
  );
}

describe('verdictFinder', () => {
  const READS = 'evt.type=openat and evt.is_open_read=true';

  it('rules out a path that no rule wants, whoever opens it', () => {
    const find = verdictFinder(
      compile([`${READS} and fd.name startswith /etc/ and proc.name=cat`]),
    );
    assert.deepEqual(find(opened('/usr/lib/x')), {
      call: call('openat'),
      openFlags: CLOEXEC,
      failed: false,
      path: '/usr/lib/x',
      real: '',
      onHost: false,
    });
    assert.equal(find(opened('/etc/x')), undefined, 'cat may open it');
    assert.equal(find(opened('/usr/../etc/x')), undefined, 'folded it is below /etc');
  });

  it('ties the verdict to the real path when a rule reads it', () => {
    const find = verdictFinder(
      compile([`${READS} and (fd.name=/etc/shadow or fd.path.real=/etc/shadow)`]),
    );
    assert.equal(find(opened('/tmp/link', '/etc/shadow')), undefined);
    assert.equal(find(opened('/tmp/link', '/tmp/file'))?.real, '/tmp/file');
    assert.equal(find(opened('/tmp/file'))?.real, '/tmp/file');
  });

  it('knows where symbolic links lead, of which checks of the name take notice too', () => {
    const find = verdictFinder(
      compile([`${READS} and (fd.path.resolved=/etc/shadow or fd.path.resolved.directory=/root)`]),
    );
    assert.equal(find(opened('/tmp/link', '/etc/shadow')), undefined);
    assert.equal(find(opened('/tmp/link', '/root/x')), undefined);
    assert.equal(find(opened('/tmp/link', '/tmp/file'))?.real, '/tmp/file');
  });

  it('ties the verdict to the host when a rule is about containers', () => {
    const find = verdictFinder(
      compile([
        `${READS} and container.id!=host and proc.name=tar and not fd.name startswith /etc/`,
        `${READS} and fd.path.real=/tmp/secret and container.id=host`,
      ]),
    );
    const verdictOf = (event: KernelEvent) => {
      const verdict = find(event);
      return verdict && { real: verdict.real, onHost: verdict.onHost };
    };
    assert.deepEqual(verdictOf(opened('/etc/x')), { real: '/etc/x', onHost: false });
    assert.deepEqual(verdictOf(opened('/tmp/x')), { real: '/tmp/x', onHost: true });
    assert.equal(verdictOf(opened('/tmp/link', '/tmp/secret')), undefined);
    assert.equal(verdictOf(inContainer(opened('/tmp/x'))), undefined);
    assert.deepEqual(verdictOf(inContainer(opened('/etc/x'))), { real: '/etc/x', onHost: false });
  });

  it('does not take what is known of a container for what is known of all', () => {
    const find = verdictFinder(compile([`${READS} and container.image.repository!=nginx`]));
    assert.equal(find(inContainer(opened('/tmp/x'))), undefined);
    assert.equal(find(opened('/tmp/x')), undefined, 'the host has the empty one');
  });

  it('rules out what the packs of ours do not want, as an agent loads them', () => {
    const files = readdirSync(LIBRARY)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => ({ name, content: readFileSync(join(LIBRARY, name), 'utf8') }));
    const judge = RuleJudge.compile(
      { files, matching: 'all', followsLinks: true },
      kernelEventSource(contextOf()),
      () => undefined,
      () => {},
    );
    const find = verdictFinder(judge.compiled);
    for (const path of ['/usr/lib/locale/C.utf8/LC_CTYPE', '/srv/data/file'])
      assert.ok(find(opened(path)), path);
    assert.equal(find(opened('/etc/shadow')), undefined);
  });

  it('leaves to user space what the probe does not compare whole', () => {
    const find = verdictFinder(compile([`${READS} and fd.name=/etc/shadow`]));
    assert.equal(find(opened('relative')), undefined);
    assert.equal(find(opened(`/${'x'.repeat(200)}`)), undefined);
    assert.equal(find(opened('/x', '/x', { flags: EVENT_IA32 })), undefined);
    assert.equal(find(opened('/x', '/x', { flags: EVENT_IO_URING })), undefined);
    assert.equal(find(eventOf(open('/x', {}, { syscall: call('openat2') }))), undefined);
  });

  it('never covers an open that a rule matches', () => {
    fc.assert(
      fc.property(
        fc.array(openCondition, { minLength: 1, maxLength: 2 }),
        fc.array(openEvent, { minLength: 10, maxLength: 20 }),
        (conditions, events) => {
          const rules = compile(conditions);
          const find = verdictFinder(rules);
          const verdicts = events
            .map(({ event }) => find(event))
            .filter((one) => one !== undefined);
          for (const { event } of events) {
            if (rules.match(event).length === 0) continue;
            assert.ok(!verdicts.some((verdict) => covers(verdict, event)));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('OpenVerdicts', () => {
  it('asks about what comes again and again, once, and forgets in time', () => {
    const told: OpenVerdict[] = [];
    const rules = compile(['evt.type=openat and fd.name=/etc/shadow']);
    const verdicts = new OpenVerdicts(rules, (verdict) => told.push(verdict));
    const hot = opened('/usr/lib/hot');
    for (let i = 0; i < 5; i++) verdicts.observe(hot);
    assert.equal(told.length, 0);
    for (let i = 0; i < 50; i++) verdicts.observe(hot);
    assert.deepEqual(
      told.map(({ path }) => path),
      ['/usr/lib/hot'],
    );
    for (let i = 0; i < 10; i++) verdicts.everySecond();
    for (let i = 0; i < 50; i++) verdicts.observe(hot);
    assert.equal(told.length, 2, 'the probe may have forgotten it');
  });

  it('asks about the host and about containers apart', () => {
    const told: OpenVerdict[] = [];
    const rules = compile(['evt.type=openat and container.id!=host and proc.name=tar']);
    const verdicts = new OpenVerdicts(rules, (verdict) => told.push(verdict));
    const inside = inContainer(opened('/usr/lib/hot'));
    for (let i = 0; i < 50; i++) verdicts.observe(inside);
    assert.equal(told.length, 0);
    const outside = opened('/usr/lib/hot');
    for (let i = 0; i < 50; i++) verdicts.observe(outside);
    assert.deepEqual(
      told.map(({ onHost }) => onHost),
      [true],
    );
  });

  it('asks about no more kinds a second than it can afford', () => {
    const told: OpenVerdict[] = [];
    const rules = compile(['evt.type=openat and fd.name=/etc/shadow']);
    const verdicts = new OpenVerdicts(rules, (verdict) => told.push(verdict));
    for (let kind = 0; kind < 2000; kind++) {
      const event = opened(`/usr/lib/${kind}`);
      for (let i = 0; i < 10; i++) verdicts.observe(event);
    }
    assert.ok(told.length > 0 && told.length < 1000, `${told.length}`);
  });
});
