import type { Writable } from 'node:stream';
import type { AlertLine } from './alert-line.ts';
import { LineQueue } from './line-queue.ts';
import type { Output, OutputLog } from './output.ts';
import { toTextLine } from './text-line.ts';

/** Falco text lines, or JSON lines, on standard output. */
export function openStdout(format: 'text' | 'json', stdout: Writable, log: OutputLog): Output {
  const name = format === 'json' ? 'stdout-json' : 'stdout';
  const queue = new LineQueue({
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    onFailure: (error: NodeJS.ErrnoException) => {
      // Nobody reads any more: the app ends, and that is no fault.
      if (error.code !== 'EPIPE') log.warn({ output: name, reason: error.message }, 'output fails');
    },
  });
  const lineOf = ({ alert, line }: AlertLine) => (format === 'json' ? line : toTextLine(alert));
  return {
    name,
    counters: queue.counters,
    write: (alerts) => alerts.filter((alert) => !queue.push(lineOf(alert))),
    close: (graceMs) => queue.close(graceMs),
  };
}
