import { EVENT_ABI, RECORD_LAYOUTS } from '../../events/layout.ts';
import { ByteQueue } from '../byte-queue.ts';
import { CaptureError, type CaptureSink } from '../format.ts';
import type { CaptureEnd, CaptureParser } from '../parser.ts';
import { Cursor, Malformed, NeedMore } from './cursor.ts';
import { countParameters, placesOf, ScapEvent } from './event.ts';
import { scapEventType } from './event-table.ts';
import { readAccount, readDescriptor, readThread } from './lists.ts';
import { Translator } from './translator.ts';

/** A capture begins with a section header: its block type, as bytes. */
export const SCAP_MAGIC = Buffer.from('0a0d0d0a', 'hex');
const SECTION = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const MAJOR_VERSION = 1;

/** Block types, those of before the first release too. */
const MACHINE = new Set([0x201, 0x8002abcd]);
const EVENTS = new Map([
  [0x204, { hasFlags: false, hasCount: false, lengthSize: 2 }],
  [0x8010abcd, { hasFlags: false, hasCount: false, lengthSize: 2 }],
  [0x208, { hasFlags: true, hasCount: false, lengthSize: 2 }],
  [0x216, { hasFlags: false, hasCount: true, lengthSize: 2 }],
  [0x217, { hasFlags: true, hasCount: true, lengthSize: 2 }],
  [0x221, { hasFlags: false, hasCount: true, lengthSize: 4 }],
  [0x222, { hasFlags: true, hasCount: true, lengthSize: 4 }],
] as const);
type EventForm = typeof EVENTS extends Map<number, infer Form> ? Form : never;

interface ListKind {
  readonly kind: 'threads' | 'descriptors' | 'accounts';
  readonly version: number;
}
const LISTS = new Map<number, ListKind>([
  ...[0x202, 0x207, 0x209, 0x210, 0x211, 0x212, 0x213, 0x214, 0x215].map(
    (type, index) => [type, { kind: 'threads', version: index + 1 }] as const,
  ),
  [0x8000abcd, { kind: 'threads', version: 1 }],
  [0x8013abcd, { kind: 'threads', version: 2 }],
  [0x8014abcd, { kind: 'threads', version: 3 }],
  [0x203, { kind: 'descriptors', version: 1 }],
  [0x8001abcd, { kind: 'descriptors', version: 1 }],
  [0x218, { kind: 'descriptors', version: 2 }],
  [0x206, { kind: 'accounts', version: 1 }],
  [0x8012abcd, { kind: 'accounts', version: 1 }],
  [0x220, { kind: 'accounts', version: 2 }],
]);

/** Blocks that no rule needs: lists of network interfaces. */
const UNREAD = new Set([0x205, 0x219, 0x8011abcd]);

const BLOCK_HEADER = 8;
const BLOCK_TRAILER = 4;
/** Largest block that is held as a whole. */
const BLOCK_LIMIT = 16 * 1024 * 1024;
/** Largest list, which is read entry by entry, and largest block of a type that is passed over. */
const LIST_LIMIT = 1024 * 1024 * 1024;
/** Lists end in fewer bytes than these to fill them up; every entry is longer. */
const PADDING = 4;
/** Largest entry of a list. */
const ENTRY_LIMIT = 1024 * 1024;
const MACHINE_BYTES = 156;
const EVENT_HEADER = 22;

/** A list that is being read. */
interface OpenList extends ListKind {
  /** Bytes of it that are still to come, without the trailer. */
  left: number;
  readonly blockLength: number;
  /** Whose descriptors they are, once that was read. */
  tid: number | undefined;
}

/** Reads captures of Falco and sysdig: blocks of pcapng's shape that hold lists of the machine and then its events. */
export class ScapParser implements CaptureParser {
  readonly #sink: CaptureSink;
  readonly #bytes = new ByteQueue();
  readonly #warnings: string[] = [];
  #translator: Translator | undefined;
  #machine = { hostname: '', bootEpoch: 0n };
  #hasSection = false;
  #list: OpenList | undefined;
  /** Bytes of a block nobody reads that are still to come. */
  #skip = 0;
  #records = 0;
  #unknown = 0;
  #unknownBlocks = 0;
  #malformed = 0;
  #drops = 0;
  #lost = false;

  constructor(sink: CaptureSink) {
    this.#sink = sink;
  }

  feed(chunk: Buffer): boolean {
    if (this.#lost) return false;
    this.#bytes.push(chunk);
    while (!this.#lost && this.#step());
    return !this.#lost;
  }

  end(): CaptureEnd {
    if (!this.#hasSection) throw new CaptureError('the capture ends before its first block');
    const isCut =
      !this.#lost && (this.#bytes.length > 0 || this.#list !== undefined || this.#skip > 0);
    this.#begin().start();
    const { refused = 0 } = this.#translator?.processes ?? {};
    this.#warn(isCut ? 1 : 0, () => `the capture was cut off after ${this.#records} events`);
    this.#warn(this.#malformed, (n) => `${n} events or entries of lists could not be understood`);
    this.#warn(this.#unknown, (n) => `${n} events are of types this version does not know`);
    this.#warn(
      this.#unknownBlocks,
      (n) => `${n} blocks are of types this version does not know, and were passed over`,
    );
    this.#warn(this.#drops, (n) => `at ${n} places the capture says that events were dropped`);
    const unheard = [...(this.#translator?.ignored ?? [])].map(([name, n]) => `${name} ${n}`);
    this.#warn(unheard.length, () => `no rule can see some kinds of events: ${unheard.join(', ')}`);
    this.#warn(
      refused,
      (n) => `${n} threads and descriptors were not kept, because there were too many`,
    );
    return {
      records: this.#records,
      warnings: this.#warnings,
      damaged: this.#lost || this.#malformed > 0,
      isWhole: !(isCut || this.#lost || this.#malformed > 0),
    };
  }

  #warn(count: number, text: (count: number) => string): void {
    if (count > 0) this.#warnings.push(text(count));
  }

  /** Takes the next part; false when it has not come yet. */
  #step(): boolean {
    if (this.#skip > 0) return this.#skipSome();
    if (this.#list !== undefined) return this.#readList(this.#list);
    const header = this.#bytes.peek(BLOCK_HEADER);
    if (header === undefined) return false;
    const type = header.readUInt32LE(0);
    const length = header.readUInt32LE(4);
    if (!this.#hasSection && type !== SECTION)
      throw new CaptureError('the capture does not begin with a section');
    if (length < BLOCK_HEADER + BLOCK_TRAILER) return this.#giveUp(`a block of ${length} bytes`);
    if (length > LIST_LIMIT) return this.#giveUp(`a block of ${length} bytes`);
    const list = LISTS.get(type);
    if (list !== undefined) {
      this.#bytes.take(BLOCK_HEADER);
      const left = length - BLOCK_HEADER - BLOCK_TRAILER;
      this.#list = { ...list, left, blockLength: length, tid: undefined };
      return true;
    }
    const form = EVENTS.get(type as 0x204);
    if (form === undefined && type !== SECTION && !MACHINE.has(type)) {
      if (!UNREAD.has(type)) this.#unknownBlocks++;
      this.#skip = length;
      return true;
    }
    if (length > BLOCK_LIMIT) return this.#giveUp(`a block of ${length} bytes`);
    const block = this.#bytes.take(length);
    if (block === undefined) return false;
    if (block.readUInt32LE(length - BLOCK_TRAILER) !== length && form === undefined)
      return this.#giveUp('a block whose two lengths differ');
    const body = block.subarray(BLOCK_HEADER, length - BLOCK_TRAILER);
    if (form !== undefined) this.#event(body, form);
    else if (type === SECTION) this.#section(body);
    else this.#readMachine(body);
    return true;
  }

  #skipSome(): boolean {
    const length = Math.min(this.#skip, this.#bytes.length);
    if (length === 0) return false;
    this.#bytes.take(length);
    this.#skip -= length;
    return true;
  }

  /** A capture may hold several machines or times, one after the other. */
  #section(body: Buffer): void {
    if (body.length < 8) throw new CaptureError('the first block of the capture is too short');
    const order = body.readUInt32LE(0);
    if (order !== BYTE_ORDER)
      throw new CaptureError(
        body.readUInt32BE(0) === BYTE_ORDER
          ? 'the capture was made on a big-endian machine, which this version does not read'
          : 'the first block of the capture is damaged',
      );
    const major = body.readUInt16LE(4);
    if (major > MAJOR_VERSION)
      throw new CaptureError(
        `the capture is of version ${major}.${body.readUInt16LE(6)}; this version reads up to ${MAJOR_VERSION}`,
      );
    this.#hasSection = true;
    this.#translator = undefined;
    this.#machine = { hostname: '', bootEpoch: 0n };
  }

  #readMachine(body: Buffer): void {
    if (body.length < MACHINE_BYTES) return;
    const hostname = body.latin1Slice(20, 148).replace(/\0.*$/s, '');
    this.#machine = {
      hostname: Buffer.from(hostname, 'latin1').toString('utf8'),
      bootEpoch: body.readBigUInt64LE(148),
    };
  }

  #begin(): Translator {
    const { hostname, bootEpoch } = this.#machine;
    this.#translator ??= new Translator(this.#sink, {
      id: `scap ${hostname} ${bootEpoch}`,
      version: 'scap',
      abi: EVENT_ABI,
      layouts: RECORD_LAYOUTS,
      arch: process.arch,
      kernel: '',
      hostname,
      cgroupHierarchy: '/sys/fs/cgroup',
      bootEpoch,
      environment: true,
    });
    return this.#translator;
  }

  #readList(list: OpenList): boolean {
    const done = this.#entries(list);
    if (done === undefined) {
      this.#malformed++;
      this.#skip = list.left + BLOCK_TRAILER;
      this.#list = undefined;
      return true;
    }
    this.#bytes.take(done);
    list.left -= done;
    return list.left < PADDING ? this.#endList(list) : done > 0;
  }

  /** Reads the entries that have come; returns their bytes, or undefined when one has no end. */
  #entries(list: OpenList): number | undefined {
    const available = Math.min(list.left, this.#bytes.length);
    const cursor = new Cursor(this.#bytes.peek(available) ?? Buffer.alloc(0));
    let done = 0;
    while (list.left - done >= PADDING) {
      try {
        this.#entry(list, cursor);
      } catch (error) {
        if (error instanceof NeedMore) {
          const isLong = available - done > ENTRY_LIMIT;
          return available === list.left || isLong ? undefined : done;
        }
        if (!(error instanceof Malformed)) throw error;
        this.#malformed++;
      }
      done = cursor.at;
    }
    return done;
  }

  #endList(list: OpenList): boolean {
    if (this.#bytes.length < list.left + BLOCK_TRAILER) return false;
    this.#bytes.take(list.left);
    const length = this.#bytes.take(BLOCK_TRAILER)?.readUInt32LE(0);
    this.#list = undefined;
    return length === list.blockLength || this.#giveUp('a block whose two lengths differ');
  }

  #entry(list: OpenList, cursor: Cursor): void {
    const translator = this.#begin();
    switch (list.kind) {
      case 'threads':
        translator.thread(readThread(cursor, list.version));
        break;
      case 'accounts':
        translator.account(readAccount(cursor, list.version));
        break;
      case 'descriptors':
        if (list.tid === undefined) list.tid = cursor.int64();
        else translator.descriptor(list.tid, readDescriptor(cursor, list.version));
    }
  }

  #event(body: Buffer, { hasFlags, hasCount, lengthSize }: EventForm): void {
    this.#records++;
    const start = hasFlags ? 6 : 2;
    const header = start + EVENT_HEADER + (hasCount ? 4 : 0);
    if (body.length < header) {
      this.#malformed++;
      return;
    }
    const length = body.readUInt32LE(start + 16);
    const number = body.readUInt16LE(start + 20);
    const end = Math.min(body.length, start + length);
    const type = scapEventType(number);
    if (type === undefined) {
      if (number >= FIRST_UNKNOWN) this.#unknown++;
      return;
    }
    if (type.name === 'drop') {
      this.#drops++;
      return;
    }
    const count = hasCount
      ? body.readUInt32LE(start + EVENT_HEADER)
      : countParameters(body, header, end, type.parameters.length);
    const places = placesOf(body, header, end, count, lengthSize);
    if (places === undefined) {
      this.#malformed++;
      return;
    }
    const head = {
      type,
      isStart: number % 2 === 0,
      time: body.readBigUInt64LE(start),
      tid: Number(body.readBigInt64LE(start + 8)),
      cpu: body.readUInt16LE(0),
    };
    this.#begin().event(new ScapEvent(head, body, places));
  }

  #giveUp(reason: string): boolean {
    this.#lost = true;
    this.#warnings.push(
      `the capture is damaged before byte ${this.#bytes.taken} (${reason}): read up to there, ${this.#records} events`,
    );
    return false;
  }
}

/** Types of events from here on came after this version's table. */
const FIRST_UNKNOWN = 430;
