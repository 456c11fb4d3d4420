// Checks the layer rules of .dependency-cruiser.cjs and the table of ARCHITECTURE.md, and that the modules were really seen: a run over
// nothing finds nothing.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

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
const { summary, modules } = JSON.parse(output);

for (const { rule, from, to } of summary.violations) {
  process.stderr.write(`${rule.severity} ${rule.name}: ${from} -> ${to}\n`);
}
const [real, inTable] = [imports(), told()];
const untold = [...real].filter((one) => !inTable.has(one));
const gone = [...inTable].filter((one) => /\/src\/.* exists$/.test(one) && !real.has(one));
for (const one of untold) process.stderr.write(`ARCHITECTURE.md does not tell that ${one}\n`);
for (const one of gone)
  process.stderr.write(`ARCHITECTURE.md tells that ${one}, which is not so\n`);
if (summary.totalCruised < FLOOR) {
  process.stderr.write(
    `only ${summary.totalCruised} modules were seen, fewer than ${FLOOR}: the check is blind\n`,
  );
  process.exitCode = 1;
} else if (summary.error > 0 || untold.length + gone.length > 0) {
  process.exitCode = 1;
} else {
  process.stdout.write(`boundaries: ${summary.totalCruised} modules, no violation\n`);
}

/** `FOLDER imports NAME` for each folder below the src of a package and what it imports of the others; each is at least there. */
function imports() {
  const folderOf = (path) => /^(agent|controlplane)\/src\/[^/]+(?=\/)/.exec(path)?.[0];
  const found = new Set();
  for (const { source, dependencies } of modules) {
    const folder = folderOf(source);
    if (!folder) continue;
    found.add(`${folder} exists`);
    for (const { resolved } of dependencies) {
      const other = folderOf(resolved);
      if (other && other !== folder) found.add(`${folder} imports ${other.split('/').at(-1)}`);
    }
  }
  return found;
}

/** The same as the table of ARCHITECTURE.md has it; `all` is every folder of the package. */
function told() {
  const text = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| (`[^|]+) \|[^|]*\|([^|]*)\|$/gm);
  const names = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  const every = [...text.matchAll(/`(?:agent|controlplane)\/src\/(\w+)`/g)].map(([, name]) => name);
  return new Set(
    [...rows].flatMap(([, folders, others]) =>
      names(folders).flatMap((folder) => [
        `${folder} exists`,
        ...(/\ball\b/.test(others) ? every : names(others)).map(
          (name) => `${folder} imports ${name}`,
        ),
      ]),
    ),
  );
}
