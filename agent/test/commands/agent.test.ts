import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describeMissing } from '../../src/probe/capabilities.ts';
import { ControlPlaneStub } from '../support/control-plane-stub.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';
import { waitFor } from '../support/wait.ts';

const missing = describeMissing();
const skipUnprivileged =
  process.getuid?.() === 0 ? false : 'only root can start a process with fewer rights';
const skipLive = missing === undefined ? false : `kernel events cannot be watched: ${missing}`;

const rule = (name: string, condition: string): string => `
- rule: ${name}
  desc: test
  condition: ${condition}
  output: seen %fd.name by %proc.name
  priority: WARNING
`;
const opens = (path: string): string =>
  `evt.type in (open, openat, openat2) and evt.is_open_read=true and fd.name=${path}`;

/** Nobody reads half of it. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** A folder with a rule file that rings when `target` is read. */
function makeFolder(): { folder: string; rules: string; target: string; args: string[] } {
  const folder = temporaryFolder();
  const rules = join(folder, 'rules.yaml');
  const target = join(folder, 'secret');
  writeFileSync(target, 'x');
  writeFileSync(rules, rule('Secret read', opens(target)));
  return { folder, rules, target, args: ['agent', '--data-dir', join(folder, 'data')] };
}

describe('tocsin agent', () => {
  it('tells every problem of the configuration with its place', async () => {
    const { folder, args } = makeFolder();
    const config = join(folder, 'tocsin.yaml');
    writeFileSync(config, 'agent:\n  rule_matching: some\n  colour: red\n');
    const tocsin = new TocsinProcess([...args, '--config', config]);
    assert.equal(await tocsin.exit(), 78);
    assert.match(tocsin.stderr, /tocsin\.yaml:2:3: .*rule_matching must be one of first, all/);
    assert.match(tocsin.stderr, /tocsin\.yaml:3:3: unknown key 'colour'/);
  });

  it('tells what is wrong with selection, outputs, static fields and metrics', async () => {
    const { folder, rules, args } = makeFolder();
    const config = join(folder, 'tocsin.yaml');
    writeFileSync(
      config,
      'agent:\n  metrics: nowhere\n  static_fields: {a-b: x, c: y}\n  append_output:\n' +
        '    - extra_output: "%proc.nme"\n' +
        '      extra_fields: [static.c, static.c, proc.pid x, {who/what: "100%"}]\n',
    );
    const tocsin = new TocsinProcess([...args, '--rules', rules, '--config', config]);
    assert.equal(await tocsin.exit(), 78);
    for (const problem of [
      "2:3: agent.metrics must be host:port such as 127.0.0.1:9477, got 'nowhere'",
      "3:19: 'a-b' cannot be the name of a field: letters, digits, _ and dots only",
      "5:7: invalid formatting token proc.nme (did you mean 'proc.name'?)",
      "6:32: 'static.c' is there twice",
      "6:42: 'proc.pid x' is not a field",
      '6:55: invalid formatting syntax: formatting cannot end with a %',
    ])
      assert.ok(tocsin.stderr.includes(`${config}:${problem}\n`), `${problem}: ${tocsin.stderr}`);
  });

  for (const [name, extra, code, message] of [
    ['a rule file that is missing', ['--rules', '/no/such.yaml'], 1, /no such file/],
    [
      'an output it does not know',
      ['--output', 'pigeon'],
      2,
      /stdout, stdout-json, syslog or file/,
    ],
    ['a server that is no URL', ['--server', 'somewhere'], 78, /http:\/\/ or https:\/\//],
  ] as const) {
    it(`refuses ${name}`, async () => {
      const tocsin = new TocsinProcess([...makeFolder().args, ...extra]);
      assert.equal(await tocsin.exit(), code);
      assert.match(tocsin.stderr, message);
    });
  }

  it('says what is missing without privileges', { skip: skipUnprivileged }, async () => {
    const { folder, rules } = makeFolder();
    chmodSync(folder, 0o755);
    const bare = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];
    const tocsin = new TocsinProcess(['agent', '--data-dir', join(folder, 'd'), '-r', rules], bare);
    assert.equal(await tocsin.exit(), 3);
    assert.match(tocsin.stderr, /lacks CAP_BPF and CAP_PERFMON; run it as root/);
    const trace = new TocsinProcess(['trace', 'evt.type=open'], bare);
    assert.equal(await trace.exit(), 3);
    assert.match(trace.stderr, /^tocsin trace: .*lacks CAP_BPF and CAP_PERFMON/);
  });
});

describe('tocsin agent on this kernel', { skip: skipLive }, () => {
  it('tells every problem of the rules with file, line and column', async () => {
    const { folder, args } = makeFolder();
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, rule('One', 'evt.type=') + rule('Two', 'no.such.field=1'));
    const tocsin = new TocsinProcess([...args, '--rules', broken]);
    assert.equal(await tocsin.exit(), 1);
    assert.match(tocsin.stderr, /broken\.yaml:4:\d+: error: .*One/);
    assert.match(tocsin.stderr, /broken\.yaml:10:\d+: error: .*Two.*no\.such\.field/);
  });

  it('writes an alert a line and ends cleanly', async () => {
    const { rules, target, args } = makeFolder();
    const tocsin = new TocsinProcess([...args, '--rules', rules]);
    await tocsin.ready();
    readFileSync(target);
    await waitFor('the alert', () => tocsin.lines.some((line) => line.rule === 'Secret read'));
    const alert = tocsin.lines.find((line) => line.rule === 'Secret read');
    assert.equal(alert?.output_fields['fd.name'], target);
    assert.equal(alert?.output_fields['container.id'], 'host', 'whatever the rule shows');
    assert.match(alert?.output ?? '', /^\d\d:\d\d:\d\d\.\d{9}: Warning seen .*secret by /);
    tocsin.kill('SIGTERM');
    assert.equal(await tocsin.exit(), 0);
  });

  it('takes several files and folders, in order', async () => {
    const { folder, rules, target, args } = makeFolder();
    const more = join(folder, 'more');
    mkdirSync(more);
    writeFileSync(join(more, 'b.yml'), rule('Second', opens(target)));
    writeFileSync(join(more, 'a.yaml'), rule('First', opens(target)));
    writeFileSync(join(more, 'readme.txt'), 'no rules');
    const all = ['--rule-matching', 'all', '--output', 'stdout-json'];
    const tocsin = new TocsinProcess([...args, '--rules', more, rules, ...all]);
    await tocsin.ready();
    readFileSync(target);
    const names = () =>
      tocsin.lines.map((line) => line.rule).filter((name) => !/internal/.test(name));
    await waitFor('three alerts', () => names().length >= 3);
    assert.deepEqual(names(), ['First', 'Second', 'Secret read']);
    tocsin.kill('SIGINT');
    assert.equal(await tocsin.exit(), 0);
  });

  it('takes changed rules, and keeps the old ones when the new are broken', async () => {
    const { rules, target, args } = makeFolder();
    const tocsin = new TocsinProcess([...args, '--rules', rules]);
    await tocsin.ready();
    replaceFile(rules, rule('Broken', 'evt.type='));
    await waitFor('the refusal', () => /old rules stay in force/.test(tocsin.stderr));
    readFileSync(target);
    await waitFor('the old rule', () => tocsin.lines.some((line) => line.rule === 'Secret read'));
    replaceFile(rules, rule('New name', opens(target)));
    tocsin.kill('SIGHUP');
    await waitFor('the reload', () => /rules reloaded/.test(tocsin.stderr));
    readFileSync(target);
    await waitFor('the new rule', () => tocsin.lines.some((line) => line.rule === 'New name'));
    tocsin.kill('SIGTERM');
    assert.equal(await tocsin.exit(), 0);
  });

  it('takes a changed configuration, keeps the rules when it is broken, and serves its metrics', async () => {
    const { folder, rules, target, args } = makeFolder();
    const config = join(folder, 'tocsin.yaml');
    const configure = (...lines: string[]) => {
      const agent = [`rules: [${rules}]`, 'metrics: 127.0.0.1:0', ...lines];
      replaceFile(
        config,
        ['log_level: info', 'agent:', ...agent.map((line) => `  ${line}`)].join('\n'),
      );
    };
    configure();
    const tocsin = new TocsinProcess([...args, '--config', config]);
    await tocsin.ready();
    const url = /"url":"(http:[^"]+)"/.exec(tocsin.stderr)?.[1];
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    assert.equal((await fetch(`${url}/healthz`)).status, 200);

    configure('rule_selection: [{disable: {rule: Secret*}}, {enable: {colour: red}}]');
    await waitFor('the refusal', () => /old rules stay in force/.test(tocsin.stderr));
    assert.match(tocsin.stderr, /tocsin\.yaml:5:\d+: unknown key 'colour'; known here: rule, tag/);
    configure(
      'append_output: [{match: {rule: Secret read}, extra_output: in %static.site}]',
      'static_fields: {site: here}',
      'time_format_iso_8601: true',
    );
    await waitFor('the reload', () => /rules reloaded/.test(tocsin.stderr));
    assert.match(tocsin.stderr, /^agent\.time_format_iso_8601 is taken at the next start$/m);
    readFileSync(target);
    const rung = () => tocsin.lines.filter((line) => line.rule === 'Secret read');
    await waitFor('the alert', () => rung().length > 0);
    assert.match(rung()[0]?.output ?? '', / in here$/);
    assert.equal(rung()[0]?.output_fields['static.site'], 'here');

    configure('rule_selection: [{disable: {rule: "Secret*"}}]');
    await waitFor(
      'the second reload',
      () => (tocsin.stderr.match(/rules reloaded/g) ?? []).length === 2,
    );
    readFileSync(target);
    const text = await metrics();
    assert.match(text, /^tocsin_rule_reloads_total\{result="accepted"\} 2$/m);
    assert.match(text, /^tocsin_rule_reloads_total\{result="refused"\} 1$/m);
    tocsin.kill('SIGTERM');
    assert.equal(await tocsin.exit(), 0);
    assert.equal(rung().length, 1, 'a rule that is switched off does not ring');
  });

  it('tells what an output lost that nobody empties', async () => {
    const { folder, rules, args } = makeFolder();
    writeFileSync(
      rules,
      rule('Flood', `evt.type = mkdir and evt.arg.path startswith ${folder}`).replace(
        'output: seen',
        `output: ${'x'.repeat(10_000)}`,
      ),
    );
    const config = join(folder, 'tocsin.yaml');
    writeFileSync(config, "agent:\n  outputs: [{ program: [sleep, '600'] }, stdout-json]\n");
    const tocsin = new TocsinProcess([...args, '--config', config, '--rules', rules]);
    await tocsin.ready();
    for (let index = 0; index < 4000; index++) mkdirSync(join(folder, `${index}`));
    const told = /\d+ alerts were lost: the output program sleep does not keep up/;
    await waitFor('the log line', () => told.test(tocsin.stderr), 30_000);
    const isLoss = ({ rule }: { rule: string }) => rule === 'Tocsin internal: alerts lost';
    await waitFor('the alert', () => tocsin.lines.some(isLoss), 30_000);
    assert.match(tocsin.lines.find(isLoss)?.output ?? '', told);
    tocsin.kill('SIGTERM');
    assert.equal(await tocsin.exit(), 0);
  });

  it('ends when nobody reads its output any more', async () => {
    const { rules, target, args } = makeFolder();
    const tocsin = new TocsinProcess([...args, '--rules', rules]);
    await tocsin.ready();
    tocsin.closeStdout();
    readFileSync(target);
    assert.equal(await tocsin.exit(), 0);
  });

  it('enrols, survives kill -9, and delivers what it saw while the control plane was away', async (t) => {
    const { folder, rules, target, args } = makeFolder();
    const plane = new ControlPlaneStub();
    t.after(() => plane.stop());
    const token = 'join-token-0123456789';
    plane.joinTokens.add(token);
    await plane.start();
    const { port, url } = plane;
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    const more = ['--rules', rules, '--server', url, '--join-token-file', tokenFile];
    const first = new TocsinProcess([...args, ...more, '--output', 'stdout-json']);
    await first.ready();
    await waitFor('the enrolment', () => plane.enrolments.length === 1);
    rmSync(tokenFile);
    await plane.stop();
    for (let n = 0; n < 5; n++) readFileSync(target);
    const seen = () => first.lines.filter((line) => line.rule === 'Secret read').length;
    await waitFor('five alerts', () => seen() === 5);
    first.kill('SIGKILL');
    await first.exit();
    await plane.start(port);
    const second = new TocsinProcess([...args, ...more]);
    await second.ready();
    const rungs = () =>
      plane.accepted
        .flatMap(({ alerts }) => alerts)
        .filter((alert) => alert.rule === 'Secret read');
    await waitFor('all alerts', () => rungs().length >= 5);
    const uuids = rungs().map(({ uuid }) => uuid);
    assert.equal(new Set(uuids).size, uuids.length);
    second.kill('SIGTERM');
    assert.equal(await second.exit(), 0);
  });
});
