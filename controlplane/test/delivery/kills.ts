/**
 * Workers are killed in mid-send: by the receiver, at the moment when it has a notification and the worker does not know it. At the end
 * everything that was queued was told, each lane in its order, and what came twice is marked.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { LaneFixture, Receiver } from './lane-fixture.ts';
import { waitFor } from './sample.ts';

const WORKERS = 3;
const CHANNELS = 6;
const GROUPS = 4;
/** Short, so that what a killed worker had is soon taken over. */
const LEASE_MS = '500';
/** Of requests, those that kill their worker; as many more fail otherwise. Few, since many are under way when one does. */
const KILL_SHARE = 0.08;

export interface KillReport {
  readonly kills: number;
  readonly entries: number;
  readonly notifications: number;
  /** Requests with a notification that was there before, marked. */
  readonly duplicates: number;
  /** Notifications with more than one update. */
  readonly coalesced: number;
}

/**
 * Kills workers so many times while updates come, in systems beside each other. Throws when something is lost, out of order, or twice
 * without a mark.
 */
export async function runKills(kills: number, systems = 1): Promise<KillReport> {
  const worker = await bundleWorker();
  try {
    const share = Math.ceil(kills / systems);
    const reports = await Promise.all(
      Array.from({ length: systems }, () => runSystem(share, worker)),
    );
    const sum = (field: keyof KillReport) => reports.reduce((all, one) => all + one[field], 0);
    return {
      kills: sum('kills'),
      entries: sum('entries'),
      notifications: sum('notifications'),
      duplicates: sum('duplicates'),
      coalesced: sum('coalesced'),
    };
  } finally {
    await rm(worker);
  }
}

/** The worker in one file, which starts in a third of the time: workers start all the time. It lies where it finds the scripts. */
async function bundleWorker(): Promise<string> {
  const outfile = join(import.meta.dirname, `lane-worker-${process.pid}.mjs`);
  await build({
    ...{ entryPoints: [join(import.meta.dirname, 'lane-worker.js')], outfile },
    ...{ bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' },
    // Packages in the older format call this.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
  return outfile;
}

async function runSystem(kills: number, worker: string): Promise<KillReport> {
  const fixture = await LaneFixture.open();
  const receiver = new Receiver();
  const run = new Run(fixture, receiver, kills, worker);
  try {
    await run.start(await receiver.open());
    return await run.report();
  } finally {
    run.stop();
    await receiver.close();
    await fixture.close();
  }
}

class Run {
  readonly #fixture: LaneFixture;
  readonly #receiver: Receiver;
  readonly #most: number;
  readonly #script: string;
  readonly #workers = new Map<number, ChildProcess>();
  #url = '';
  #kills = 0;
  #number = 0;
  #stopped = false;
  /** By lane: what is there of it, in order. */
  readonly #lanes = new Map<string, { id: string; numbers: string }[]>();
  readonly #faults: string[] = [];
  #duplicates = 0;
  #coalesced = 0;

  constructor(fixture: LaneFixture, receiver: Receiver, most: number, script: string) {
    this.#fixture = fixture;
    this.#receiver = receiver;
    this.#most = most;
    this.#script = script;
  }

  async start(url: string): Promise<void> {
    this.#url = url;
    this.#receiver.answer = (response, told, _nth, path) => {
      const [, worker = '', channel = ''] = path.split('/');
      const lane = `${channel} ${told.group ?? '-'}`;
      const roll = Math.random();
      const fails = roll > KILL_SHARE && roll < 2 * KILL_SHARE && this.#kills < this.#most;
      // A definite no: it is not there.
      if (fails && roll < 1.5 * KILL_SHARE) return void response.writeHead(503).end();
      this.#check(lane, told.id, told.numbers, told.repeated);
      if (roll < KILL_SHARE) this.#kill(Number(worker));
      if (fails) response.destroy();
      else response.end();
    };
    for (let worker = 0; worker < WORKERS; worker++) this.#spawn(worker);
    while (this.#kills < this.#most) await this.#feed();
  }

  stop(): void {
    this.#stopped = true;
    for (const child of this.#workers.values()) child.kill('SIGKILL');
  }

  async report(): Promise<KillReport> {
    const { outbox } = this.#fixture;
    await waitFor(async () => (await outbox.lanesWithWork()).length === 0, 120_000);
    assert.deepEqual(this.#faults, []);
    const told = new Set<number>();
    for (const lane of this.#lanes.values())
      for (const { numbers } of lane)
        for (const number of numbers.split(',')) told.add(Number(number));
    const lost = Array.from({ length: this.#number }, (_, at) => at + 1).filter(
      (number) => !told.has(number),
    );
    assert.deepEqual(lost, []);
    let notified = 0;
    for (let channel = 0; channel < CHANNELS; channel++) {
      const ledger = await this.#fixture.ledger(`channel-${channel}`);
      assert.equal(ledger['pending'], '0');
      notified += Number(ledger['notified']);
    }
    assert.equal(notified, this.#number);
    const notifications = [...this.#lanes.values()].reduce((sum, { length }) => sum + length, 0);
    return {
      kills: this.#kills,
      entries: this.#number,
      notifications,
      duplicates: this.#duplicates,
      coalesced: this.#coalesced,
    };
  }

  /** A few more updates, and not more than the workers can follow. */
  async #feed(): Promise<void> {
    for (let channel = 0; channel < CHANNELS; channel++) {
      const name = `channel-${channel}`;
      const { depth } = await this.#fixture.outbox.backlog(name);
      if (depth > 20) continue;
      for (let group = 0; group < GROUPS; group++)
        await this.#fixture.update(name, `group-${group}`, ++this.#number);
      await this.#fixture.enqueue(name, ++this.#number);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #spawn(worker: number): void {
    const child = spawn(
      process.execPath,
      [this.#script, this.#fixture.socket, `${this.#url}${worker}/`, LEASE_MS],
      { stdio: 'ignore' },
    );
    this.#workers.set(worker, child);
    void once(child, 'exit').then(() => {
      if (!this.#stopped) this.#spawn(worker);
    });
  }

  #kill(worker: number): void {
    if (this.#kills >= this.#most) return;
    if (this.#workers.get(worker)?.kill('SIGKILL')) this.#kills++;
  }

  #check(lane: string, id: string, list: readonly number[], repeated: boolean): void {
    const known = this.#lanes.get(lane) ?? [];
    this.#lanes.set(lane, known);
    const numbers = list.join();
    const last = known.at(-1);
    if (last?.id === id) {
      this.#duplicates++;
      if (!repeated) this.#faults.push(`${lane}: ${id} came twice and is not marked`);
      if (last.numbers !== numbers)
        this.#faults.push(`${lane}: ${id} is ${last.numbers}, then ${numbers}`);
      return;
    }
    if (known.some((one) => one.id === id)) this.#faults.push(`${lane}: ${id} came again later`);
    const before = Math.max(0, ...(last?.numbers.split(',').map(Number) ?? []));
    if (Math.min(...list) <= before)
      this.#faults.push(`${lane}: ${numbers} after ${last?.numbers}`);
    if (list.length > 1) this.#coalesced++;
    known.push({ id, numbers });
  }
}
