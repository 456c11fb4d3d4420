import { setTimeout } from 'node:timers/promises';
import type { StoredAlert } from '@tocsin/openapi';
import type { Notification, Outcome } from '../../src/delivery/channel.ts';

/** What attackers put into the names of processes and files. */
export const HOSTILE = [
  'x\r\nBcc: x@y',
  '<!channel> <@U1> <https://evil|click> *b* _i_ ~s~ `c` :bell: @here',
  '</td><script>alert(1)</script><img src=x onerror=alert(1)>',
  '\u001b]0;owned\u0007\u001b[2J\u009b31m',
  'nul\u0000byte \u202egnp.exe \u2028 line',
  '\u0024{7*7} {{7*7}} %s $(reboot) `reboot`',
  'lone \ud800 half',
];

export function sampleAlert(change: Partial<StoredAlert> = {}): StoredAlert {
  return {
    id: '11111111-2222-4333-8444-555555555555',
    time: '2026-11-20T10:00:00.123456789Z',
    rule: 'Read sensitive file untrusted',
    priority: 'Warning',
    source: 'syscall',
    output:
      'Sensitive file opened for reading (file=/etc/shadow user=root command=cat /etc/shadow)',
    output_fields: {
      'container.id': '3f2a9b1c0d4e',
      'container.name': 'web',
      'container.image.repository': 'docker.io/library/nginx',
      'fd.name': '/etc/shadow',
      'proc.cmdline': 'cat /etc/shadow',
      'proc.name': 'cat',
      'proc.pname': 'bash',
      'user.name': 'root',
      'evt.time': 1795168800123456,
      'k8s.pod.name': null,
    },
    hostname: 'node-1',
    tags: ['filesystem', 'mitre_credential_access'],
    fingerprint: 'f00d',
    agent: 'agent-1',
    count: 3,
    first_seen: '2026-11-20T10:00:00.123Z',
    last_seen: '2026-11-20T10:01:00.000Z',
    ...change,
  };
}

/** An alert whose every text is hostile. */
export function hostileAlert(): StoredAlert {
  const text = HOSTILE.join(' ');
  return sampleAlert({
    rule: text.slice(0, 512),
    output: text,
    hostname: text.slice(0, 255),
    tags: HOSTILE,
    output_fields: {
      'proc.cmdline': text,
      'proc.name': text,
      'proc.pname': text,
      'user.name': text,
      'fd.name': text,
      'container.name': text,
      'container.image.repository': text,
      'k8s.pod.name': text,
      'k8s.ns.name': text,
    },
  });
}

export function sampleNotification(change: Partial<Notification> = {}): Notification {
  return {
    id: 'ntf_01',
    channel: 'oncall',
    time: '2026-11-20T10:00:01.000Z',
    alerts: [sampleAlert()],
    held: { count: 0, byRule: [] },
    test: false,
    ...change,
  };
}

/** What a group says: so many alerts that fire and so many that no longer do. */
export function groupNotification(counts: { firing: number; resolved: number }): Notification {
  const start = Date.parse('2026-11-20T10:00:00Z');
  const told = (status: 'firing' | 'resolved', position: number) => ({
    labels: {
      cluster: 'a',
      rule: 'Read sensitive file untrusted',
      hostname: `${status}-${position}`,
    },
    starts_at: start,
    ends_at: status === 'firing' ? null : start + 300_000,
    count: 3,
    last_seen: start + 60_000,
    samples: [],
  });
  const firing = Array.from({ length: counts.firing }, (_, position) => told('firing', position));
  const resolved = Array.from({ length: counts.resolved }, (_, position) =>
    told('resolved', position),
  );
  const shown = [...firing, ...resolved].map(({ labels, ends_at }) => ({
    ...sampleAlert({ hostname: labels.hostname }),
    status: ends_at === null ? ('firing' as const) : ('resolved' as const),
  }));
  return sampleNotification({
    alerts: shown,
    group: {
      key: '{}:{cluster="a"}',
      route: '0',
      labels: { cluster: 'a' },
      reason: counts.firing > 0 ? 'new alerts' : 'resolved',
      firing,
      resolved,
      counts: { ...counts, held: 0, seen: 3 * shown.length },
    },
  });
}

/** A signal that never fires. */
export const forever = (): { signal: AbortSignal } => ({ signal: new AbortController().signal });

/** `ok`, or the result and its reason. */
export const briefly = (outcome: Outcome): string =>
  outcome.result === 'ok' ? 'ok' : `${outcome.result} ${outcome.reason}`;

/** Polls until a condition holds; fails after `limitMs`. */
export async function waitFor(
  holds: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`did not come true within ${limitMs} ms: ${holds}`);
    await setTimeout(20);
  }
}
