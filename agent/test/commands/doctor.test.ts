import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { controlPlaneFindings } from '../../src/doctor/control-plane.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { skippedFinding } from '../../src/doctor/kernel.ts';
import { rulesFindings } from '../../src/doctor/rules.ts';
import { describeMissing } from '../../src/probe/capabilities.ts';
import { ControlPlaneStub } from '../support/control-plane-stub.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';

const missing = describeMissing();
const skipLive = missing === undefined ? false : `kernel events cannot be watched: ${missing}`;
const isRoot = process.getuid?.() === 0;

/** Runs `tocsin doctor --json` on a fresh data directory. */
async function doctor(
  args: readonly string[] = [],
  { folder = temporaryFolder(), wrapper = [] as readonly string[] } = {},
) {
  const dataDir = join(folder, 'data');
  const tocsin = new TocsinProcess(['doctor', '--json', '--data-dir', dataDir, ...args], wrapper);
  const code = await tocsin.exit();
  assert.equal(tocsin.stderr, '');
  const { ok, findings } = JSON.parse(tocsin.stdout) as { ok: boolean; findings: Finding[] };
  assert.equal(code, ok ? 0 : 1);
  for (const { check, status, detail, remedy } of findings) {
    assert.ok(check && detail, JSON.stringify(findings));
    assert.equal(status === 'ok', remedy === undefined, `${check}: ${status} and ${remedy}`);
  }
  assert.equal(ok, !findings.some(({ status }) => status === 'failed'));
  assert.ok(!existsSync(dataDir), 'looking made the data directory');
  const of = (check: string, status?: string) => {
    const found = findings.find(
      (one) => one.check === check && (status === undefined || one.status === status),
    );
    assert.ok(found, `no ${status ?? ''} finding '${check}': ${JSON.stringify(findings)}`);
    return found;
  };
  return { ok, findings, of };
}

describe('tocsin doctor', () => {
  it('loads the probe for real and finds a healthy host well', { skip: skipLive }, async () => {
    const { ok, of } = await doctor();
    assert.ok(ok);
    assert.match(of('probe', 'ok').detail, /takes the probe/);
    assert.match(of('rules').detail, /^\d+ rules are in force/);
    assert.match(of('cgroups').detail, /v1|v2|hybrid/);
    for (const check of ['processes', 'container runtimes', 'clock', 'ring buffer', 'spool'])
      of(check);
  });

  it('tells in text what is wrong, how to mend it, and the count', async () => {
    const folder = temporaryFolder();
    const config = join(folder, 'tocsin.yaml');
    writeFileSync(config, 'agent: {colour: red}\n');
    const tocsin = new TocsinProcess(['doctor', '--config', config]);
    assert.equal(await tocsin.exit(), 1);
    assert.match(tocsin.stdout, /failed .*configuration +it cannot be used\n +→ mend/);
    assert.match(tocsin.stdout, /\| .*tocsin\.yaml:1:9: unknown key 'colour'/);
    assert.match(tocsin.stdout, /\d+ ok, \d+ warnings, \d+ failed\n$/);
  });

  it('finds rules that do not load', () => {
    const rules = (content: string) => {
      const [found] = rulesFindings({
        files: [{ name: 'rules.yaml', content }],
        matching: 'first',
      });
      return found;
    };
    const broken = rules('- rule: One\n  condition: evt.type=\n');
    assert.equal(broken?.status, 'failed');
    assert.match(broken?.lines?.[0] ?? '', /rules\.yaml:\d+:\d+: error: .*One/);
    assert.equal(rules('- list: some\n  items: []\n')?.status, 'failed');
  });

  it('finds rights that are missing', { skip: !isRoot && 'only root can drop them' }, async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    const wrapper = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const { of } = await doctor([], { folder: join(folder, 'closed'), wrapper });
    assert.match(of('capabilities', 'failed').detail, /CAP_BPF and CAP_PERFMON/);
    assert.match(of('capabilities', 'warning').detail, /CAP_SYS_PTRACE/);
    assert.match(of('data directory', 'failed').detail, /permission denied|EACCES/i);
  });

  it('tells whether the control plane is there, is one, knows this host, and its time', async () => {
    const ask = async (server: string) => {
      const dataDir = join(temporaryFolder(), 'data');
      const found = await controlPlaneFindings({ server, dataDir, hasJoinToken: false });
      return (check: string) => found.find((one) => one.check === check);
    };
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    assert.match((await ask(url))('control plane')?.detail ?? '', /not as a Tocsin control plane/);
    other.close();
    other.closeAllConnections();
    await once(other, 'close');
    assert.match((await ask(url))('control plane')?.detail ?? '', /cannot be reached/);

    const stub = new ControlPlaneStub();
    stub.clockAheadSeconds = 3600;
    await stub.start();
    const of = await ask(stub.url);
    await stub.stop();
    assert.equal(of('control plane')?.status, 'ok');
    assert.match(of('enrolment')?.remedy ?? '', /tocsin enroll/);
    assert.match(of('clock skew')?.detail ?? '', /3[56]\d\d s behind the control plane's/);
  });

  it('shows the last words of the verifier on a program that is left out', () => {
    const finding = skippedFinding({
      program: 'ring_submitted',
      reason: 'the kernel refused it',
      log: 'R1 invalid mem access\nprocessed 9 insns\n',
    });
    assert.equal(finding.status, 'warning');
    assert.match(finding.detail, /ring_submitted .* io_uring are not seen/);
    assert.deepEqual(finding.lines, ['R1 invalid mem access', 'processed 9 insns']);
  });
});
