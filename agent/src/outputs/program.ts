import type { AlertLine } from './alert-line.ts';
import { ChildInput } from './child-input.ts';
import { LineQueue } from './line-queue.ts';
import type { Output, OutputLog } from './output.ts';

/** Feeds lines to a program on its standard input, without a shell. */
export function openProgram(
  name: string,
  argv: readonly string[],
  lineOf: (alert: AlertLine) => string,
  log: OutputLog,
): Output {
  const child = new ChildInput(argv, (how) =>
    log.error({ output: name, program: argv[0], reason: how }, 'output program ended'),
  );
  const queue = new LineQueue({
    write: (chunk) => child.write(chunk),
    onFailure: ({ message }) => log.warn({ output: name, reason: message }, 'output fails'),
  });
  return {
    name,
    counters: queue.counters,
    write: (alerts) => alerts.filter((alert) => !queue.push(lineOf(alert))),
    close: async (graceMs) => {
      await queue.close(graceMs);
      await child.close();
    },
  };
}
