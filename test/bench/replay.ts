/** How many events a second a replay judges, on one core: a recording of this host with many opens, execs and connections. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, tocsin } from '../support/tocsin.ts';
import { OFFICIAL } from './official-rules.ts';
import { median, report } from './report.ts';

const ROUNDS = 3;
const WORK = `for i in $(seq 200); do /bin/true; done
find /usr -type f -print0 | head -z -n 20000 | xargs -0 cat > /dev/null
for i in $(seq 1000); do exec 3<>/dev/tcp/127.0.0.1/9 || true; done`;

const home = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
const capture = join(home, 'host.capture');

/** Events a second, and all events of the capture. */
function replay(rules: readonly string[]): { rate: number; events: number } {
  const args = rules.length > 0 ? ['--rules', ...rules] : [];
  const program = join(ROOT, 'tocsin.js');
  const { stderr } = spawnSync(process.execPath, [program, 'replay', capture, ...args], {
    encoding: 'utf8',
    cwd: home,
    maxBuffer: 1 << 28,
  });
  const found = /^(\d+) events, .* (\d+) events\/s$/m.exec(stderr);
  if (found === null) throw new Error(stderr);
  return { events: Number(found[1]), rate: Number(found[2]) };
}

try {
  const recorder = tocsin(['record', capture]);
  await recorder.line(/^ready$/m);
  execFileSync('bash', ['-c', WORK], { stdio: 'ignore' });
  await recorder.stop();
  const sets = [
    ['our own packs', []],
    ...(OFFICIAL.every((file) => existsSync(file)) ? [['the official rules', OFFICIAL]] : []),
  ] as const;
  const rows = sets.map(([name, rules]): [string, string, string] => {
    const rounds = Array.from({ length: ROUNDS }, () => replay(rules as readonly string[]));
    const rate = Math.round(median(rounds.map((round) => round.rate)));
    return [name as string, `${rate} events/s`, ''];
  });
  const { events } = replay([]);
  const { size } = statSync(capture);
  report('replay of a recording', [
    ['events recorded', String(events), ''],
    ['bytes an event, compressed', (size / events).toFixed(1), ''],
    ...rows,
  ]);
} finally {
  rmSync(home, { recursive: true });
}
