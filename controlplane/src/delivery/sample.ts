/** A made-up notification, to try channels and templates with. */
import type { StoredAlert } from '@tocsin/openapi';
import type { Notification } from './channel.ts';
import { ownAlert } from './own-alert.ts';

/** One alert, like those that come unless another is given, marked as a test. */
export function sampleNotification(channel: string, alert = sampleAlert()): Notification {
  return {
    id: `test-${alert.id}`,
    channel,
    time: new Date().toISOString(),
    alerts: [alert],
    held: { count: 0, byRule: [] },
    test: true,
  };
}

const sampleAlert = (): StoredAlert =>
  ownAlert(
    {
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
      agent: 'sample',
      tags: ['sample'],
    },
    Date.now(),
  );
