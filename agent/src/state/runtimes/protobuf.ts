/** As much of protobuf's wire format as reading a runtime's answers takes. */

/** The length-delimited values of a message by field number, in order. Numbers are skipped: nothing here needs one. */
export type Message = ReadonlyMap<number, readonly Buffer[]>;

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/** Reads a message; undefined when the bytes are none. */
export function readMessage(bytes: Buffer): Message | undefined {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; at < bytes.length && shift < 2 ** 70; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        if (Number.isNaN(varint())) return undefined;
        break;
      case FIXED_64:
        at += 8;
        break;
      case FIXED_32:
        at += 4;
        break;
      case BYTES: {
        const end = varint() + at;
        if (!(end <= bytes.length)) return undefined;
        const values = fields.get(number);
        if (values) values.push(bytes.subarray(at, end));
        else fields.set(number, [bytes.subarray(at, end)]);
        at = end;
        break;
      }
      default:
        return undefined;
    }
  }
  return at === bytes.length ? fields : undefined;
}

/** A text field of a message; the last one counts. */
export function textField(message: Message | undefined, number: number): string | undefined {
  return message?.get(number)?.at(-1)?.toString('utf8');
}

/** A message field of a message. */
export function messageField(message: Message | undefined, number: number): Message | undefined {
  const bytes = message?.get(number)?.at(-1);
  return bytes && readMessage(bytes);
}

/** The entries of a map field with text keys, at most 1,000. */
export function mapEntries(message: Message | undefined, number: number): [string, Buffer][] {
  return (message?.get(number) ?? []).slice(0, 1000).flatMap((entry): [string, Buffer][] => {
    const pair = readMessage(entry);
    const key = textField(pair, 1);
    return key === undefined ? [] : [[key, pair?.get(2)?.at(-1) ?? Buffer.alloc(0)]];
  });
}

/** A message of one text in field 1. */
export function textMessage(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  if (bytes.length > 127) throw new RangeError('a request of more than 127 bytes');
  return Buffer.concat([Buffer.from([8 + BYTES, bytes.length]), bytes]);
}
