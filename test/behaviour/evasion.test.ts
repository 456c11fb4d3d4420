/** Ways to act unseen, done for real: each rings a rule that names only what was done, as Falco's rules do. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { probeCapabilities } from '@tocsin/native';
import type { Alert } from '@tocsin/openapi';
import { ROOT, type Running, tocsin } from '../support/tocsin.ts';

const { problems } = probeCapabilities();
const noProbe = problems.length > 0 ? problems.map(({ what }) => what).join('; ') : false;
const UNSUPPORTED = 77;
const LIBRARY = join(ROOT, 'agent/src/rules/library');

/** Each way with the rule that must ring and what its alert must tell. */
const READ = 'Secret read';
const WAYS: Readonly<Record<string, readonly [rule: string, fields: Record<string, RegExp>]>> = {
  symlink: [READ, { 'fd.name': /\/link$/, 'fd.path.real': /\/vault\/secret$/ }],
  'folder-link': [
    READ,
    { 'fd.name': /\/folder-link\/secret$/, 'fd.path.real': /\/vault\/secret$/ },
  ],
  dots: [READ, { 'fd.name': /\/vault\/secret$/ }],
  long: [READ, { 'fd.path.real': /\/vault\/secret$/ }],
  relative: [READ, { 'fd.name': /\/vault\/secret$/ }],
  'thread-folder': [READ, { 'fd.name': /\/vault\/secret$/ }],
  'proc-root': [READ, { 'fd.name': /^\/proc\/self\/root\//, 'fd.path.real': /\/vault\/secret$/ }],
  'proc-fd': [READ, { 'fd.name': /^\/proc\/self\/fd\//, 'fd.path.real': /\/vault\/secret$/ }],
  chroot: [READ, { 'fd.name': /^\/vault\/secret$/, 'fd.path.real': /.\/vault\/secret$/ }],
  'in-root': [READ, { 'fd.path.real': /\/vault\/secret$/, 'evt.type': /^openat2$/ }],
  'tree-mount': ['Mount in pieces', { 'evt.type': /^(open_tree|move_mount)$/ }],
  'loose-tree': [
    'Secret of any folder',
    { 'fd.name': /\/vault\/secret$/, 'fd.path.real': /\/vault\/secret$/ },
  ],
  'new-mount': ['Mount in pieces', { 'fs.path.target': /\/empty$/ }],
  bind: ['Secret mounted elsewhere', { 'fs.path.target': /\/empty$/ }],
  handle: ['Secret opened by handle', { 'fd.name': /\/vault\/secret$/ }],
  'hard-link': ['Secret linked', { 'fs.path.source': /\/other-name$/ }],
  'taken-fd': ['Secret taken from another', { 'fd.name': /\/vault\/secret$/ }],
  'ia32-open': [READ, { 'evt.abi': /^ia32$/, 'evt.type': /^open$/ }],
  'ia32-connect': ['Beacon', { 'evt.abi': /^ia32$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'ia32-send': ['Beacon', { 'evt.abi': /^ia32$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'ia32-chmod': ['Privilege bit set', { 'evt.abi': /^ia32$/, 'evt.arg.mode': /S_ISUID/ }],
  'ia32-rename': ['Evidence moved', { 'fs.path.source': /\/moved-ia32$/ }],
  'ia32-unlink': ['Evidence removed', { 'evt.abi': /^ia32$/, 'fs.path.name': /\/victim-ia32$/ }],
  'ia32-exec': ['Program started', { 'proc.exepath': /\/true$/ }],
  'x32-open': ['Foreign call', { 'evt.abi': /^x32$/, 'fd.name': /\/vault\/secret$/ }],
  'ring-open': [READ, { 'evt.type': /^openat$/ }],
  'ring-poll-open': [READ, { 'evt.type': /^openat$/ }],
  'ring-open2': [READ, { 'evt.type': /^openat2$/, 'fd.name': /\/vault\/secret$/ }],
  'ring-connect': ['Beacon', { 'fd.name': /127\.0\.0\.99:9$/ }],
  'ring-send': ['Beacon', { 'evt.type': /^sendto$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'ring-sendmsg': ['Beacon', { 'evt.type': /^sendmsg$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'ring-bind': ['Beacon', { 'evt.type': /^bind$/, 'fd.name': /^127\.0\.0\.99:9$/ }],
  'ring-accept': ['Door opened', { 'fd.name': /^127\.0\.0\.1:\d+->127\.0\.0\.98:\d+$/ }],
  'ring-truncate': ['Evidence cut', { 'fs.path.name': /\/cut-ring$/ }],
  'ring-mkdir': ['Something made', { 'fs.path.name': /\/made-ring$/ }],
  'ring-symlink': ['Something made', { 'fs.path.source': /\/symlink-ring$/ }],
  'ring-attribute': ['Attribute set', { 'evt.args': /path=\S*\/program name=user\.mark/ }],
  'ring-file-attribute': ['Attribute set', { 'evt.args': /path=\S*\/program name=user\.mark/ }],
  'send-message': ['Beacon', { 'evt.type': /^sendmsg$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'send-messages': ['Beacon', { 'evt.type': /^sendmmsg$/, 'fd.name': /->127\.0\.0\.99:9$/ }],
  'fast-open': ['Beacon', { 'evt.type': /^sendto$/, 'fd.l4proto': /^tcp$/ }],
  'ring-unlink': ['Evidence removed', { 'fs.path.name': /\/victim-ring$/ }],
  'ring-rename': ['Evidence moved', { 'fs.path.source': /\/moved-ring$/ }],
  'ring-link': ['Secret linked', { 'fs.path.source': /\/linked-ring$/ }],
  memfd: ['Program started from memory', { 'proc.exepath': /memfd:x/ }],
  'memfd-at': ['Program started from memory', { 'proc.exepath': /memfd:x/ }],
  deleted: ['Deleted program started', { 'proc.exepath': /\/gone$/ }],
  tmpfile: ['Deleted program started', {}],
  'program-link': ['Program started', { 'proc.exepath': /\/true$/, 'proc.exe': /^harmless$/ }],
  daemon: ['Daemon read the secret', { 'proc.orig.aname[2]': /^evade$/ }],
  fchmodat2: ['Privilege bit set', { 'evt.type': /^fchmodat2$/, 'evt.arg.mode': /S_ISUID/ }],
  traced: ['Traced', { 'evt.arg.request': /^PTRACE_ATTACH$/ }],
  seized: ['Traced', { 'evt.arg.request': /^PTRACE_SEIZE$/ }],
  'trace-me': ['Traced', { 'evt.arg.request': /^PTRACE_TRACEME$/ }],
  written: ['Memory of another process written', {}],
  'init-module': ['Module', { 'evt.type': /^init_module$/, 'evt.res': /^E/ }],
  'finit-module': ['Module', { 'evt.type': /^finit_module$/, 'fd.name': /\/vault\/secret$/ }],
  kexec: ['Module', { 'evt.type': /^kexec_load$/, 'evt.res': /^E/ }],
};

const rulesFor = (folder: string): string => {
  const shown = [...new Set(Object.values(WAYS).flatMap(([, fields]) => Object.keys(fields)))];
  const output = ['proc.cmdline', 'proc.pcmdline', ...shown].map((field) => `%${field}`).join(' ');
  const rule = (name: string, condition: string) =>
    `- rule: ${name}\n  desc: test\n  condition: ${condition}\n  output: "${output}"\n  priority: WARNING\n`;
  const secret = `${folder}/vault/secret`;
  const opened = 'evt.type in (open, openat, openat2) and fd.typechar=f and fd.num>=0';
  return [
    rule(READ, `${opened} and evt.is_open_read=true and fd.name=${secret}`),
    rule('Secret of any folder', 'evt.type=openat and fd.name endswith /vault/secret'),
    rule('Secret opened by handle', `evt.type=open_by_handle_at and fd.name=${secret}`),
    rule('Secret linked', `evt.type in (link, linkat) and fs.path.target=${secret}`),
    rule('Secret taken from another', `evt.type=pidfd_getfd and fd.name=${secret}`),
    rule('Secret mounted elsewhere', `evt.type=mount and fs.path.source=${folder}/vault`),
    rule(
      'Mount in pieces',
      `evt.type in (fsopen, fsmount, open_tree, move_mount) and evt.rawres >= 0`,
    ),
    rule(
      'Beacon',
      'evt.type in (connect, bind, sendto, sendmsg, sendmmsg) and fd.sip=127.0.0.99 and fd.sport=9',
    ),
    rule('Door opened', 'evt.type in (accept, accept4) and evt.rawres >= 0 and fd.sip=127.0.0.98'),
    rule(
      'Evidence cut',
      `evt.type in (truncate, ftruncate) and fs.path.name startswith ${folder}/cut`,
    ),
    rule(
      'Something made',
      `(evt.type=mkdirat and fs.path.name startswith ${folder}/made) or
      (evt.type=symlinkat and fs.path.source startswith ${folder}/symlink)`,
    ),
    rule(
      'Evidence removed',
      `evt.type in (unlink, unlinkat) and fs.path.name startswith ${folder}/victim`,
    ),
    rule(
      'Evidence moved',
      `evt.type in (rename, renameat, renameat2) and fs.path.source startswith ${folder}/moved`,
    ),
    rule('Attribute set', 'evt.type in (setxattr, fsetxattr) and evt.arg.name=user.mark'),
    rule('Foreign call', 'evt.type in (open, openat, openat2) and evt.abi=x32'),
    rule('Program started', 'evt.type in (execve, execveat) and proc.exepath endswith /true'),
    rule(
      'Daemon read the secret',
      `${opened} and fd.name=${secret} and proc.orig.aname[1]=launcher and not proc.aname[1]=launcher`,
    ),
    rule(
      'Privilege bit set',
      'evt.type in (chmod, fchmod, fchmodat, fchmodat2) and evt.arg.mode contains S_ISUID',
    ),
    rule(
      'Traced',
      'evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_TRACEME)',
    ),
    rule('Module', 'evt.type in (init_module, finit_module, kexec_load, kexec_file_load)'),
    rule('End', `evt.type in (open, openat, openat2) and fd.name=${folder}/end`),
  ].join('');
};

describe('an evasion', { skip: noProbe }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-evasion-'));
  const evade = join(folder, 'evade');
  let agent: Running | undefined;
  let raced = 0;
  const codes = new Map<string, number | null>();
  const said = new Map<string, string>();

  /** Not waited for in one piece: who does not read what the agent tells makes it lose some. */
  const run = async (way: string) => {
    const child = spawn(evade, [way, folder, `way=${way}`], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { stdout, stderr, status };
  };

  before(async () => {
    const source = join(ROOT, 'test/behaviour/evasion.c');
    // Static and at low addresses, as 32-bit calls need.
    execFileSync('cc', ['-O1', '-static', '-no-pie', '-pthread', '-w', '-o', evade, source]);
    mkdirSync(join(folder, 'vault'));
    mkdirSync(join(folder, 'empty'));
    for (const name of [
      'vault/secret',
      'vault/public',
      'victim-ia32',
      'victim-ring',
      'moved-ring',
      'moved-ia32',
      'program',
    ])
      writeFileSync(join(folder, name), name);
    symlinkSync(join(folder, 'vault/secret'), join(folder, 'link'));
    symlinkSync(join(folder, 'vault'), join(folder, 'folder-link'));
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, rulesFor(folder));
    agent = tocsin([
      'agent',
      ...['--rules', LIBRARY, '--rules', rules, '--rule-matching', 'all'],
      ...['--output', 'stdout-json', '--data-dir', join(folder, 'data')],
    ]);
    await agent.line(/^ready$/m);
    for (const way of Object.keys(WAYS)) {
      const { status, stderr } = await run(way);
      codes.set(way, status);
      said.set(way, stderr);
    }
    raced = Number((await run('race')).stdout);
    writeFileSync(join(folder, 'end'), '');
    await agent.line(/"rule":"End"/);
  });

  after(async () => {
    await agent?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const alertsOf = (way: string): Alert[] =>
    (agent?.stdout() ?? '')
      .split('\n')
      .filter((line) => line.includes(`way=${way}`))
      .map((line) => JSON.parse(line) as Alert)
      .filter(
        ({ output_fields: fields }) =>
          String(fields['proc.cmdline']).endsWith(`way=${way}`) ||
          String(fields['proc.pcmdline']).endsWith(`way=${way}`),
      );

  for (const [way, [rule, fields]] of Object.entries(WAYS)) {
    test(`${way} rings '${rule}'`, (context) => {
      const code = codes.get(way);
      if (code === UNSUPPORTED) return context.skip(`not on this kernel: ${said.get(way)}`);
      assert.equal(code, 0, said.get(way));
      const alerts = alertsOf(way);
      const found = alerts.filter((alert) => alert.rule === rule);
      const fits = ({ output_fields: told }: Alert) =>
        Object.entries(fields).every(([field, pattern]) => pattern.test(String(told[field] ?? '')));
      assert.ok(
        found.some(fits),
        `alerts: ${JSON.stringify(
          alerts.map((alert) => [alert.rule, alert.output_fields]),
          null,
          1,
        )}`,
      );
    });
  }

  test('a path that is exchanged during the call tells what was opened, each time', () => {
    const told = alertsOf('race').filter(({ rule }) => rule === READ);
    const real = told.filter(({ output_fields: fields }) =>
      String(fields['fd.path.real']).endsWith('/vault/secret'),
    );
    assert.ok(raced > 0);
    assert.equal(real.length, raced);
  });
});
