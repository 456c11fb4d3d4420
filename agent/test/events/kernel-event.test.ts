import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { headerLayout } from '@tocsin/native';
import fc from 'fast-check';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import { KernelEvent } from '../../src/events/kernel-event.ts';
import { FIELD_DEFINITIONS } from '../../src/rules/fields/registry.ts';
import { contextOf, get, quietTree } from './fields.ts';
import {
  eventOf,
  exec,
  failedExec,
  fork,
  onPath,
  onPaths,
  open,
  rawCall,
  socket,
} from './records.ts';

const samples = [
  fork({}, { tgid: 101, start: 600 }),
  exec({}, { filename: '/bin/x', exePath: '/bin/x', cwd: '/', argv: ['x', 'y'], env: ['A=1'] }),
  failedExec({}, 'x', ['x']),
  open('etc/passwd', {}, {}, '/'),
  onPath('chmod', '/x', { mode: 1 }),
  onPaths('rename', ['a', '/', 'b', '/', '']),
  socket('connect', { family: 2, remotePort: 1 }, {}, {}, ['a', 'b']),
  rawCall('ptrace', [1], {}, {}, ['a', 'b']),
];

const SECRET = '\xee';

/** Overwrites bytes, except for the length: whoever reads the ring knows where a record ends. */
function damaged(
  sample: Buffer | undefined,
  damage: readonly (readonly [number, number])[],
): Buffer {
  const bytes = Buffer.from(sample ?? '');
  const { length } = headerLayout;
  for (const [at, value] of damage) {
    if (at < bytes.length && (at < length || at >= length + 4)) bytes[at] = value;
  }
  return bytes;
}

describe('KernelEvent', () => {
  it('refuses what cannot be a record', () => {
    const event = new KernelEvent();
    const good = open('/etc/passwd');
    event.use(good);
    assert.equal(event.attach(0, good.length), true);
    assert.equal(event.attach(0, good.length - 1), false, 'cut');
    assert.equal(event.attach(8, good.length), false, 'beyond the end');
    good.writeUInt8(99, headerLayout.kind);
    assert.equal(event.attach(0, good.length), false, 'kind');
    const long = open('/etc/passwd');
    long.writeUInt16LE(60_000, 128);
    event.use(long);
    assert.equal(event.attach(0, long.length), false, 'string lengths');
  });

  it('forgets the record before', () => {
    const first = open('/a');
    const second = open('/b');
    const event = new KernelEvent();
    event.use(Buffer.concat([first, second]));
    event.attach(0, first.length);
    assert.equal(get(event, 'fd.name'), '/a');
    event.attach(first.length, second.length);
    assert.equal(get(event, 'fd.name'), '/b');
    const copy = event.copy();
    event.attach(0, first.length);
    assert.equal(get(copy, 'fd.name'), '/b');
  });

  it('keeps hostile bytes as they are', () => {
    const path = '/tmp/\xff\xfe\x1b[2J\nx';
    assert.equal(get(eventOf(open(path)), 'fd.name'), path);
    assert.equal(
      get(eventOf(open(`/${'a/'.repeat(1000)}`)), 'fd.name'),
      '/DIR_TOO_LONG/FILENAME_TOO_LONG',
    );
    assert.equal(get(eventOf(open('')), 'fd.name'), '<UNKNOWN>');
  });

  it('never throws nor reads past a damaged record', () => {
    const source = kernelEventSource(contextOf());
    const extractors = FIELD_DEFINITIONS.map(
      (definition) => source.bind({ definition }) ?? source.bind({ definition, argument: '0' }),
    ).filter((one) => one !== undefined);
    assert.ok(extractors.length > 150);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: samples.length - 1 }),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 24 }),
        fc.nat(64),
        (index, damage, cut) => {
          const bytes = damaged(samples[index], damage);
          const event = new KernelEvent();
          // What lies behind the record must never show.
          event.use(Buffer.concat([bytes, Buffer.alloc(4096, SECRET, 'latin1')]));
          if (!event.attach(0, bytes.length - (cut === 64 ? 1 : 0))) return;
          event.process = quietTree().apply(event);
          for (const extract of extractors) {
            assert.ok(!String(extract(event)).includes(SECRET.repeat(20)));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('refuses or reads random bytes without throwing', () => {
    const event = new KernelEvent();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 600 }), fc.nat(12), (random, kind) => {
        const bytes = Buffer.from(random);
        if (bytes.length > 96) {
          bytes.writeUInt32LE(bytes.length, headerLayout.length);
          bytes[headerLayout.kind] = kind;
        }
        event.use(bytes);
        if (event.attach(0, bytes.length)) for (let i = 0; i < 6; i++) event.string(i);
      }),
      { numRuns: 5000 },
    );
  });
});
