/**
 * Feeds mutated captures of both formats, in pieces of any size, to the whole replay: parser, state, rules, output. Nothing may
 * end but with `CaptureError`, take long or grow without end. Run: node --expose-gc agent/dist/test/capture/fuzz.js [RUNS] [SEED]
 */
import { gzipSync } from 'node:zlib';
import { SYSCALLS } from '@tocsin/native';
import { CaptureError, type CaptureSink } from '../../src/capture/format.ts';
import { readCapture } from '../../src/capture/read-capture.ts';
import { Replay } from '../../src/engine/replay.ts';
import { FIELD_DEFINITIONS } from '../../src/rules/fields/registry.ts';
import {
  exec,
  exit,
  failedExec,
  fork,
  onPath,
  onPaths,
  open,
  rawCall,
  socket,
} from '../events/records.ts';
import { capture, PROCESS, pieces } from './captures.ts';
import * as scap from './scap-writer.ts';

/** Processor time far above what any input of at most 64 KiB needs; other programs may have the processor meanwhile. */
const SLOW_MILLISECONDS = 500;
const HEAP_LIMIT = 400 * 1024 * 1024;
/** Events, facts and list entries of one input, about. */
const PARTS = 40;
/** Runs with one set of rules and one state. */
const RUNS_OF_STATE = 5000;
/** Fields that an alert shows: to show them all would be most of the work. */
const FIELDS_SHOWN = 48;

const fields = FIELD_DEFINITIONS.filter(
  ({ argument, filterOnly, name }) =>
    !argument?.required && !filterOnly && !/^(ka|jevt)/.test(name),
).map(({ name }) => `%${name}`);

/** A rule that looks at every type, and shows some fields, others each time. */
const rulesOf = (random: (below: number) => number) =>
  JSON.stringify([
    {
      rule: 'all',
      desc: 'looks at everything',
      condition: `evt.type in (${[...Object.keys(SYSCALLS), 'clone', 'procexit'].join(', ')}) and
        (fd.name contains a or proc.aname in (b) or not fd.snet = 10.0.0.0/8)`,
      output: [
        ...Array.from({ length: FIELDS_SHOWN }, () => fields[random(fields.length)]),
        '%evt.arg[0] %proc.aname[3] %proc.env[A]',
      ].join(' '),
      priority: 'NOTICE',
    },
  ]);

function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const { event, i64, u8, u16, u32, str, raw, NONE } = scap;
const LOCAL = '\x0a\0\0\x05';

function scapSeeds(): Buffer[] {
  const threads = [
    { tid: 1, ptid: 0, comm: 'init' },
    { tid: 100, args: ['a'], cgroups: ['x=/docker/1'] },
  ];
  const lists = Array.from({ length: 9 }, (_, index) =>
    Buffer.concat([
      scap.section(),
      scap.machine(),
      scap.processes(index + 1, [...threads, { tid: 101, pid: 100 }]),
      scap.descriptors(1 + (index % 2), 100, [
        scap.fileFd(3, '/data'),
        scap.namedFd(4, 2, '/folder'),
        scap.ipv4Fd(5, LOCAL, 1, LOCAL, 2),
      ]),
      scap.accounts(1 + (index % 2), [
        { uid: 0, name: 'root' },
        { gid: 0, name: 'root' },
      ]),
    ]),
  );
  const json = JSON.stringify({ container: { id: '1'.repeat(12), name: 'c', labels: { a: 'b' } } });
  const some = [i64(3), i64(-100), str('a/../b'), u32(5), u32(0), u32(1), i64(2), str('/real')];
  // Every type there is, with parameters that fit some and others that fit none.
  const events = Array.from({ length: 430 }, (_, type) => {
    const form = [0x204, 0x208, 0x216, 0x217, 0x221, 0x222][type % 6] ?? 0x216;
    return event(100 + (type % 3), type, type % 4 === 0 ? some.slice(0, type % 8) : some, form);
  });
  const story = [
    scap.clone(100, { result: 200 }),
    scap.clone(200, {
      result: 0,
      ptid: 100,
      cgroups: [`memory=/docker/${'1'.repeat(64)}`],
      vpid: 1,
    }),
    event(200, 292, [str('./x')]),
    scap.exec(200, { exe: './x', args: ['1', '2'], env: ['A=b'], ptid: 100 }),
    event(200, 307, some),
    event(200, 23, [i64(0), scap.ipv4Tuple(LOCAL, 1, LOCAL, 2), i64(5)]),
    event(200, 21, [i64(0), Buffer.concat([u8(10), raw('x'.repeat(16)), u16(5)])]),
    event(200, 23, [i64(0), Buffer.concat([u8(1), i64(1), i64(2), str('/s')]), i64(6)]),
    event(1, 324, [str(json)], scap.FORM.large),
    event(200, 186, [i64(0)]),
    event(200, 31, [i64(1), NONE]),
  ];
  return lists.map((list, index) =>
    Buffer.concat([list, ...story, ...events.slice(index * 47, index * 47 + 47)]),
  );
}

function recordSeeds(): Buffer[] {
  return [
    fork({ tgid: 100 }, { tgid: 200, start: 9 }),
    exec({ tgid: 200, start: 9, ppid: 100 }, { exePath: '/x', argv: ['a', 'b'], env: ['A=1'] }),
    failedExec({}, '/y', ['y']),
    open('/etc/../a', {}, { cgroup: 5 }, '/b', '/c'),
    onPath('unlinkat', 'x', {}, {}, '/base'),
    onPath('chdir', '/tmp', {}, {}, '', '/tmp'),
    onPaths('renameat', ['a', '/b', 'c', '/d', '']),
    socket(
      'connect',
      { family: 2, localPort: 1, remotePort: 2 },
      { local: [10, 0, 0, 5], remote: [1, 2, 3, 4] },
    ),
    // Every call, each with its own table of arguments.
    ...Object.keys(SYSCALLS).map((name) =>
      rawCall(name, [1, -1, 2], {}, { fdFamily: 2, fdMode: 0o100000 }, ['text', '/path']),
    ),
    exit({ tgid: 200, start: 9 }),
  ];
}

/** Numbers that break things. */
const HOSTILE = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function mutated(seed: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(seed);
  for (let count = 1 + random(6); count > 0 && bytes.length > 8; count--) {
    const at = random(bytes.length - 4);
    switch (random(6)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes.writeUInt32LE(HOSTILE[random(HOSTILE.length)] ?? 0, at);
        break;
      case 2:
        bytes.writeUInt16LE((HOSTILE[random(HOSTILE.length)] ?? 0) & 0xffff, at);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(64))]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(at + 1))]).subarray(
          0,
          65_536,
        );
    }
  }
  return bytes;
}

/** A replay whose rules are compiled once: the engine of a new head goes on with the state of the one before. */
function sinkOf(replay: Replay): CaptureSink {
  let hasHead = false;
  return {
    head: (head) => {
      if (!hasHead) replay.head({ ...head, id: 'fuzz' });
      hasHead = true;
    },
    fact: (fact) => replay.fact(fact),
    use: (bytes) => replay.use(bytes),
    record: (offset, length) => replay.record(offset, length),
  };
}

function checkHeap(run: number): void {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  if (heapUsed + external > HEAP_LIMIT)
    throw new Error(`${heapUsed + external} bytes after ${run} runs`);
}

async function main(runs: number, seed: number): Promise<void> {
  const random = makeRandom(seed);
  const seeds = scapSeeds();
  const records = recordSeeds();
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  let alerts = 0;
  const newReplay = () =>
    new Replay({
      rules: { files: [{ name: 'fuzz.yaml', content: rulesOf(random) }], matching: 'all' },
      onAlert: () => {
        alerts++;
      },
    });
  let replay = newReplay();
  let sink = sinkOf(replay);
  const own = async () => {
    const parts = Array.from({ length: PARTS }, () => mutated(pick(records), random));
    const bytes = await capture([{ kind: 'process', facts: PROCESS }, ...parts], { blockOf: 7 });
    return random(2) === 0 ? bytes : mutated(bytes, random);
  };
  let slowest = { run: 0, took: 0, bytes: 0 };
  let refused = 0;
  let events = 0;
  const read = async (bytes: Buffer): Promise<void> => {
    try {
      events += (await readCapture(pieces(bytes, 1 + random(bytes.length)), sink)).records;
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      refused++;
    }
    if (replay.failures > 0) throw new Error('an alert could not be made');
  };
  /** Other programs may have had the processor: what took long is read again, and the time of this process counted. */
  const measured = async (bytes: Buffer): Promise<number> => {
    const start = performance.now();
    await read(bytes);
    const took = performance.now() - start;
    if (took <= slowest.took) return took;
    const before = process.cpuUsage();
    await read(bytes);
    const { user, system } = process.cpuUsage(before);
    return Math.min(took, (user + system) / 1000);
  };
  for (let run = 0; run < runs; run++) {
    if (run % RUNS_OF_STATE === 0) {
      replay.end();
      replay = newReplay();
      sink = sinkOf(replay);
      checkHeap(run);
      // The rules are compiled.
      for (const one of seeds) await read(one);
    }
    const plain = run % 4 === 3 ? await own() : mutated(pick(seeds), random);
    const bytes = random(16) === 0 ? mutated(gzipSync(plain), random) : plain;
    const took = await measured(bytes).catch((error) => {
      console.error(`run ${run} of seed ${seed} failed`);
      throw error;
    });
    if (took > slowest.took) slowest = { run, took, bytes: bytes.length };
    if (took > SLOW_MILLISECONDS) throw new Error(`run ${run} of seed ${seed} took ${took} ms`);
  }
  console.log(`${runs} captures with ${events} events, ${refused} refused, ${alerts} alerts`);
  console.log(
    `the slowest, run ${slowest.run} of seed ${seed} with ${slowest.bytes} bytes, took ${slowest.took.toFixed(1)} ms of processor time`,
  );
}

await main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1));
