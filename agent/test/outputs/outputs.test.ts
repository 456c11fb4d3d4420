import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { toAlertLine } from '../../src/outputs/alert-line.ts';
import { LineQueue } from '../../src/outputs/line-queue.ts';
import { openOutputs } from '../../src/outputs/open-outputs.ts';
import type { Output } from '../../src/outputs/output.ts';
import { openProgram } from '../../src/outputs/program.ts';
import { toTextLine } from '../../src/outputs/text-line.ts';
import { makeAlert, makeAlertLines } from '../support/alerts.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

describe('stdout', () => {
  it('writes the text line, and nothing an event could forge', async () => {
    const stdout = new PassThrough();
    const [output] = (await openOutputs(['stdout'], stdout, quiet)) as [Output];
    const evil = 'file=a\nCritical forged \u001b[2J \u009b2J "q" \\';
    output.write([toAlertLine(makeAlert({ output: evil }))]);
    await output.close(1000);
    assert.equal(
      String(stdout.read()),
      'file=a\\nCritical forged \\u001b[2J \\u009b2J \\"q\\" \\\\\n',
    );
  });

  it('writes one JSON object a line', async () => {
    const stdout = new PassThrough();
    const [output] = (await openOutputs(['stdout-json'], stdout, quiet)) as [Output];
    const lines = makeAlertLines(3);
    output.write(lines);
    await output.close(1000);
    const written = String(stdout.read()).trimEnd().split('\n');
    assert.deepEqual(
      written.map((line) => JSON.parse(line)),
      lines.map(({ alert }) => alert),
    );
  });

  it('drops, counts and gives back what a reader that stands still cannot take', async () => {
    const stuck = new Writable({ write: () => undefined, highWaterMark: 1 });
    const [output] = (await openOutputs(['stdout-json'], stuck, quiet)) as [Output];
    const lines = makeAlertLines(300, { output: 'x'.repeat(60_000) });
    const refused = [...output.write(lines), ...output.write(lines)];
    assert.ok(refused.length > 0 && refused.length < 300, `refused ${refused.length}`);
    assert.equal(output.counters.dropped, refused.length);
    await output.close(0);
    assert.equal(output.counters.written, 0);
    assert.equal(output.counters.dropped, 600);
  });
});

describe('file', () => {
  it('appends JSON lines and opens the path again after a rotation', async () => {
    const path = join(temporaryFolder(), 'alerts.json');
    const [output] = (await openOutputs([`file:${path}`], new PassThrough(), quiet)) as [Output];
    const [first, second] = makeAlertLines(2);
    output.write([first as NonNullable<typeof first>]);
    await waitFor('the first line', () => textOf(path) === `${first?.line}\n`);
    renameSync(path, `${path}.1`);
    output.reopen?.();
    output.write([second as NonNullable<typeof second>]);
    await output.close(1000);
    assert.equal(textOf(`${path}.1`), `${first?.line}\n`);
    assert.equal(textOf(path), `${second?.line}\n`);
  });

  it('says at the start that a path cannot be opened', async () => {
    const path = join(temporaryFolder(), 'missing', 'alerts.json');
    await assert.rejects(openOutputs([{ file: path }], new PassThrough(), quiet), {
      name: 'OutputError',
      message: /alerts\.json cannot be opened: ENOENT/,
    });
  });
});

describe('program', () => {
  it('feeds JSON lines to a program, without a shell, and starts it again when it ends', async () => {
    const folder = temporaryFolder();
    const program = join(folder, 'one line.sh');
    const target = join(folder, 'got');
    writeFileSync(program, `#!/bin/sh\nread -r line && printf '%s\\n' "$line" >> "$1"\n`);
    chmodSync(program, 0o700);
    const argv = [program, `${target} $(id) ;`];
    const [output] = (await openOutputs([{ program: argv }], new PassThrough(), quiet)) as [Output];
    const lines = makeAlertLines(3);
    for (const [index, line] of lines.entries()) {
      output.write([line]);
      const lineCount = () => textOf(argv[1] as string).split('\n').length - 1;
      await waitFor(`line ${index}`, () => lineCount() > index);
    }
    await output.close(1000);
    assert.equal(textOf(argv[1] as string), lines.map(({ line }) => `${line}\n`).join(''));
  });

  it('says that a program cannot be started, and drops no alert silently', async () => {
    const told: object[] = [];
    const log = { ...quiet, error: (details: object) => void told.push(details) };
    const output = openProgram('program nothing', ['/no/such/program'], ({ line }) => line, log);
    output.write(makeAlertLines(2));
    await waitFor('the complaint', () => told.length > 0);
    await output.close(0);
    assert.match(JSON.stringify(told[0]), /cannot be started.*ENOENT/);
    assert.equal(output.counters.dropped, 2);
  });
});

describe('LineQueue', () => {
  it('tries again in order until it is taken', async () => {
    const taken: string[] = [];
    let failures = 2;
    const queue = new LineQueue({
      write: async (chunk) => {
        if (failures-- > 0) throw new Error('away');
        taken.push(chunk);
      },
      onFailure: () => undefined,
    });
    queue.push('one');
    queue.push('two');
    await queue.close(5000);
    assert.equal(taken.join(''), 'one\ntwo\n');
    assert.deepEqual(queue.counters, { written: 2, dropped: 0, failures: 2 });
  });
});

describe('toTextLine', () => {
  it('leaves printable text alone', () => {
    assert.equal(toTextLine(makeAlert({ output: 'naïve ✓ 日本' })), 'naïve ✓ 日本');
  });
});
