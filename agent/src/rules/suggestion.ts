/** Edits that turn one text into the other, counting a swap of neighbours as one; gives up above `limit`. */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) > limit) return limit + 1;
  let before: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      let cost = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return row[right.length] ?? limit + 1;
}

/** ` (did you mean 'x'?)` for the known name nearest to an unknown one, or nothing when none is near. */
export function closest(name: string, known: Iterable<string>): string {
  if (name.length > 100) return '';
  let best: string | undefined;
  let least = Math.max(1, Math.min(3, Math.floor(name.length / 3)));
  for (const candidate of known) {
    const edits = distance(name, candidate, least);
    if (edits < least || (edits === least && best === undefined)) {
      best = candidate;
      least = edits;
    }
  }
  return best === undefined ? '' : ` (did you mean '${best}'?)`;
}
