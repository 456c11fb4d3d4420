import assert from 'node:assert/strict';
import {
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  EVENT_REAL_SAME,
} from '@tocsin/native';
import fc from 'fast-check';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import { OPEN } from '../../src/events/flag-names.ts';
import { compileRules } from '../../src/rules/compile-rules.ts';
import { loadRules } from '../../src/rules/load-rules.ts';
import { Container, HOST } from '../../src/state/container.ts';
import { contextOf } from './fields.ts';
import { call, eventOf, open } from './records.ts';

/** Of this one nothing is known yet. */
const BARE = new Container('docker', 'b'.repeat(64));
const NGINX = new Container('docker', 'c'.repeat(64));
NGINX.facts = { name: 'web', image: 'nginx', privileged: true };

export const TEMPORARY = OPEN.TMPFILE & ~OPEN.DIRECTORY;
const MAKES_FILE = OPEN.CREAT | TEMPORARY;

/** Compiles a rule for each condition. */
export function compile(conditions: readonly string[]) {
  const rules = conditions.map((condition, i) => ({
    rule: `r${i}`,
    desc: 'test',
    condition,
    output: 'x',
    priority: 'NOTICE',
  }));
  const loaded = loadRules([{ name: 'test', content: JSON.stringify(rules) }]);
  assert.ok(loaded.ok, JSON.stringify(loaded.files));
  return compileRules(loaded, kernelEventSource(contextOf()), { matching: 'all' });
}

/** What the kernel may tell of a file that was opened; made by this call only if it could be. */
function factsOf(choice: number, makes: boolean): number {
  const facts = [makes ? EVENT_FILE_CREATED : 0, EVENT_FILE_OVERLAY, EVENT_FILE_UPPER];
  return facts.reduce((sum, fact, i) => (choice & (1 << i) ? sum | fact : sum), EVENT_REAL_SAME);
}

const check = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        ...['evt.is_open_read', 'evt.is_open_write', 'evt.is_open_create', 'evt.is_open_exec'],
        ...['evt.failed', 'fd.is_upper_layer'],
      ),
      fc.constantFrom('=true', '=false', '!=true'),
    )
    .map(([field, rest]) => `${field}${rest}`),
  fc.constantFrom(
    ...['evt.type=openat', 'evt.type in (open, creat)', 'evt.type!=open', 'evt.type exists'],
    ...['fd.typechar=f', 'fd.type=directory', 'fd.type exists', 'fd.num>=0', 'fd.num<0'],
    ...['evt.rawres>3', 'evt.rawres=-13', 'evt.res=SUCCESS', 'evt.res!=SUCCESS'],
    ...['evt.res=EACCES', 'evt.arg.flags contains O_CREAT', 'evt.arg.flags contains O_TMPFILE'],
    ...['fd.name startswith /etc', 'fd.directory=/etc', 'fd.path.real endswith shadow'],
    ...['evt.abi=64', 'evt.category=file', 'proc.name=cat', 'evt.arg.mode=0644'],
    ...['container.id!=host', 'container.name exists', 'container.image=nginx'],
    ...['container.image.repository!=nginx', 'container.privileged=true'],
    ...['evt.rawarg.res>=0', 'evt.rawarg.res=-2', 'fd.dev.major=0', 'evt.dir=<'],
  ),
);
/** Conditions on what opens have. */
export const openCondition = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    check,
    tie('node').map((child) => `not (${child})`),
    fc
      .tuple(
        fc.array(tie('node'), { minLength: 2, maxLength: 3 }),
        fc.constantFrom(' and ', ' or '),
      )
      .map(([children, by]) => `(${children.join(by)})`),
  ),
})).node;
const flag = fc.constantFrom(
  ...[OPEN.CREAT, OPEN.DIRECTORY, TEMPORARY, OPEN.TMPFILE, OPEN.EXCL, OPEN.TRUNC, OPEN.APPEND],
);
/** Opens as the probe tells them. */
export const openEvent = fc
  .record({
    name: fc.constantFrom('open', 'openat', 'creat', 'open_by_handle_at', 'openat2'),
    access: fc.integer({ min: 0, max: 3 }),
    flags: fc.array(flag, { maxLength: 3 }),
    mode: fc.constantFrom(0, 0o644, 0o755),
    result: fc.constantFrom(0, 3, 400, -2, -13),
    facts: fc.integer({ min: 0, max: 7 }),
    path: fc.constantFrom('/etc/shadow', '/etc', '/tmp/x', 'x'),
    container: fc.constantFrom(HOST, BARE, NGINX),
  })
  .map(({ name, access, flags, mode, result, facts, path, container }) => {
    const given = name === 'creat' ? 0o1101 : flags.reduce((sum, one) => sum | one, access);
    const makes = (given & MAKES_FILE) !== 0;
    const header = {
      syscall: call(name),
      result: BigInt(result),
      flags: result < 0 ? 0 : factsOf(facts, makes),
    };
    const record = open(path, { openFlags: given, mode: makes ? mode : 0 }, header, '/home');
    const event = eventOf(record);
    event.container = container;
    return { name, given, failed: result < 0, event };
  });
