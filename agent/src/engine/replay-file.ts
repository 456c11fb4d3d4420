import { createReadStream } from 'node:fs';
import { CaptureError } from '../capture/format.ts';
import { readCapture } from '../capture/read-capture.ts';
import { Replay } from './replay.ts';
import type { RuleSettings } from './rule-judge.ts';

/** Pieces in which files are read. */
const PIECE = 1024 * 1024;

/** The bytes of a capture; `-` is standard input. */
export function openCapture(file: string): AsyncIterable<Buffer> {
  return file === '-' ? process.stdin : createReadStream(file, { highWaterMark: PIECE });
}

/** The rules and messages of all alerts of a capture. Rejects with `CaptureError` when it cannot be read as a whole. */
export async function replayFile(
  file: string,
  rules: RuleSettings,
): Promise<{ rule: string; output: string }[]> {
  const alerts: { rule: string; output: string }[] = [];
  const replay = new Replay({
    rules,
    onAlert: ({ rule }, output) => alerts.push({ rule, output }),
  });
  const end = await readCapture(openCapture(file), replay);
  replay.end();
  if (!end.isWhole) throw new CaptureError(end.warnings.join('; '));
  return alerts;
}
