/**
 * Posts hostile bodies to a running control plane: `POST /`, `/falco`, `/api/v2/alerts` and `/api/v2/silences`. Each is taken or refused
 * with a reason, none is an error of ours, and afterwards the ledger adds up and what was taken can be read.
 * Run: … fuzz-intake.js [RUNS] [SEED]
 */
import assert from 'node:assert/strict';
import { Random } from '../conformance/generate.ts';
import { startTestControlPlane } from '../support/control-plane.ts';

const [, , runs = '20000', seed = String(Date.now() % 1_000_000)] = process.argv;
const random = new Random(Number(seed));
const AT_ONCE = 16;

const STRINGS = [
  ...[
    '',
    'a',
    '__proto__',
    'constructor',
    'toString',
    '\0',
    '\u001b[2J',
    '\r\nBcc: x@y',
    '\ud800',
    '\u{1f512}',
  ],
  ...[
    '<!channel>',
    '{jndi:ldap://x}',
    '../../etc/passwd',
    '2026-01-05T00:00:00Z',
    '-1',
    '1e400',
    'Critical',
  ],
  ...[
    '9999-12-31T23:59:59Z',
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '(a+)+$',
    '{"a":1}',
  ],
];
const NAMES = [
  ...[
    'labels',
    'annotations',
    'startsAt',
    'endsAt',
    'generatorURL',
    'alertname',
    'severity',
    'tags',
    'rule',
    'priority',
  ],
  ...[
    'time',
    'output',
    'output_fields',
    'hostname',
    'source',
    'uuid',
    'matchers',
    'name',
    'value',
    'isRegex',
    'id',
  ],
  ...[
    'createdBy',
    'comment',
    '__proto__',
    'constructor',
    'ü',
    'a b',
    '\0',
    'fd.name',
    'k8s.ns.name',
  ],
];

function scalar(): unknown {
  switch (random.below(8)) {
    case 0:
      return random.pick([null, true, false, 0, -1, 1e308, 2 ** 53, 1.5]);
    case 1:
      return random.pick(STRINGS).repeat(random.pick([1, 2, 300, 20_000]));
    default:
      return random.pick(STRINGS);
  }
}

function anything(depth = 0): unknown {
  if (depth > 4 || random.chance(0.5)) return scalar();
  if (random.chance(0.01)) {
    const crowd = Array.from({ length: 10_000 }, (_, index) => [`n${index}`, 'x']);
    return random.chance(0.5) ? crowd : Object.fromEntries(crowd);
  }
  const count = random.below(5);
  if (random.chance(0.3)) return Array.from({ length: count }, () => anything(depth + 2));
  // JSON.parse makes __proto__ a name like others, and so it is sent.
  const pairs = Array.from(
    { length: count },
    () => `${JSON.stringify(random.pick(NAMES))}:${JSON.stringify(anything(depth + 1))}`,
  );
  return JSON.parse(`{${pairs.join(',')}}`);
}

/** Something that is nearly right. */
function nearly(good: object): unknown {
  const changed = JSON.parse(JSON.stringify(good)) as Record<string, unknown>;
  for (let changes = random.below(3); changes > 0; changes--) {
    const name = random.pick([...Object.keys(changed), ...NAMES]);
    if (random.chance(0.3)) delete changed[name];
    else
      Object.defineProperty(changed, name, {
        value: anything(1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return changed;
}

const FALCO = {
  output: 'A shell was spawned',
  priority: 'Warning',
  rule: 'Terminal shell in container',
  time: '2026-01-05T00:00:00.000000001Z',
  output_fields: { 'proc.name': 'sh', inode: 2 ** 53 },
};
const ALERT = { labels: { alertname: 'x', n: '1' }, annotations: { summary: 'y' } };
const SILENCE = () => ({
  matchers: [{ name: 'alertname', value: `v${random.below(100)}`, isRegex: random.chance(0.5) }],
  startsAt: new Date().toISOString(),
  endsAt: new Date(Date.now() + 60_000).toISOString(),
  ...{ createdBy: 'fuzz', comment: 'fuzz' },
});

function bodyOf(path: string): string {
  const many = () => Array.from({ length: 1 + random.below(3) }, () => nearly(ALERT));
  const good =
    path === '/api/v2/alerts'
      ? many
      : () => nearly(path === '/api/v2/silences' ? SILENCE() : FALCO);
  const text = JSON.stringify(random.chance(0.8) ? good() : anything()) ?? '';
  if (random.chance(0.1)) {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + random.pick(['"', '}', '\0', '[', ',', '\\']) + text.slice(at + 1);
  }
  return text;
}

const cleanups: (() => unknown)[] = [];
try {
  const plane = await startTestControlPlane(
    { after: (fn) => cleanups.push(fn) },
    {
      intake: { trust_loopback: true },
      receivers: [{ name: 'nobody' }],
      route: {
        receiver: 'nobody',
        group_by: ['alertname'],
        group_wait: '1s',
        group_interval: '1s',
      },
    },
  );
  process.stdout.write(`${runs} posts, seed ${seed}\n`);
  const answers = new Map<number, number>();
  let left = Number(runs);
  const work = async () => {
    while (left-- > 0) {
      const path = random.pick([
        '/',
        '/falco',
        '/api/v2/alerts',
        '/api/v2/alerts',
        '/api/v2/silences',
      ]);
      const body = bodyOf(path);
      const { status, body: answer } = await plane.call('POST', path, body, {
        'content-type': 'application/json',
      });
      answers.set(status, (answers.get(status) ?? 0) + 1);
      assert.ok(
        status < 500,
        `${status} ${JSON.stringify(answer)} for ${path} ${body.slice(0, 2000)}`,
      );
      if (status >= 400)
        assert.ok(
          JSON.stringify(answer).length > 10,
          `no reason for ${path} ${body.slice(0, 500)}`,
        );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  assert.equal(Object.keys(Object.prototype).length, 0);
  for (const path of [
    '/api/v2/alerts',
    '/api/v2/alerts/groups',
    '/api/v2/silences',
    '/v1/alerts',
    '/v1/groups',
  ])
    assert.equal((await plane.call('GET', path)).status, 200, path);
  const { accepted, outcomes } = (await plane.call('GET', '/v1/ledger')).body;
  const sum = Object.values(outcomes as Record<string, number>).reduce((all, one) => all + one, 0);
  assert.equal(sum, accepted);
  process.stdout.write(
    `answers ${JSON.stringify(Object.fromEntries(answers))}, ${accepted} accepted\n`,
  );
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup();
}
