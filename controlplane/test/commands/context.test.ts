import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processLog } from '../../src/commands/context.ts';

test('the log tells of an error what it is, and not the arguments that it carries', () => {
  const lines: string[] = [];
  const log = processLog('warn', { write: (line) => lines.push(line) });
  const error = Object.assign(new Error(`OOM ${'x'.repeat(100_000)}`), {
    code: 'EOOM',
    command: { name: 'auth', args: ['hunter2'] },
    cause: Object.assign(new Error('inner'), { command: { args: ['hunter2'] } }),
  });
  log.child({ reqId: 1 }).warn({ err: error }, 'store is unavailable');
  const [line = ''] = lines;
  assert.doesNotMatch(line, /hunter2/);
  assert.ok(line.length < 20_000);
  const { err, msg } = JSON.parse(line);
  assert.deepEqual(
    [msg, err.type, err.code, err.cause.message],
    ['store is unavailable', 'Error', 'EOOM', 'inner'],
  );
});
