import type { Writable } from 'node:stream';
import type { Config } from '@tocsin/openapi';
import { openFile } from './file.ts';
import type { Output, OutputLog } from './output.ts';
import { openProgram } from './program.ts';
import { openStdout } from './stdout.ts';
import { openSyslog } from './syslog.ts';

export type OutputSetting = Config['agent']['outputs'][number];

/** Opens each output of the configuration; closes those that are open when one cannot be. */
export async function openOutputs(
  settings: readonly OutputSetting[],
  stdout: Writable,
  log: OutputLog,
): Promise<Output[]> {
  const opened: Output[] = [];
  try {
    for (const setting of settings) opened.push(await openOutput(setting, stdout, log));
    return opened;
  } catch (error) {
    await Promise.all(opened.map((output) => output.close(0)));
    throw error;
  }
}

async function openOutput(
  setting: OutputSetting,
  stdout: Writable,
  log: OutputLog,
): Promise<Output> {
  if (setting === 'stdout') return openStdout('text', stdout, log);
  if (setting === 'stdout-json') return openStdout('json', stdout, log);
  if (setting === 'syslog') return openSyslog(log);
  if (typeof setting === 'string') return openFile(setting.slice('file:'.length), log);
  if ('file' in setting) return openFile(setting.file, log);
  return openProgram(`program ${setting.program[0]}`, setting.program, ({ line }) => line, log);
}
