/** The first and the last frame of a capture, checked. */
import type { RecordLayouts } from '../events/layout.ts';
import type { RecordCount } from '../probe/probe.ts';
import { CaptureError, type CaptureHead, type CaptureTrailer } from './format.ts';

type Json = Record<string, unknown>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value);
const isText = (value: unknown): value is string => typeof value === 'string';
/** Shown to people as it is. */
const isWord = (value: unknown) => isText(value) && /^[\w.+-]{1,64}$/.test(value);
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (isJson(value)) return value;
  } catch {
    // Said below.
  }
  return {};
}

/** Throws `CaptureError` when something is missing. */
export function decodeHead(text: string): CaptureHead {
  const head = parse(text);
  const { id, version, abi, arch, kernel, hostname, cgroupHierarchy, environment } = head;
  const { layouts, bootEpoch, types } = head;
  const isWhole =
    [id, kernel, hostname, cgroupHierarchy].every(isText) &&
    isWord(version) &&
    isWord(arch) &&
    isCount(abi) &&
    isLayouts(layouts) &&
    isText(bootEpoch) &&
    /^-?\d{1,20}$/.test(bootEpoch) &&
    (types === undefined || isTexts(types)) &&
    typeof environment === 'boolean';
  if (!isWhole) throw new CaptureError('the head of the capture is damaged');
  return { ...head, bootEpoch: BigInt(bootEpoch) } as unknown as CaptureHead;
}

function isLayouts(value: unknown): value is RecordLayouts {
  return (
    isJson(value) &&
    Object.values(value).every((layout) => isJson(layout) && Object.values(layout).every(isCount))
  );
}

/** Undefined when it is damaged: then the capture counts as cut off. */
export function decodeTrailer(text: string): CaptureTrailer | undefined {
  const { records, kernel, unwritten } = parse(text);
  if (!isCount(records) || !isCount(unwritten) || !Array.isArray(kernel)) return undefined;
  return { records, unwritten, kernel: kernel.filter(isRecordCount) };
}

function isRecordCount(value: unknown): value is RecordCount {
  if (!isJson(value)) return false;
  const { kind, fate, count } = value;
  return isText(kind) && isText(fate) && isCount(count) && count > 0;
}
