import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EVENT_FILE_CREATED,
  EVENT_FILE_OVERLAY,
  EVENT_FILE_UPPER,
  EVENT_REAL_SAME,
  OPEN_CLASS_CREATE,
  OPEN_CLASS_DIRECTORY,
  OPEN_CLASS_TEMPORARY,
} from '@tocsin/native';
import fc from 'fast-check';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import { OPEN } from '../../src/events/flag-names.ts';
import { openClassesOf } from '../../src/events/open-classes.ts';
import { compileRules } from '../../src/rules/compile-rules.ts';
import { loadRules } from '../../src/rules/load-rules.ts';
import { contextOf } from './fields.ts';
import { call, eventOf, open } from './records.ts';

const TEMPORARY = OPEN.TMPFILE & ~OPEN.DIRECTORY;
const MAKES_FILE = OPEN.CREAT | TEMPORARY;
const READ = 0;
const WRITE = 1;

function compile(conditions: readonly string[]) {
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

/** The bit of an open's class, as the probe works it out. */
function classBit(flags: number): number {
  let openClass = flags & 3;
  if (flags & OPEN.CREAT) openClass |= OPEN_CLASS_CREATE;
  if (flags & OPEN.DIRECTORY) openClass |= OPEN_CLASS_DIRECTORY;
  if (flags & TEMPORARY) openClass |= OPEN_CLASS_TEMPORARY;
  return 1 << openClass;
}

function isWanted(
  classes: ReturnType<typeof openClassesOf>,
  name: string,
  flags: number,
  failed = false,
): boolean {
  const found = classes.find((one) => one.call === call(name));
  return found === undefined || ((failed ? found.failed : found.succeeded) & classBit(flags)) !== 0;
}

/** What the kernel may tell of a file that was opened; made by this call only if it could be. */
function factsOf(choice: number, makes: boolean): number {
  const facts = [makes ? EVENT_FILE_CREATED : 0, EVENT_FILE_OVERLAY, EVENT_FILE_UPPER];
  return facts.reduce((sum, fact, i) => (choice & (1 << i) ? sum | fact : sum), EVENT_REAL_SAME);
}

describe('openClassesOf', () => {
  it('leaves out what the flags rule out', () => {
    const classes = openClassesOf(
      compile([
        'evt.type in (open, openat) and evt.is_open_write=true and fd.typechar=f and fd.num>=0',
      ]),
    );
    assert.ok(isWanted(classes, 'openat', WRITE));
    assert.ok(isWanted(classes, 'openat', OPEN.RDWR | OPEN.CREAT));
    assert.ok(!isWanted(classes, 'openat', READ | OPEN.CREAT));
    assert.ok(!isWanted(classes, 'openat', READ | OPEN.DIRECTORY));
    assert.ok(!isWanted(classes, 'openat', WRITE, true), 'none failed has a number');
    assert.ok(!isWanted(classes, 'open_by_handle_at', WRITE), 'no rule names it');
  });

  it('keeps what the flags alone cannot tell', () => {
    const made = openClassesOf(compile(['evt.type=openat and evt.is_open_create=true']));
    assert.ok(isWanted(made, 'openat', WRITE | OPEN.CREAT));
    assert.ok(!isWanted(made, 'openat', WRITE));
    const named = openClassesOf(compile(['evt.type=openat and fd.name startswith /etc']));
    assert.ok(isWanted(named, 'openat', READ));
    assert.ok(isWanted(named, 'openat', READ, true));
    const directories = openClassesOf(compile(['evt.type=openat and fd.type=directory']));
    assert.ok(isWanted(directories, 'openat', READ | OPEN.DIRECTORY));
    assert.ok(!isWanted(directories, 'openat', READ));
  });

  it('asks all rules, and one when told to', () => {
    const rules = compile(['evt.type=openat and evt.is_open_read=true', 'evt.type=creat']);
    assert.ok(isWanted(openClassesOf(rules), 'openat', READ));
    assert.ok(!isWanted(openClassesOf(rules), 'openat', WRITE));
    assert.ok(!isWanted(openClassesOf(rules, rules.rules[1]), 'openat', READ));
    assert.ok(isWanted(openClassesOf(rules, rules.rules[1]), 'creat', WRITE | OPEN.CREAT));
  });

  it('never leaves out an open that a rule matches', () => {
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
        ...['evt.rawarg.res>=0', 'evt.rawarg.res=-2', 'fd.dev.major=0', 'evt.dir=<'],
      ),
    );
    const condition = fc.letrec<{ node: string }>((tie) => ({
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
    const event = fc
      .record({
        name: fc.constantFrom('open', 'openat', 'creat', 'open_by_handle_at', 'openat2'),
        access: fc.integer({ min: 0, max: 3 }),
        flags: fc.array(flag, { maxLength: 3 }),
        mode: fc.constantFrom(0, 0o644, 0o755),
        result: fc.constantFrom(0, 3, 400, -2, -13),
        facts: fc.integer({ min: 0, max: 7 }),
        path: fc.constantFrom('/etc/shadow', '/etc', '/tmp/x', 'x'),
      })
      .map(({ name, access, flags, mode, result, facts, path }) => {
        const given = name === 'creat' ? 0o1101 : flags.reduce((sum, one) => sum | one, access);
        const makes = (given & MAKES_FILE) !== 0;
        const header = {
          syscall: call(name),
          result: BigInt(result),
          flags: result < 0 ? 0 : factsOf(facts, makes),
        };
        const record = open(path, { openFlags: given, mode: makes ? mode : 0 }, header, '/home');
        return { name, given, failed: result < 0, event: eventOf(record) };
      });
    fc.assert(
      fc.property(
        fc.array(condition, { minLength: 1, maxLength: 2 }),
        fc.array(event, { minLength: 10, maxLength: 20 }),
        (conditions, events) => {
          const rules = compile(conditions);
          const classes = openClassesOf(rules);
          for (const { name, given, failed, event: each } of events) {
            if (rules.match(each).length > 0) assert.ok(isWanted(classes, name, given, failed));
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
