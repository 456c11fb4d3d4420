import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SYSCALLS } from '@tocsin/native';
import { interestOf, type RuleNeeds } from '../../src/engine/interest.ts';

const needs = (types: string[], fields: string[], failing: string[] = []): RuleNeeds => ({
  eventTypes: new Set(types),
  usesField: (name) => fields.includes(name),
  wantsFailures: (type) => failing.includes(type),
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
});
