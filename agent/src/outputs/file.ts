import { type FileHandle, open } from 'node:fs/promises';
import { LineQueue } from './line-queue.ts';
import { type Output, OutputError, type OutputLog } from './output.ts';

/** Appends JSON lines to a file. The file is made at once, so that a wrong path is told at the start. */
export async function openFile(path: string, log: OutputLog): Promise<Output> {
  const openAppending = () => open(path, 'a', 0o600);
  let isStale = false;
  let handle: FileHandle = await openAppending().catch((error: Error) => {
    throw new OutputError(`the output file ${path} cannot be opened: ${error.message}`);
  });
  const queue = new LineQueue({
    write: async (chunk) => {
      if (isStale) {
        const fresh = await openAppending();
        isStale = false;
        await handle.close();
        handle = fresh;
      }
      await handle.appendFile(chunk);
    },
    onFailure: ({ message }) =>
      log.error({ output: `file ${path}`, reason: message }, 'output fails'),
  });
  return {
    name: `file ${path}`,
    counters: queue.counters,
    write: (alerts) => alerts.filter(({ line }) => !queue.push(line)),
    reopen: () => {
      isStale = true;
    },
    close: async (graceMs) => {
      await queue.close(graceMs);
      await handle.close();
    },
  };
}
