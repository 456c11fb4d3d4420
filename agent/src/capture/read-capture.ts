import { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { CaptureError, type CaptureSink, MAGIC } from './format.ts';
import { type CaptureEnd, type CaptureParser, TocsinParser } from './parser.ts';
import { SCAP_MAGIC, ScapParser } from './scap/parser.ts';

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
/** Bytes that tell the formats apart. */
const MAGIC_BYTES = MAGIC.length;
/** Pieces are small because much can come of a little: what waits for a pause is in memory. */
const PIECE = 16 * 1024;
/** Bytes at the end of a gzip stream that hold its unpacked size. */
const SIZE_BYTES = 4;

/**
 * Reads a capture to its end. `pause` is awaited between pieces, for those who take what comes of it. Throws `CaptureError` when
 * this is no capture, or one that cannot be used.
 */
export async function readCapture(
  chunks: AsyncIterable<Buffer>,
  sink: CaptureSink,
  pause: () => Promise<void> | undefined = () => undefined,
): Promise<CaptureEnd> {
  const { start, rest } = await peek(chunks, MAGIC_BYTES);
  if (start.length === 0) throw new CaptureError('the capture is empty');
  if (start.subarray(0, 2).equals(GZIP_MAGIC)) return readCompressed(rest, sink, pause);
  return feed(parserFor(start, sink), rest, pause);
}

function parserFor(start: Buffer, sink: CaptureSink): CaptureParser {
  if (start.subarray(0, MAGIC.length).equals(MAGIC)) return new TocsinParser(sink);
  if (start.subarray(0, SCAP_MAGIC.length).equals(SCAP_MAGIC)) return new ScapParser(sink);
  throw new CaptureError('this is neither a capture of tocsin record nor one of Falco or sysdig');
}

async function feed(
  parser: CaptureParser,
  chunks: AsyncIterable<Buffer>,
  pause: () => Promise<void> | undefined,
): Promise<CaptureEnd> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      if (!parser.feed(chunk.subarray(at, at + PIECE))) return parser.end();
      await pause();
    }
  }
  return parser.end();
}

/** A capture inside gzip. What can be unpacked is read, however the stream ends. */
async function readCompressed(
  chunks: AsyncIterable<Buffer>,
  sink: CaptureSink,
  pause: () => Promise<void> | undefined,
): Promise<CaptureEnd> {
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  let tail: Buffer = Buffer.alloc(0);
  let unpackedBytes = 0;
  let failure: string | undefined;
  async function* packed(): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      tail = Buffer.concat([tail, chunk.subarray(-SIZE_BYTES)]).subarray(-SIZE_BYTES);
      yield chunk;
    }
  }
  async function* unpacked(): AsyncIterable<Buffer> {
    try {
      for await (const chunk of gunzip as AsyncIterable<Buffer>) {
        unpackedBytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      failure = (error as Error).message;
    }
  }
  const source = Readable.from(packed(), { objectMode: false });
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    const { start, rest } = await peek(unpacked(), MAGIC_BYTES);
    if (failure !== undefined && start.length < MAGIC_BYTES)
      throw new CaptureError(`the compressed capture is damaged (${failure}): nothing can be read`);
    const end = await feed(parserFor(start, sink), rest, pause);
    if (failure !== undefined) {
      const warning = `the compressed capture is damaged (${failure}): read up to there`;
      return { ...end, warnings: [warning, ...end.warnings], damaged: true, isWhole: false };
    }
    // At its end gzip tells how much there was.
    const isEnded = tail.length === SIZE_BYTES && tail.readUInt32LE(0) === unpackedBytes % 2 ** 32;
    if (isEnded) return end;
    const warnings = ['the compressed capture was cut off: read up to there', ...end.warnings];
    return { ...end, warnings, isWhole: false };
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** The first bytes of a stream, and the whole of it. */
async function peek(
  chunks: AsyncIterable<Buffer>,
  bytes: number,
): Promise<{ start: Buffer; rest: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < bytes) {
    const { value, done } = await iterator.next();
    if (done) break;
    start = Buffer.concat([start, value]);
  }
  async function* rest(): AsyncIterable<Buffer> {
    yield start;
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) return;
      yield value;
    }
  }
  return { start, rest: rest() };
}
