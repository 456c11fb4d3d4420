// Checks the layer rules of .dependency-cruiser.cjs, and that the modules were really seen: a run over nothing finds nothing.
import { execFileSync } from 'node:child_process';

const FLOOR = 60;
const folders = ['openapi/src', 'native/lib', 'agent/src', 'controlplane/src'];
const output = (() => {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] };
  try {
    return execFileSync('npx', ['depcruise', '--output-type', 'json', ...folders], options);
  } catch (error) {
    return error.stdout; // Violations make it exit with their number.
  }
})();
const { summary } = JSON.parse(output);

for (const { rule, from, to } of summary.violations) {
  process.stderr.write(`${rule.severity} ${rule.name}: ${from} -> ${to}\n`);
}
if (summary.totalCruised < FLOOR) {
  process.stderr.write(
    `only ${summary.totalCruised} modules were seen, fewer than ${FLOOR}: the check is blind\n`,
  );
  process.exitCode = 1;
} else if (summary.error > 0) {
  process.exitCode = 1;
} else {
  process.stdout.write(`boundaries: ${summary.totalCruised} modules, no violation\n`);
}
