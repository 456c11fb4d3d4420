/** Falco's priorities, most severe first: the index is the syslog severity. */
export const PRIORITIES = [
  'Emergency',
  'Alert',
  'Critical',
  'Error',
  'Warning',
  'Notice',
  'Informational',
  'Debug',
] as const;

export type Priority = (typeof PRIORITIES)[number];

const byName = new Map<string, Priority>([
  ...PRIORITIES.map((priority): [string, Priority] => [priority.toLowerCase(), priority]),
  ['info', 'Informational'],
]);

/** Reads a priority as people write it (any case, `info` for Informational); undefined when it is none. */
export function parsePriority(text: string): Priority | undefined {
  return byName.get(text.toLowerCase());
}

/** 0 (Emergency) to 7 (Debug). */
export function severityOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

/** Whether `priority` is as severe as `minimum` or more. */
export function isAtLeast(priority: Priority, minimum: Priority): boolean {
  return severityOf(priority) <= severityOf(minimum);
}
