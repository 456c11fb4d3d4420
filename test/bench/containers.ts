/** Two hundred containers each of Docker, containerd and Podman that end at once: their live tests, with a larger number. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support/tocsin.ts';

const files = ['docker', 'containerd', 'podman'].map((runtime) =>
  join(ROOT, `agent/dist/test/engine/${runtime}.live.test.js`),
);
const options = ['--test', '--test-concurrency=1', '--test-reporter=spec'];
const { status } = spawnSync(
  process.execPath,
  [...options, '--test-name-pattern=short-lived', ...files],
  { stdio: 'inherit', env: { ...process.env, TOCSIN_CONTAINERS: '200' } },
);
process.exitCode = status ?? 1;
