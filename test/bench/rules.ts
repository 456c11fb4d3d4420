/**
 * Rule evaluations per second over the official rules: the compiled form against the plain interpreter, on the opens, execs and
 * connects of a recording of this host at work. Run: node test/dist/bench/rules.js [FOLDER OF RULE FILES] [SECONDS]
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCapture } from '@tocsin/agent/capture/read-capture';
import { Replay } from '@tocsin/agent/engine/replay';
import { openCapture } from '@tocsin/agent/engine/replay-file';
import { kernelEventFields } from '@tocsin/agent/events/fields/source';
import { compileRules } from '@tocsin/agent/rules/compile-rules';
import { interpretCondition } from '@tocsin/agent/rules/compiler/interpreter';
import { FieldBinder } from '@tocsin/agent/rules/compiler/operand-reader';
import type { Extractor, FieldReference, FieldSource, Value } from '@tocsin/agent/rules/field';
import { loadRules } from '@tocsin/agent/rules/load-rules';
import { ROOT, tocsin } from '../support/tocsin.ts';
import { median, report } from './report.ts';

const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml', 'falco-sandbox_rules.yaml'];
const TYPES = new Set(['open', 'openat', 'openat2', 'execve', 'execveat', 'connect']);
const ROUNDS = 7;
/** Events that stay in the caches, as a record does that the agent has just decoded, and how often they are judged in turn. */
const SPAN = 512;
const SPAN_TURNS = 8;
/** What a host does all day: shells, searches, a compiler, a version control, names looked up and servers spoken to. */
const WORK = `cd "$1"
for i in $(seq 12); do
  ls -l /etc /usr/bin > /dev/null; id; getent hosts localhost; cat /etc/shadow /etc/passwd /proc/self/status > /dev/null
  grep -r tocsin Makefile README.md openapi/src > /dev/null; git log -3 > /dev/null; git status > /dev/null
  find native -name '*.h' | xargs wc -l > /dev/null; tar cf - native/include | gzip > /dev/null
  echo 'int main(void) { return 0; }' | g++ -x c++ -o /dev/null -; python3 -c 'import json, socket'
  for j in 1 2 3 4 5 6 7 8; do (exec 3<>/dev/tcp/127.0.0.1/9; exec 3<>/dev/udp/127.0.0.1/53); done
done 2> /dev/null; true`;

/** An event with its values in slots, as cheap to read as a decoded record. */
interface SlotEvent {
  readonly type: string;
  readonly slots: readonly (Value | undefined)[];
}

/** Has the fields that kernel records have, and gives each that is asked for a slot. */
class SlotSource implements FieldSource<SlotEvent> {
  readonly references: FieldReference[] = [];
  readonly #slots = new Map<string, number>();

  bind(reference: FieldReference): Extractor<SlotEvent> | undefined {
    if (kernelEventFields.bind(reference) === undefined) return undefined;
    const key = `${reference.definition.name}[${reference.argument ?? ''}]`;
    const slot = this.#slots.get(key) ?? this.references.push(reference) - 1;
    this.#slots.set(key, slot);
    return (event) => event.slots[slot];
  }

  typeOf(event: SlotEvent): string {
    return event.type;
  }

  hasType(type: string): boolean {
    return kernelEventFields.hasType?.(type) ?? true;
  }
}

/** Seconds of CPU this process used: on a machine shared with others the clock on the wall tells of them instead. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Runs over spans of events for some seconds of CPU, each some times before the next; evaluations per second. */
function measure<E>(
  seconds: number,
  spans: readonly (readonly E[])[],
  turns: number,
  run: (event: E) => void,
): number {
  let count = 0;
  const start = cpuSeconds();
  let elapsed = 0;
  while (elapsed < seconds) {
    for (const span of spans) {
      for (let turn = 0; turn < turns; turn++) for (const event of span) run(event);
      count += turns * span.length;
    }
    elapsed = cpuSeconds() - start;
  }
  return count / elapsed;
}

function spansOf<E>(events: readonly E[]): (readonly E[])[] {
  return Array.from({ length: Math.ceil(events.length / SPAN) }, (_, index) =>
    events.slice(index * SPAN, (index + 1) * SPAN),
  );
}

async function record(file: string): Promise<void> {
  const recorder = tocsin(['record', file]);
  await recorder.line(/^ready$/m);
  execFileSync('bash', ['-c', WORK, 'bash', ROOT], { stdio: 'ignore' });
  assert.equal(await recorder.stop(), 0);
}

/** The events of a recording, each with the values that the references had when it came. */
async function slotEvents(
  capture: string,
  content: { name: string; content: string }[],
  references: readonly FieldReference[],
): Promise<SlotEvent[]> {
  const events: SlotEvent[] = [];
  let extractors: ReturnType<typeof kernelEventFields.bind>[] | undefined;
  const replay = new Replay({
    rules: { files: content, matching: 'all' },
    onAlert: () => undefined,
    onEvent(event, source) {
      const type = source.typeOf(event);
      if (!TYPES.has(type)) return;
      extractors ??= references.map((reference) => source.bind(reference));
      events.push({ type, slots: extractors.map((extract) => extract?.(event)) });
    },
  });
  await readCapture(openCapture(capture), replay);
  replay.end();
  return events;
}

async function main(folder: string, seconds: number): Promise<void> {
  const files = FILES.map((name) => ({ name, content: readFileSync(join(folder, name), 'utf8') }));
  const loaded = loadRules(files);
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
    [...TYPES].map((type) => [
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

  const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  let events: SlotEvent[];
  try {
    const capture = join(home, 'host.capture');
    await record(capture);
    events = await slotEvents(capture, files, source.references);
  } finally {
    rmSync(home, { recursive: true });
  }
  let matches = 0;
  for (const event of events) {
    const found = compiled.match(event).map(({ name }) => name);
    assert.deepEqual(found, interpret(event));
    matches += found.length;
  }
  const share = (types: readonly string[]) =>
    `${((100 * events.filter(({ type }) => types.includes(type)).length) / events.length).toFixed(1)} %`;
  const rows = (name: string, some: readonly SlotEvent[], turns = SPAN_TURNS) => {
    const spans = spansOf(some);
    const fast = () => measure(seconds / ROUNDS, spans, turns, (event) => compiled.match(event));
    const slow = () => measure(seconds / ROUNDS, spans, turns, (event) => interpret(event));
    fast();
    const rounds = Array.from({ length: ROUNDS }, () => ({ fast: fast(), slow: slow() }));
    const quick = median(rounds.map((round) => round.fast));
    const plain = median(rounds.map((round) => round.slow));
    return [
      [`${name}: interpreted`, `${Math.round(plain)} events/s`, ''],
      [`${name}: compiled`, `${Math.round(quick)} events/s`, (quick / plain).toFixed(1)],
    ] as const;
  };
  report('official rules over a recording', [
    ['events recorded', String(events.length), ''],
    ['of which opens', share(['open', 'openat', 'openat2']), ''],
    ['of which execs', share(['execve', 'execveat']), ''],
    ['of which connects', share(['connect']), ''],
    ['matches, the same by both', String(matches), ''],
    ...rows('all, just decoded', events),
    ...rows('all, each brought from memory', events, 1),
    ...rows(
      'opens',
      events.filter(({ type }) => type.startsWith('open')),
    ),
    ...rows(
      'execs',
      events.filter(({ type }) => type.startsWith('exec')),
    ),
    ...rows(
      'connects',
      events.filter(({ type }) => type === 'connect'),
    ),
  ]);
}

await main(process.argv[2] ?? join(ROOT, '../shared/falco-rules'), Number(process.argv[3] ?? 3));
