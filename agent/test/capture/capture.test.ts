import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { decodeFact, encodeFact, type Fact } from '../../src/capture/facts.ts';
import { CaptureError } from '../../src/capture/format.ts';
import { readCapture } from '../../src/capture/read-capture.ts';
import { CaptureWriter } from '../../src/capture/writer.ts';
import { open } from '../events/records.ts';
import { Collector, capture, HEAD, PROCESS, pieces } from './captures.ts';

const FACTS: readonly Fact[] = [
  { kind: 'process', facts: PROCESS },
  { kind: 'cgroup', id: 4_294_967_297, path: '/system.slice/\xff\xe9' },
  { kind: 'membership', tgid: 7, text: '0::/x\n' },
  { kind: 'exists', path: '/run/machines/x' },
  {
    kind: 'container',
    cgroupPath: '/ab',
    runtime: 'docker',
    confirmed: true,
    facts: {
      name: 'web',
      labels: new Map([['__proto__', 'x']]),
      mounts: [{ source: '/a', destination: '/b', mode: '', writable: true, propagation: '' }],
    },
  },
  { kind: 'container', cgroupPath: '/cd', runtime: 'docker', confirmed: false },
  {
    kind: 'accounts',
    cgroupPath: '',
    users: [{ id: 0, name: 'root', home: '/root', shell: '/bin/sh' }],
    groups: [{ id: 0, name: 'root' }],
  },
  { kind: 'clock', bootEpoch: 5n },
  { kind: 'lost', count: 3 },
  { kind: 'started' },
];

const records = Array.from({ length: 50 }, (_, index) => open(`/file/${index}`));

async function collect(bytes: Buffer, size?: number) {
  const sink = new Collector();
  const end = await readCapture(pieces(bytes, size), sink);
  return { sink, end };
}

describe('a capture', () => {
  it('gives back what it was given, in pieces of any size', async () => {
    const bytes = await capture([...FACTS, ...records], { blockOf: 7 });
    for (const size of [1, 13, 1 << 20]) {
      const { sink, end } = await collect(bytes, size);
      assert.deepEqual(sink.heads, [HEAD]);
      assert.deepEqual(sink.facts, FACTS);
      assert.deepEqual(sink.records, records);
      assert.deepEqual(end, {
        records: records.length,
        warnings: [],
        damaged: false,
        isWhole: true,
      });
    }
  });

  it('can be compressed once more', async () => {
    const { sink, end } = await collect(gzipSync(await capture(records)));
    assert.deepEqual(sink.records, records);
    assert.deepEqual(end.warnings, []);
  });

  it('is read up to where it was cut off, and says so', async () => {
    const bytes = await capture(records, { blockOf: 5 });
    let most = 0;
    for (let length = 0; length < bytes.length; length += 3) {
      const sink = new Collector();
      try {
        const end = await readCapture(pieces(bytes.subarray(0, length)), sink);
        assert.match(end.warnings.join('\n'), /cut off: it ends after \d+ records/);
        assert.equal(end.damaged, false);
      } catch (error) {
        assert.ok(error instanceof CaptureError && sink.heads.length === 0, String(error));
      }
      assert.deepEqual(sink.records, records.slice(0, sink.records.length));
      assert.ok(sink.records.length >= most);
      most = sink.records.length;
    }
    assert.equal(most, records.length);
  });

  it('is read past a damaged block, and says so', async () => {
    const bytes = await capture(records, { blockOf: 10 });
    const middle = bytes.indexOf(Buffer.from([0x1f, 0x8b]), bytes.length >> 1);
    bytes.fill(0xaa, middle + 12, middle + 40);
    const { sink, end } = await collect(bytes);
    assert.equal(sink.records.length, 40);
    assert.equal(end.damaged, true);
    assert.match(end.warnings.join('\n'), /1 damaged blocks .* passed over/);
    assert.match(end.warnings.join('\n'), /50 records were written and 40 were found/);
  });

  it('stops at a block that cannot be', async () => {
    const bytes = Buffer.concat([await capture(records), Buffer.alloc(64, 0xff)]);
    const { sink, end } = await collect(bytes);
    assert.equal(sink.records.length, 50);
    assert.match(end.warnings.join('\n'), /damaged from byte \d+ on/);
  });

  it('says that bytes follow its end, whatever they look like', async () => {
    const whole = await capture(records);
    const unfinished = Buffer.from([100, 0, 0, 0, 100, 0, 0, 0, 1, 2, 3]);
    for (const junk of [Buffer.from('x'), Buffer.alloc(7), Buffer.alloc(8), unfinished]) {
      const { sink, end } = await collect(Buffer.concat([whole, junk]));
      assert.deepEqual(sink.records, records);
      assert.equal(end.warnings.length, 1, `${junk.length} bytes`);
      assert.equal(end.isWhole, false);
    }
  });

  it('does not unpack a block beyond what it says', async () => {
    const start = await capture([]);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const header = Buffer.alloc(8);
    header.writeUInt32LE(bomb.length, 0);
    header.writeUInt32LE(1024, 4);
    const { end } = await collect(Buffer.concat([start, header, bomb]));
    assert.equal(end.damaged, true);
  });

  it('refuses other files and other versions', async () => {
    const other = await capture([]);
    other[7] = 9;
    await assert.rejects(collect(other), /format 9; this version reads format 1/);
    await assert.rejects(collect(Buffer.from('hello, world')), /neither a capture/);
    await assert.rejects(collect(Buffer.alloc(0)), /empty/);
    await assert.rejects(collect(gzipSync('hello, world')), /neither a capture/);
  });

  it('counts what the file was too slow for, where it is missing', async () => {
    const written: Buffer[] = [];
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const write = async (bytes: Buffer) => {
      await gate;
      written.push(bytes);
    };
    const record = records[0] ?? Buffer.alloc(0);
    const writer = new CaptureWriter({ write, backlogLimit: 100_000 }, HEAD);
    for (let count = 0; count < 2000; count++) writer.record(record);
    assert.ok(writer.counters.unwritten > 0);
    assert.equal(writer.counters.records + writer.counters.unwritten, 2000);
    writer.flush();
    open();
    await new Promise((resolve) => setImmediate(resolve));
    await writer.close([{ kind: 'open', fate: 'full', count: 4 }]);
    const { sink, end } = await collect(Buffer.concat(written));
    const { unwritten } = writer.counters;
    assert.deepEqual(sink.facts, [{ kind: 'lost', count: unwritten }]);
    assert.deepEqual(end.warnings, [
      `records are missing since the recording: 4 open (full), ${unwritten} because the file took too long`,
    ]);
  });

  it('tells why it could not be written', async () => {
    const write = async () => {
      throw new Error('no space left');
    };
    const writer = new CaptureWriter({ write }, HEAD);
    await writer.close([]);
    assert.match(String(writer.failure), /no space left/);
  });
});

describe('a fact', () => {
  it('of another shape is none', () => {
    for (const text of [
      '',
      'null',
      '[]',
      '{"kind":"toString"}',
      '{"kind":"cgroup","id":"1","path":"/"}',
      '{"kind":"cgroup","id":1,"path":"\u0100"}',
      '{"kind":"exists","path":{}}',
      '{"kind":"container","cgroupPath":"x","confirmed":true,"runtime":"docker","facts":{"labels":[["a"]]}}',
      '{"kind":"clock","bootEpoch":"1e9"}',
      encodeFact({ kind: 'process', facts: PROCESS }).replace('"comm":"bash"', '"comm":5'),
    ])
      assert.equal(decodeFact(text), undefined, text);
  });

  it('of a later version may tell more', () => {
    assert.deepEqual(decodeFact('{"kind":"lost","count":1,"reason":"x"}'), {
      kind: 'lost',
      count: 1,
    });
  });
});
