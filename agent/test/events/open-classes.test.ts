import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPEN_CLASS_CREATE, OPEN_CLASS_DIRECTORY, OPEN_CLASS_TEMPORARY } from '@tocsin/native';
import fc from 'fast-check';
import { OPEN } from '../../src/events/flag-names.ts';
import { openClassesOf } from '../../src/events/open-classes.ts';
import { compile, openCondition, openEvent, TEMPORARY } from './random-open.ts';
import { call } from './records.ts';

const READ = 0;
const WRITE = 1;

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
    fc.assert(
      fc.property(
        fc.array(openCondition, { minLength: 1, maxLength: 2 }),
        fc.array(openEvent, { minLength: 10, maxLength: 20 }),
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
