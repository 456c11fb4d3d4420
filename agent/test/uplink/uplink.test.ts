import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { toAlertLine } from '../../src/outputs/alert-line.ts';
import { agentFiles } from '../../src/uplink/agent-files.ts';
import { DirectoryLockError } from '../../src/uplink/directory-lock.ts';
import { Uplink, type UplinkOptions } from '../../src/uplink/uplink.ts';
import { makeAlert, makeAlertLines } from '../support/alerts.ts';
import { ControlPlaneStub, type Reaction } from '../support/control-plane-stub.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait.ts';

const TOKEN = 'join-token-0123456789';

describe('Uplink', () => {
  let plane: ControlPlaneStub;
  let server: string;
  let dataDir: string;
  let uplink: Uplink | undefined;
  let messages: string[];

  const start = async (changes: Partial<UplinkOptions> = {}): Promise<Uplink> => {
    const record = (_details: object, message: string) => void messages.push(message);
    uplink = await Uplink.start({
      dataDir,
      server,
      hostname: 'host-1',
      version: '0.1.0',
      spoolBytes: 16 * 1024 * 1024,
      joinToken: TOKEN,
      log: { info: record, warn: record, error: record },
      timeouts: { connectMs: 1000, answerMs: 300 },
      backOff: { firstMs: 5, capMs: 40 },
      ...changes,
    });
    return uplink;
  };
  const stop = async (): Promise<void> => {
    await uplink?.stop(500);
    uplink = undefined;
  };
  /** Reacts in turn, then accepts. */
  const reactInTurn = (...reactions: Reaction[]): void => {
    plane.react = () => reactions.shift() ?? 'accept';
  };
  const uuids = (lines: ReturnType<typeof makeAlertLines>) => lines.map(({ alert }) => alert.uuid);

  beforeEach(async () => {
    plane = new ControlPlaneStub();
    plane.joinTokens.add(TOKEN);
    await plane.start();
    server = plane.url;
    dataDir = temporaryFolder();
    messages = [];
  });
  afterEach(async () => {
    await stop();
    await plane.stop();
  });

  it('enrols once, and signs every batch from then on', async () => {
    const lines = makeAlertLines(3);
    (await start()).accept(lines);
    await waitFor('the alerts', () => plane.alerts.length === 3);
    await stop();
    const more = makeAlertLines(1);
    (await start()).accept(more);
    await waitFor('the later alert', () => plane.alerts.length === 4);
    assert.deepEqual(plane.alerts, uuids([...lines, ...more]));
    assert.equal(plane.enrolments.length, 1);
    assert.deepEqual(
      plane.accepted.map(({ claims }) => claims.seq),
      [1, 2],
    );
    const { key, identity } = agentFiles(dataDir);
    for (const path of [key, identity]) assert.equal(statSync(path).mode & 0o777, 0o600, path);
  });

  for (const [name, reaction] of Object.entries({
    'an overloaded store': { problem: 'store_unavailable', headers: { 'retry-after': '0' } },
    'a connection that is reset': 'reset',
    'an answer that never comes': 'hang',
    'an answer that never ends': 'drip',
    'the page of a portal': 'portal',
  } satisfies Record<string, Reaction>)) {
    it(`sends the same bytes under the same number again after ${name}`, async () => {
      reactInTurn(reaction, reaction);
      const running = await start();
      const lines = makeAlertLines(2);
      running.accept(lines);
      await waitFor('the alerts', () => plane.accepted.length === 1);
      assert.ok(plane.attempts.length >= 3);
      for (const { claims, bytes } of plane.attempts) {
        assert.equal(claims.seq, 1);
        assert.deepEqual(bytes, plane.accepted[0]?.bytes);
      }
      await waitFor('the confirmation', () => running.waitingBytes === 0);
    });
  }

  it('waits as long as Retry-After says', async () => {
    const times: number[] = [];
    plane.react = () => {
      times.push(Date.now());
      return times.length === 1
        ? { problem: 'rate_limited', headers: { 'retry-after': '1' } }
        : 'accept';
    };
    (await start()).accept(makeAlertLines(1));
    await waitFor('the second attempt', () => times.length === 2);
    assert.ok((times[1] as number) - (times[0] as number) >= 995);
  });

  it('keeps alerts while the control plane is away, over a restart, and delivers them in order', async () => {
    const { port } = plane;
    const first = await start();
    await waitFor('the enrolment', () => first.identity !== undefined);
    await stop();
    await plane.stop();
    const lines = makeAlertLines(1500);
    (await start()).accept(lines.slice(0, 700));
    await waitFor('a failed attempt', () => messages.includes('alerts wait in the spool'));
    await stop();
    (await start()).accept(lines.slice(700));
    await plane.start(port);
    await waitFor('all alerts', () => plane.alerts.length >= 1500);
    assert.deepEqual(plane.alerts, uuids(lines));
  });

  for (const problem of ['sequence_conflict', 'sequence_stale'] as const) {
    it(`goes on under a later number after ${problem}, with the same alerts`, async () => {
      reactInTurn({ problem });
      const lines = makeAlertLines(2);
      const running = await start();
      running.accept(lines);
      await waitFor('the alerts', () => plane.accepted.length === 1);
      assert.deepEqual(plane.alerts, uuids(lines));
      const [first, second] = plane.attempts.map(({ claims }) => claims.seq);
      assert.ok((second as number) > (first as number));
      assert.equal(running.counters.renumbered, 1);
      running.accept(makeAlertLines(1));
      await waitFor('the next batch', () => plane.accepted.length === 2);
      assert.equal(plane.accepted[1]?.claims.seq, (second as number) + 1);
    });
  }

  it('signs a stale batch again, and follows the clock of the control plane', async () => {
    plane.clockAheadSeconds = 3600;
    const running = await start();
    running.accept(makeAlertLines(1));
    await waitFor('the alert', () => plane.accepted.length === 1);
    assert.equal(running.counters.resigned, 1);
    assert.equal(plane.accepted[0]?.claims.seq, 1);
  });

  for (const problem of ['alert_invalid', 'body_too_large'] as const) {
    it(`puts the alert aside that ${problem} is about, and delivers the others`, async () => {
      plane.react = ({ alerts }) =>
        alerts.some(({ rule }) => rule === 'bad') ? { problem } : 'accept';
      const good = makeAlertLines(20);
      const bad = toAlertLine(makeAlert({ rule: 'bad' }));
      const running = await start();
      running.accept([...good.slice(0, 7), bad, ...good.slice(7)]);
      await waitFor('the good alerts', () => plane.alerts.length === 20);
      assert.deepEqual(plane.alerts, uuids(good));
      await waitFor('the bad alert', () => running.counters.rejected === 1);
      const rejected = join(agentFiles(dataDir).spool, 'rejected.ndjson');
      assert.equal(readFileSync(rejected, 'utf8'), `${bad.line}\n`);
    });
  }

  it('enrols again when the control plane does not know it any more', async () => {
    const running = await start();
    running.accept(makeAlertLines(1));
    await waitFor('the first alert', () => plane.accepted.length === 1);
    plane.forgetAgents();
    running.accept(makeAlertLines(1));
    await waitFor('a complaint', () => messages.includes('alerts wait in the spool'));
    plane.joinTokens.add(TOKEN);
    await waitFor('the second alert', () => plane.accepted.length === 2);
    assert.deepEqual(plane.enrolments[0]?.public_key, plane.enrolments[1]?.public_key);
  });

  it('takes a new key after it was revoked', async () => {
    plane.react = ({ claims }) =>
      claims.agent === 'agent-1' ? { problem: 'agent_revoked' } : 'accept';
    const running = await start();
    running.accept(makeAlertLines(1));
    await waitFor('a complaint', () => plane.attempts.length > 0);
    plane.joinTokens.add(TOKEN);
    await waitFor('the alert', () => plane.accepted.length === 1);
    assert.notDeepEqual(plane.enrolments[0]?.public_key, plane.enrolments[1]?.public_key);
  });

  it('spools and says what to do without an enrolment, and starts when another process enrols the host', async () => {
    const running = await start({ joinToken: undefined });
    running.accept(makeAlertLines(1));
    await waitFor('a complaint', () => messages.includes('alerts wait in the spool'));
    const { enrolAgent } = await import('../../src/uplink/enrolment.ts');
    const { Transport } = await import('../../src/uplink/transport.ts');
    const transport = new Transport(plane.url);
    const options = { dataDir, server: plane.url, joinToken: TOKEN, hostname: 'h', version: '0' };
    assert.ok((await enrolAgent(transport, options)).ok);
    await transport.close();
    await waitFor('the alert', () => plane.accepted.length === 1);
  });

  it('refuses a data directory that another agent uses', async () => {
    await start();
    const first = uplink;
    await assert.rejects(start(), DirectoryLockError);
    uplink = first;
    await stop();
    await start();
  });

  it('delivers what it has from a disk that is full', async (t) => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tocsin-test', dataDir]);
    if (mounted.status !== 0) return t.skip('no file system can be mounted here');
    const folder = dataDir;
    try {
      let isAway = false;
      plane.react = () => (isAway ? 'reset' : 'accept');
      const agent = await start();
      await waitFor('the enrolment', () => agent.identity !== undefined);
      isAway = true;
      const alerts = makeAlertLines(6000);
      for (let at = 0; at < alerts.length; at += 50) agent.accept(alerts.slice(at, at + 50));
      const { 'disk_error/Warning': lost = 0 } = agent.counters.dropped.toJSON();
      assert.ok(lost > 0 && lost < alerts.length, `${lost} did not fit`);
      isAway = false;
      const kept = alerts.length - lost;
      await waitFor('what fitted', () => plane.alerts.length >= kept);
      assert.equal(new Set(plane.alerts).size, kept);
    } finally {
      await stop();
      execFileSync('umount', ['--lazy', folder]);
    }
  });
});
