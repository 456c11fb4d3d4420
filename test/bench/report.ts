import { cpus, release } from 'node:os';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Prints a table: what was measured, the raw figure, and its ratio to the baseline of the same run. */
export function report(title: string, rows: readonly (readonly [string, string, string])[]): void {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`;
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(
    ([name, figure, ratio]) =>
      `  ${name.padEnd(width)}  ${figure.padStart(24)}  ${ratio.padStart(6)}`,
  );
  process.stdout.write(`${title} (${machine})\n${lines.join('\n')}\n`);
}
