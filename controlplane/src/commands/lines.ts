import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Lines of an input that hold something, with their numbers in it. */
export async function* linesOf(
  input: Readable,
): AsyncGenerator<{ readonly line: string; readonly number: number }> {
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() !== '') yield { line, number };
  }
}
