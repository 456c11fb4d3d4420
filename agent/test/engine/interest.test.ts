import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SYSCALLS } from '@tocsin/native';
import { interestOf, type RuleNeeds, recordableInterest } from '../../src/engine/interest.ts';
import { RuleJudge } from '../../src/engine/rule-judge.ts';
import { syscallName } from '../../src/events/event-name.ts';
import { kernelEventFields } from '../../src/events/fields/source.ts';
import { LIBRARY_FOLDER } from '../../src/package-files.ts';
import { readRuleFiles } from '../../src/rule-files.ts';

const needs = (types: string[], fields: string[], failing: string[] = []): RuleNeeds => ({
  eventTypes: new Set(types),
  usesField: (name) => fields.includes(name),
  wantsFailures: (type) => failing.includes(type),
  couldMatch: () => () => false,
});
const numbers = (...names: string[]) =>
  names.map((name) => SYSCALLS[name] ?? -1).sort((a, b) => a - b);

describe('interestOf', () => {
  it('is no more than the rules name', () => {
    assert.deepEqual(
      interestOf(needs(['openat', 'connect', 'procexit', 'clone'], ['fd.name'], ['openat'])),
      {
        syscalls: numbers('openat', 'connect'),
        keepFailed: numbers('openat'),
        openClasses: ['open', 'openat', 'creat', 'open_by_handle_at']
          .flatMap((name) => numbers(name))
          .map((call) => ({
            call,
            succeeded: 0,
            failed: 0,
          })),
        environment: false,
      },
    );
  });

  it('adds calls that change what the rules read', () => {
    const { syscalls, environment } = interestOf(
      needs(['openat'], ['proc.cwd', 'proc.is_vpgid_leader', 'proc.env']),
    );
    assert.deepEqual(syscalls, numbers('openat', 'chdir', 'fchdir', 'setpgid', 'setsid'));
    assert.equal(environment, true);
  });

  it('is everything of the types without pushdown', () => {
    const { keepFailed, openClasses } = interestOf(needs(['openat', 'connect'], []), false);
    assert.deepEqual(keepFailed, numbers('openat', 'connect'));
    assert.deepEqual(openClasses, []);
  });
});

describe('recordableInterest', () => {
  it('holds all that our own packs watch, whatever will judge it later', () => {
    const judge = RuleJudge.compile(
      { files: readRuleFiles([LIBRARY_FOLDER]), matching: 'all' },
      kernelEventFields,
      () => undefined,
      () => {},
    );
    const held = new Set(recordableInterest(false).syscalls);
    const absent = interestOf(judge.compiled, false).syscalls.filter((call) => !held.has(call));
    assert.deepEqual(absent.map(syscallName), []);
  });
});
