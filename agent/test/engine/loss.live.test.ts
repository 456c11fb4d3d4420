/** The engine runs in this very thread: while the thread is blocked nobody reads the ring, and what happens then is lost. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import type { Alert } from '@tocsin/openapi';
import { LOSS_RULE } from '../../src/engine/loss-watch.ts';
import type { EngineMessage, EngineStatistics } from '../../src/engine/messages.ts';
import { EngineWorker } from '../../src/engine/worker.ts';
import { DockerDaemon, skipDocker } from '../state/docker-daemon.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait.ts';
import { ruleOf, skipLive } from './live-engine.ts';

const RING_BYTES = 256 * 1024;
/** Each is more than 256 bytes of records. */
const FORKS = 6000;
/** Their ends are lost. Other programs of the host come and go meanwhile, but not so many. */
const GHOSTS = 500;
const FIELDS = ['proc.name', 'proc.acmdline[1]', 'proc.apid[2]'];

/** Blocks this thread until a condition holds. */
function blockUntil(what: string, holds: () => boolean): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    Atomics.wait(cell, 0, 0, 20);
  }
}

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trimEnd();
  } catch {
    return '';
  }
};

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)
    .map(Number);

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);

const processCount = (): number => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;

describe('records of processes are lost', { skip: skipLive || skipDocker }, () => {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  const alerts: Alert[] = [];
  const started: ChildProcess[] = [];
  const { port1: engineSide, port2: port } = new MessageChannel();
  let statistics: EngineStatistics | undefined;
  let daemon: DockerDaemon;

  before(async () => {
    const acts = ['act-keeper', 'act-orphan', 'act-late'];
    execFileSync('mkfifo', ['flood', 'keeper', 'ghosts', 'parent', 'end', ...acts].map(at));
    daemon = new DockerDaemon();
    await daemon.start('tocsin/test:1.5');
    port.on('message', (message: EngineMessage) => {
      if (message.type === 'alerts') {
        alerts.push(...message.alerts);
        port.postMessage({ type: 'acknowledge' });
      }
      if (message.type === 'statistics') statistics = message.statistics;
    });
    // What the host does else is not told: it would be lost, too, and could be more than the flood.
    const isMark = `evt.type in (mkdir, mkdirat) and fs.path.name startswith ${folder}/mark-`;
    await new EngineWorker(engineSide, {
      files: [{ name: 'test.yaml', content: ruleOf('acts', isMark, ['fs.path.name', ...FIELDS]) }],
      matching: 'all',
      hostname: 'live',
      ringBytes: RING_BYTES,
      runtimes: daemon.paths,
    }).start();
  });

  after(async () => {
    port.postMessage({ type: 'stop' });
    await waitFor('the end of the engine', () => ended);
    for (const one of started) one.kill('SIGKILL');
    await daemon?.docker('rm', '-f', 'flooder').catch(() => '');
    await daemon?.stop();
  });
  let ended = false;
  port.on('close', () => {
    ended = true;
  });

  const shell = (script: string) => {
    const child = spawn('/bin/sh', ['-c', script], { cwd: folder, stdio: 'ignore' });
    started.push(child);
    return child.pid ?? 0;
  };
  /** Opens a FIFO whose reader is there and lets it go on. */
  const release = (name: string) => closeSync(openSync(at(name), 'w'));
  const live = () => (statistics?.processes['size'] ?? 0) - (statistics?.processes['dead'] ?? 0);
  const alertAt = async (mark: string) => {
    const find = () => alerts.find(({ output_fields: told }) => told['fs.path.name'] === at(mark));
    await waitFor(`the alert of ${mark}`, () => find() !== undefined);
    return find()?.output_fields ?? {};
  };

  it('and the process table is right again, and the container that flooded is named', async () => {
    const flood = `read x < /go/flood; i=0; while [ $i -lt ${FORKS} ]; do ( : ); i=$((i+1)); done
      echo > /go/flooded; read x < /go/end`;
    const own = ['-d', '--network=none', '--name', 'flooder', '-v', `${folder}:/go`];
    await daemon.docker('run', ...own, 'tocsin/test:1.5', '/bin/sh', '-c', flood);
    const id = await daemon.docker('inspect', '--format', '{{.Id}}', 'flooder');
    /** Acts when all is over. */
    const actor = (name: string) => `read x < act-${name}; mkdir mark-${name}; :`;
    const keeper = shell(`read x < keeper; exec /bin/sh -c '${actor('keeper')}'`);
    const parent = shell(`/bin/sh -c '${actor('orphan')}' & read x < parent`);
    shell(`i=0; while [ $i -lt ${GHOSTS} ]; do ( read x < ghosts ) & i=$((i+1)); done
      echo > made; wait; echo > gone; read x < end`);
    const isReady = () => existsSync(at('made')) && childrenOf(parent).length === 1;
    await waitFor('the processes', isReady, 60_000);
    await waitFor('the table to know them', () => Math.abs(live() - processCount()) < GHOSTS / 2);
    const [orphan = 0] = childrenOf(parent);

    // From here to the next await nobody reads the ring.
    release('flood');
    blockUntil('the flood', () => existsSync(at('flooded')));
    release('ghosts');
    blockUntil('the end of the ghosts', () => existsSync(at('gone')));
    release('keeper');
    blockUntil('another program', () => commandLine(keeper).endsWith(actor('keeper')));
    release('parent');
    blockUntil('another parent', () => parentOf(orphan) !== parent);
    const outer = shell(`/bin/sh -c '${actor('late')}'; :`);
    blockUntil('a grandchild', () =>
      childrenOf(outer).some((one) => commandLine(one).endsWith(actor('late'))),
    );

    // What a busy machine lost before is told first, and the next only half a minute after it.
    const find = () =>
      alerts.find(
        ({ rule, output_fields: told }) =>
          rule === LOSS_RULE && told['container.id'] === id.slice(0, 12),
      );
    await waitFor('the alert about the flood', () => find() !== undefined, 60_000);
    const loss = find();
    assert.match(loss?.output ?? '', /Warning Tocsin lost \d+ events/);
    assert.equal(loss?.output_fields['container.name'], 'flooder');
    assert.equal(loss?.output_fields['proc.name'], 'sh');
    for (const kind of ['fork', 'exec', 'exit'])
      assert.ok(Number(loss?.output_fields[`tocsin.lost.${kind}.full`]) > 0, kind);
    await waitFor('a table without ghosts', () => Math.abs(live() - processCount()) < GHOSTS / 2);

    for (const name of ['keeper', 'orphan', 'late']) {
      release(`act-${name}`);
      const told = await alertAt(`mark-${name}`);
      assert.equal(told['proc.name'], 'mkdir');
      assert.equal(told['proc.acmdline[1]'], `sh -c ${actor(name)}`);
      if (name === 'orphan') assert.equal(told['proc.apid[2]'], parentOf(orphan));
      if (name === 'late') assert.equal(told['proc.apid[2]'], outer);
    }
    release('end');
  });
});
