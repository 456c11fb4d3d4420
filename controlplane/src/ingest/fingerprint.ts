import { hash } from 'node:crypto';
import type { Alert } from '@tocsin/openapi';
import type { Labels } from '../routing/types.ts';

/**
 * The output fields that tell what an alert is about. Others never count: what differs between two occurrences of one thing (time,
 * process and thread ids, ports, durations, event numbers) would make each of them its own alert.
 */
const IDENTITY_FIELDS = [
  'container.id',
  'container.image.repository',
  'container.name',
  'evt.type',
  'fd.cip',
  'fd.name',
  'fd.sip',
  'fs.path.name',
  'fs.path.source',
  'fs.path.target',
  'group.name',
  'k8s.ns.name',
  'k8s.pod.name',
  'proc.aname[2]',
  'proc.cmdline',
  'proc.exepath',
  'proc.name',
  'proc.pexepath',
  'proc.pname',
  'user.name',
  'user.uid',
] as const;

/** `10.0.0.1:45454->1.2.3.4:443`: the name of a socket, whose ports come and go. */
const SOCKET_NAME = /^(\S+):\d{1,5}->(\S+):\d{1,5}$/;

/**
 * Identity of an alert: 128 bits as hexadecimal. Alerts with the same one are the same thing happening again. The hash is a
 * cryptographic one because who chooses process names must not be able to make another alert vanish into theirs. For the same reason
 * the agent counts, which alone is proven, and the priority, which decides who is told.
 */
export function fingerprintOf(
  alert: Pick<Alert, 'rule' | 'source' | 'priority' | 'hostname' | 'output_fields'>,
  agent: string,
): string {
  // Every part is led by its length, so that no two lists of parts give the same text.
  let text = part(agent) + part(alert.rule) + part(alert.source) + part(alert.hostname);
  text += part(alert.priority);
  const fields = alert.output_fields;
  for (const name of IDENTITY_FIELDS) {
    // No name without a dot is here, so nothing that all objects inherit.
    const value = fields[name];
    if (value === null || value === undefined) continue;
    text += part(name) + part(name === 'fd.name' ? withoutPorts(String(value)) : stable(value));
  }
  return hash('sha256', text, 'hex').slice(0, 32);
}

/** Identity of an alert that came with labels: all of them count. With `said`, that too: what is said anew is kept anew. */
export function fingerprintOfLabels(labels: Labels, agent: string, said: Labels = {}): string {
  const text = [labels, said].map((pairs) => {
    const names = Object.keys(pairs).sort();
    return part(names.map((name) => part(name) + part(pairs[name] ?? '')).join(''));
  });
  return hash('sha256', part(agent) + text.join(''), 'hex').slice(0, 32);
}

const part = (text: string) => `${text.length}:${text}`;

function stable(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : `${typeof value} ${value}`;
}

function withoutPorts(name: string): string {
  const match = name.includes('->') ? SOCKET_NAME.exec(name) : null;
  return match ? `${match[1]}->${match[2]}` : name;
}
