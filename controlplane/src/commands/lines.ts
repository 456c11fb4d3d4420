import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Lines of an input that hold something. */
export async function* linesOf(input: Readable): AsyncGenerator<string> {
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
    if (line.trim() !== '') yield line;
}
