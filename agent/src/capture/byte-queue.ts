/** Bytes that come in pieces of any size and are taken in pieces of another. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes taken so far. */
  taken = 0;

  get length(): number {
    return this.#length;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** The next bytes without taking them; undefined when there are not as many. */
  peek(length: number): Buffer | undefined {
    if (length > this.#length) return undefined;
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    // Once for many pieces: joining at each would take the square of their number.
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined.subarray(0, length);
  }

  take(length: number): Buffer | undefined {
    const bytes = this.peek(length);
    if (bytes === undefined || length === 0) return bytes;
    const [first, ...others] = this.#pieces as [Buffer, ...Buffer[]];
    this.#pieces = first.length === length ? others : [first.subarray(length), ...others];
    this.#length -= length;
    this.taken += length;
    return bytes;
  }
}
