/**
 * Rule evaluations per second over the official rules: the compiled form against the plain interpreter, on a mix of open,
 * exec and connect events. Run: node test/dist/bench/rules.js [FOLDER OF RULE FILES] [SECONDS]
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileRules } from '@tocsin/agent/rules/compile-rules';
import { interpretCondition } from '@tocsin/agent/rules/compiler/interpreter';
import { FieldBinder } from '@tocsin/agent/rules/compiler/operand-reader';
import type { Extractor, FieldReference, FieldSource, Value } from '@tocsin/agent/rules/field';
import { loadRules } from '@tocsin/agent/rules/load-rules';

const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml', 'falco-sandbox_rules.yaml'];
/**
 * Events judged in turn. 512 stay in the caches, as a record does that the agent has just decoded; 4,096 also measure how long
 * memory takes to bring them.
 */
const WORKING_SETS = [512, 4096];
const ROUNDS = 5;

/** An event with its values in slots, as cheap to read as a decoded record. */
interface SlotEvent {
  readonly type: string;
  readonly slots: (Value | undefined)[];
}

class SlotSource implements FieldSource<SlotEvent> {
  private readonly slots = new Map<string, number>();

  slotOf(name: string): number {
    let slot = this.slots.get(name);
    if (slot === undefined) {
      slot = this.slots.size;
      this.slots.set(name, slot);
    }
    return slot;
  }

  bind({ definition, argument }: FieldReference): Extractor<SlotEvent> {
    const { name } = definition;
    const dotted = name === 'evt.arg' ? `${name}.${argument}` : `${name}[${argument}]`;
    const slot = this.slotOf(argument === undefined ? name : dotted);
    return (event) => event.slots[slot];
  }

  typeOf(event: SlotEvent): string {
    return event.type;
  }
}

/** A fixed sequence that looks random, so that runs compare. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = makeRandom(42);

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

const PROGRAMS = [
  'bash',
  'cat',
  'node',
  'python3',
  'nginx',
  'postgres',
  'systemd',
  'sshd',
  'cron',
  'java',
  'git',
  'make',
  'gcc',
  'dockerd',
  'containerd',
  'runc',
  'kubelet',
  'vim',
  'dpkg',
  'apt-get',
] as const;

const PATHS = [
  '/etc/ld.so.cache',
  '/lib/x86_64-linux-gnu/libc.so.6',
  '/proc/self/status',
  '/etc/passwd',
  '/usr/lib/locale/locale-archive',
  '/tmp/work/output.txt',
  '/var/lib/postgresql/base/1/2619',
  '/home/user/project/src/index.ts',
  '/dev/null',
  '/sys/fs/cgroup/cpu.max',
  '/etc/nginx/nginx.conf',
  '/var/log/nginx/access.log',
  '/usr/share/zoneinfo/UTC',
  '/root/.bashrc',
  '/opt/app/config.json',
] as const;

function processFields(): Record<string, Value> {
  const name = pick(PROGRAMS);
  const parent = pick(PROGRAMS);
  const args = `--option ${Math.floor(random() * 1000)} /srv/data/file-${Math.floor(random() * 50)}`;
  return {
    'evt.num': 17,
    'proc.name': name,
    'proc.pname': parent,
    'proc.exe': name,
    'proc.pexe': parent,
    'proc.exepath': `/usr/bin/${name}`,
    'proc.pexepath': `/usr/bin/${parent}`,
    'proc.args': args,
    'proc.cmdline': `${name} ${args}`,
    'proc.pcmdline': `${parent} ${args}`,
    'proc.cwd': '/srv/data/',
    'proc.env': 'PATH=/usr/bin HOME=/root LANG=C',
    'proc.tty': 0,
    'proc.vpid': 77,
    'proc.aname': [parent, 'systemd'],
    'proc.aname[1]': parent,
    'proc.aname[2]': 'systemd',
    'proc.duration': 4_000_000_000,
    'proc.is_exe_upper_layer': false,
    'proc.is_exe_from_memfd': false,
    'proc.is_vpgid_leader': true,
    'user.uid': pick([0, 33, 1000]),
    'user.name': pick(['root', 'www-data', 'user']),
    'user.loginuid': -1,
    'thread.cap_permitted': '',
    'thread.cap_effective': '',
    'container.id': pick(['host', 'host', 'host', '0123456789ab']),
    'container.image.repository': '',
    'container.privileged': false,
    'evt.rawres': 5,
    'evt.res': 'SUCCESS',
    'evt.is_open_read': false,
    'evt.is_open_write': false,
    'evt.is_open_exec': false,
  };
}

function openFields(): Record<string, Value> {
  const path = pick(PATHS);
  const write = random() < 0.2;
  return {
    'fd.name': path,
    'fd.nameraw': path,
    'fd.directory': path.slice(0, path.lastIndexOf('/')),
    'fd.filename': path.slice(path.lastIndexOf('/') + 1),
    'fd.num': 5,
    'fd.type': 'file',
    'fd.typechar': 'f',
    'evt.is_open_read': !write,
    'evt.is_open_write': write,
    'evt.arg.flags': write ? 'O_CREAT|O_WRONLY' : 'O_RDONLY|O_CLOEXEC',
    'evt.arg.name': path,
  };
}

function connectFields(): Record<string, Value> {
  const server = pick(['\x7f\x00\x00\x01', '\x0a\x00\x00\x05', '\x5d\xb8\xd8\x22']);
  return {
    'fd.num': 9,
    'fd.type': 'ipv4',
    'fd.typechar': '4',
    'fd.name': '10.0.0.5:40000->93.184.216.34:443',
    'fd.l4proto': pick(['tcp', 'udp']),
    'fd.sockfamily': 'ip',
    'fd.connected': true,
    'fd.name_changed': true,
    'fd.ip': ['\x0a\x00\x00\x05', server],
    'fd.net': ['\x0a\x00\x00\x05', server],
    'fd.snet': server,
    'fd.cnet': '\x0a\x00\x00\x05',
    'fd.sip': server,
    'fd.cip': '\x0a\x00\x00\x05',
    'fd.sport': pick([443, 53, 8080]),
    'fd.cport': 40000,
    'fd.port': [40000, 443],
  };
}

function makeEvent(source: SlotSource): SlotEvent {
  const share = random();
  const type = share < 0.7 ? 'openat' : share < 0.9 ? 'execve' : 'connect';
  const fields: Record<string, Value> = { ...processFields(), 'evt.type': type };
  if (type === 'openat') Object.assign(fields, openFields());
  if (type === 'connect') Object.assign(fields, connectFields());
  const slots: (Value | undefined)[] = [];
  for (const [name, value] of Object.entries(fields)) slots[source.slotOf(name)] = value;
  return { type, slots };
}

/** Seconds of CPU this process used: on a machine shared with others the clock on the wall tells of them instead. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Runs over all events for some seconds of CPU; evaluations per second. */
function measure(
  seconds: number,
  events: readonly SlotEvent[],
  run: (event: SlotEvent) => void,
): number {
  let count = 0;
  const start = cpuSeconds();
  let elapsed = 0;
  while (elapsed < seconds) {
    for (const event of events) run(event);
    count += events.length;
    elapsed = cpuSeconds() - start;
  }
  return count / elapsed;
}

/** Measures both in turns, so that what else the machine does meets both alike; the medians. */
function compare(
  seconds: number,
  events: readonly SlotEvent[],
  compiled: (event: SlotEvent) => void,
  interpreted: (event: SlotEvent) => void,
): { fast: number; slow: number } {
  measure(seconds, events, compiled);
  const turns = Array.from({ length: ROUNDS }, () => ({
    fast: measure(seconds / ROUNDS, events, compiled),
    slow: measure(seconds / ROUNDS, events, interpreted),
  }));
  const median = (values: number[]): number =>
    values.sort((left, right) => left - right)[Math.floor(ROUNDS / 2)] ?? 0;
  return {
    fast: median(turns.map(({ fast }) => fast)),
    slow: median(turns.map(({ slow }) => slow)),
  };
}

function main(folder: string, seconds: number): void {
  const loaded = loadRules(
    FILES.map((name) => ({ name, content: readFileSync(join(folder, name), 'utf8') })),
  );
  assert.ok(loaded.ok);
  const source = new SlotSource();
  const compiled = compileRules(loaded, source, { matching: 'all' });

  // The baseline walks the tree of each rule whose event types fit, in order.
  const { read } = new FieldBinder(source);
  const rules = loaded.ruleset.enabled.map((rule) => ({
    rule,
    test: interpretCondition(rule.condition, read),
  }));
  const byType = new Map(
    ['openat', 'execve', 'connect'].map((type) => [
      type,
      rules.filter(({ rule }) => rule.eventTypes === 'all' || rule.eventTypes.has(type)),
    ]),
  );
  const interpret = (event: SlotEvent): string[] => {
    const found: string[] = [];
    for (const { rule, test } of byType.get(event.type) ?? [])
      if (test(event)) found.push(rule.name);
    return found;
  };

  for (const size of WORKING_SETS) {
    const events = Array.from({ length: size }, () => makeEvent(source));
    let matches = 0;
    for (const event of events) {
      const found = compiled.match(event).map(({ name }) => name);
      assert.deepEqual(found, interpret(event));
      matches += found.length;
    }
    const { fast, slow } = compare(
      seconds,
      events,
      (event) => compiled.match(event),
      (event) => interpret(event),
    );
    const result = {
      events: size,
      matches,
      compiled_per_second: Math.round(fast),
      interpreted_per_second: Math.round(slow),
      ratio: Number((fast / slow).toFixed(1)),
      by_type: Object.fromEntries(
        [...byType.keys()].map((type) => {
          const some = events.filter((event) => event.type === type);
          return [type, Math.round(measure(seconds / 4, some, (event) => compiled.match(event)))];
        }),
      ),
    };
    console.log(JSON.stringify(result));
  }
}

main(process.argv[2] ?? '../shared/falco-rules', Number(process.argv[3] ?? 2));
