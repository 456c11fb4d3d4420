import { randomUUID } from 'node:crypto';
import type { Alert } from '@tocsin/openapi';
import { type AlertLine, toAlertLine } from '../../src/outputs/alert-line.ts';

/** A valid alert; only what a test is about need be named. */
export function makeAlert(changes: Partial<Alert> = {}): Alert {
  return {
    uuid: randomUUID(),
    time: '2026-03-01T12:00:00.123456789Z',
    rule: 'Test rule',
    priority: 'Warning',
    source: 'syscall',
    output: '12:00:00.123456789: Warning something happened',
    output_fields: { 'proc.name': 'cat' },
    hostname: 'host-1',
    tags: ['test'],
    ...changes,
  };
}

/** Several of them, as lines. */
export function makeAlertLines(count: number, changes: Partial<Alert> = {}): AlertLine[] {
  return Array.from({ length: count }, () => toAlertLine(makeAlert(changes)));
}
