import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { alertOf, internalAlert } from '../../src/engine/alert-builder.ts';
import { AlertOutbox } from '../../src/engine/alert-outbox.ts';
import { BootClock } from '../../src/engine/boot-clock.ts';
import { coverageOf, tallyOf } from '../../src/engine/coverage.ts';
import { DomainCache } from '../../src/engine/domain-cache.ts';
import { addressesIn } from '../../src/engine/hosts-file.ts';
import { LOSS_RULE, LossWatch } from '../../src/engine/loss-watch.ts';
import { eventOf, open } from '../events/records.ts';

const rule = { name: 'r', priority: 'Warning', source: 'syscall', tags: ['b', 'a'] } as const;

describe('alertOf', () => {
  it('carries the time to the nanosecond', () => {
    const event = eventOf(open('/x', {}, { time: 881_781_397n }));
    const rendered = { output: 'An open', outputFields: { 'fd.name': '/x' } };
    const epoch = 1_470_327_477_000_000_000n;
    const alert = alertOf(rule, rendered, event, epoch, { hostname: 'h' });
    assert.equal(alert.time, '2016-08-04T16:17:57.881781397Z');
    assert.match(alert.output, /^\d\d:17:57\.881781397: Warning An open$/);
    assert.deepEqual(alert.output_fields, { 'evt.time': 1470327477881781397n, 'fd.name': '/x' });
    assert.deepEqual(alert.tags, ['a', 'b']);
    assert.equal(alert.source, 'syscall');
  });

  it('begins with date and offset when asked to, as Falco with time_format_iso_8601', () => {
    const event = eventOf(open('/x', {}, { time: 881_781_397n }));
    const epoch = 1_470_327_477_000_000_000n;
    const style = { hostname: 'h', iso8601: true };
    const alert = alertOf(rule, { output: 'An open', outputFields: {} }, event, epoch, style);
    assert.equal(alert.output, '2016-08-04T16:17:57.881781397+0000: Warning An open');
    assert.deepEqual(alert.output_fields, { 'evt.time.iso8601': 1470327477881781397n });
    const internal = internalAlert('r', 'Debug', 'm', {}, style);
    assert.match(internal.output, /^\d{4}-\d\d-\d\dT[\d:.]+\+0000: Debug m$/);
  });
});

describe('LossWatch', () => {
  it('tells what was lost, by kind and cause, once in a while', () => {
    let now = 0;
    const watch = new LossWatch({ hostname: 'h' }, 1000, () => now);
    const count = (kind: string, fate: string, value: number) => ({ kind, fate, count: value });
    assert.deepEqual(watch.observe([count('open', 'sent', 50), count('open', 'full', 0)]), {
      total: 0,
      lifecycle: false,
    });
    assert.equal(watch.alert(), undefined);
    assert.deepEqual(watch.observe([count('open', 'full', 7), count('exec', 'full', 1)]), {
      total: 8,
      lifecycle: true,
    });
    const alert = watch.alert();
    assert.equal(alert?.rule, LOSS_RULE);
    assert.equal(alert?.source, 'internal');
    assert.match(
      alert?.output ?? '',
      /Tocsin lost 8 events, which were not judged \(open full 7, exec full 1\): raise the ring size/,
    );
    assert.deepEqual(alert?.output_fields, {
      'tocsin.lost': 8,
      'tocsin.lost.open.full': 7,
      'tocsin.lost.exec.full': 1,
    });
    watch.observe([count('open', 'full', 9), count('exec', 'full', 1)]);
    assert.equal(watch.alert(), undefined, 'too soon');
    now = 1000;
    assert.deepEqual(watch.alert()?.output_fields, {
      'tocsin.lost': 2,
      'tocsin.lost.open.full': 2,
    });
    now = 5000;
    assert.equal(watch.alert(), undefined, 'nothing new');
  });

  it('names the container that lost most, and in it the process', () => {
    const watch = new LossWatch({ hostname: 'h' });
    const of = (tgid: number, lost: number, container = 'host', name?: string) => ({
      ...{ tgid, comm: `p${tgid}`, lost, container, name },
    });
    const full = (count: number) => [{ kind: 'open', fate: 'shed', count }];
    watch.observe(full(15), [of(1, 11), of(2, 2, 'abc', 'web'), of(3, 2, 'abc', 'web')]);
    watch.observe(full(25), [of(2, 8, 'abc', 'web')]);
    const alert = watch.alert();
    assert.match(
      alert?.output ?? '',
      /lost 25 events.*, 12 of them in container web \(abc\), 10 by p2 \(pid 2\): raise/,
    );
    assert.equal(alert?.output_fields['proc.pid'], 2);
    assert.equal(alert?.output_fields['container.name'], 'web');
    watch.observe(full(26), [of(1, 1)]);
    assert.match(
      watch.alert(true)?.output ?? '',
      /, 1 of them on the host, 1 by p1 \(pid 1\): raise/,
    );
  });
});

describe('coverageOf', () => {
  it('is the share of the records of the types of a rule', () => {
    const tally = tallyOf(
      [
        { kind: 'exec', fate: 'sent', count: 8 },
        { kind: 'exec', fate: 'full', count: 2 },
        { kind: 'open', fate: 'shed', count: 99 },
      ],
      [
        { type: 'openat', sent: 1, lost: 99 },
        { type: 'unlink', sent: 5, lost: 0 },
      ],
    );
    assert.equal(coverageOf(new Set(['unlink', 'mkdir']), tally), 1);
    assert.equal(coverageOf(new Set(['openat', 'open']), tally), 0.01);
    assert.equal(coverageOf(new Set(['execve']), tally), 0.8);
    assert.equal(coverageOf('all', tally), 14 / 115);
    assert.equal(coverageOf(new Set(), tally), 1);
  });
});

describe('AlertOutbox', () => {
  const alert = () => internalAlert('r', 'Debug', 'm', {}, { hostname: 'h' });

  it('waits for the other side, and counts what does not fit', () => {
    const sent: number[] = [];
    const outbox = new AlertOutbox((alerts) => sent.push(alerts.length), {
      batch: 2,
      inFlight: 2,
      limit: 6,
    });
    for (let i = 0; i < 8; i++) outbox.add(alert());
    assert.equal(outbox.dropped, 2);
    outbox.flush();
    assert.deepEqual(sent, [2, 2]);
    outbox.acknowledge();
    assert.deepEqual(sent, [2, 2, 2]);
    outbox.add(alert());
    outbox.flush();
    assert.equal(outbox.waiting, 1);
    outbox.flushAll();
    assert.deepEqual(sent, [2, 2, 2, 1]);
  });
});

describe('BootClock', () => {
  it('puts uptime and wall clock together', () => {
    const clock = new BootClock();
    const told = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
    assert.ok(Math.abs(Number(clock.epoch / 1_000_000n) - Number(told) * 1000) < 1500);
    const before = clock.epoch;
    clock.refresh();
    const moved = Number(clock.epoch - before) / 1e9;
    assert.ok(Math.abs(moved) < 1, `an undisturbed clock keeps its epoch, moved by ${moved} s`);
  });

  it('is not misled by having had to wait between its looks at the clocks', () => {
    const [tick, boot] = [10_000_000n, 1_700_000_000_000_000_000n];
    for (const late of [0, 1, 2]) {
      let now = 0n;
      let looks = 0;
      const clock = new BootClock({
        uptime: () => {
          now += tick;
          return now;
        },
        wallClock: () => boot + now + (looks++ === late ? 0n : 9_000_000n),
      });
      assert.equal(clock.epoch, boot);
    }
  });
});

describe('DomainCache', () => {
  it('knows the addresses of the domains in use', async () => {
    const table: Record<string, string[]> = {
      'a.example': ['10.0.0.1', '::ffff:10.0.0.2'],
      'b.example': [],
    };
    const cache = new DomainCache(async (name) => {
      const found = table[name];
      if (found === undefined) throw new Error('ENOTFOUND');
      return found;
    });
    await cache.use(['a.example', 'b.example', 'c.example']);
    assert.deepEqual(cache.addressesOf('a.example'), ['\x0a\0\0\x01', '\x0a\0\0\x02']);
    assert.deepEqual(cache.addressesOf('c.example'), []);
    assert.equal(cache.domainOf('\x0a\0\0\x02'), 'a.example');
    await cache.use(['b.example']);
    assert.equal(cache.addressesOf('a.example'), undefined);
    cache.stop();
  });

  it('believes the hosts file before it asks DNS', () => {
    const text =
      '127.0.0.1\tlocalhost\n# 10.0.0.9 b.example\n10.0.0.1 A.example b.example # c.example\n::1 a.example\n';
    assert.deepEqual(addressesIn(text, 'a.example'), ['10.0.0.1', '::1']);
    assert.deepEqual(addressesIn(text, 'B.example'), ['10.0.0.1']);
    assert.deepEqual(addressesIn(text, 'c.example'), []);
    assert.deepEqual(addressesIn('', ''), []);
  });
});
