/** A made-up notification, to try channels and templates with. */
import { randomUUID } from 'node:crypto';
import type { StoredAlert } from '@tocsin/openapi';
import type { Notification } from './channel.ts';

/** One alert like those that come, marked as a test. */
export function sampleNotification(channel: string): Notification {
  const id = randomUUID();
  const time = new Date().toISOString();
  const alert: StoredAlert = {
    id,
    time,
    rule: 'Read sensitive file untrusted',
    priority: 'Warning',
    source: 'syscall',
    output:
      'Sensitive file opened for reading (user=root command=cat /etc/shadow file=/etc/shadow)',
    output_fields: {
      'container.id': 'host',
      'fd.name': '/etc/shadow',
      'proc.cmdline': 'cat /etc/shadow',
      'proc.name': 'cat',
      'proc.pname': 'bash',
      'user.name': 'root',
    },
    hostname: 'host.example',
    tags: ['sample'],
    fingerprint: '0'.repeat(32),
    agent: 'sample',
    count: 1,
    first_seen: time,
    last_seen: time,
  };
  return {
    id: `test-${id}`,
    channel,
    time,
    alerts: [alert],
    held: { count: 0, byRule: [] },
    test: true,
  };
}
