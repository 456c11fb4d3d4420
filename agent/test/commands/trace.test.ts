import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { terminalText } from '../../src/commands/terminal-text.ts';
import { Trace, type TraceOptions } from '../../src/commands/trace.ts';
import { skipLive } from '../engine/live-engine.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';

const run = promisify(execFile);

/** Runs a trace around some action, until a line fits. */
async function traced(
  options: Omit<TraceOptions, 'out' | 'err'>,
  action: () => Promise<unknown>,
  fits: (line: string) => boolean,
): Promise<{ line: string; summary: string }> {
  const out = new PassThrough({ encoding: 'utf8' });
  const err = new PassThrough({ encoding: 'utf8' });
  const trace = new Trace({ ...options, out, err });
  let text = '';
  const found = new Promise<string>((resolve) => {
    out.on('data', (part: string) => {
      text += part;
      const line = text.split('\n').find(fits);
      if (line !== undefined) resolve(line);
    });
  });
  await trace.start();
  try {
    await action();
    return {
      line: await found,
      get summary() {
        return String(err.read());
      },
    };
  } finally {
    trace.stop();
  }
}

describe('tocsin trace', { skip: skipLive }, () => {
  it('says when it watches, and ends at an interrupt', async () => {
    const trace = new TocsinProcess(['trace', 'proc.name=tocsin-nobody']);
    await trace.ready();
    trace.kill('SIGINT');
    assert.equal(await trace.exit(), 0);
    assert.equal(trace.stdout, '');
    assert.match(trace.stderr, /^ready\n0 events printed, \d+ records read, \d+ lost/m);
  });

  it('prints a line for each event that matches, and the account at the end', async () => {
    const { line, summary } = await traced(
      { condition: 'evt.type=execve and proc.args contains tocsin-marked' },
      () => run('/bin/echo', ['tocsin-marked']),
      (one) => one.includes('tocsin-marked'),
    );
    assert.match(
      line,
      /^\d\d:\d\d:\d\d\.\d{9} execve root echo\(\d+\) host SUCCESS \/bin\/echo: echo tocsin-marked parent=/,
    );
    assert.match(summary, /^\d+ events printed, \d+ records read, \d+ lost/);
  });

  it('prints JSON and formats of its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-trace-'));
    try {
      const { line } = await traced(
        {
          condition: `proc.name=mkdir and evt.arg.path startswith ${folder}`,
          format: '%proc.name %evt.arg.path',
          json: true,
        },
        () => run('mkdir', [join(folder, 'x')]),
        (one) => one.startsWith('{') && one.endsWith('}'),
      );
      assert.deepEqual(JSON.parse(line), {
        'proc.name': 'mkdir',
        'evt.arg.path': join(folder, 'x'),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('lets nothing of strangers reach the terminal as it is', async () => {
    const { line } = await traced(
      { condition: 'evt.type=execve and proc.args contains tocsin-escape' },
      () => run('/bin/echo', ['tocsin-escape', '\x1b[31m\n\u202egnp']),
      (one) => one.includes('tocsin-escape'),
    );
    assert.match(line, /tocsin-escape \\x1b\[31m\\x0a\\u202egnp/);
  });
});

describe('a trace that cannot start', () => {
  it('says what is wrong with the condition', async () => {
    const trace = new Trace({
      condition: 'foo.bar=1',
      out: new PassThrough(),
      err: new PassThrough(),
    });
    await assert.rejects(trace.start(), {
      message: /^the condition is wrong at character 1: .*nonexistent field foo.bar$/,
    });
  });
});

describe('terminalText', () => {
  it('shows what cannot be seen', () => {
    assert.equal(terminalText('a\x1b\x07\x7f\x9b\u200bé漢'), 'a\\x1b\\x07\\x7f\\x9b\\u200bé漢');
  });
});
