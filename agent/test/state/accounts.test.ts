import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AccountFiles } from '../../src/state/accounts.ts';
import { Container } from '../../src/state/container.ts';
import { eventOf, open } from '../events/records.ts';

describe('AccountFiles', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-accounts-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const root = (name: string, passwd?: string, group = ''): string => {
    mkdirSync(join(folder, name, 'etc'), { recursive: true });
    if (passwd !== undefined) writeFileSync(join(folder, name, 'etc/passwd'), passwd);
    writeFileSync(join(folder, name, 'etc/group'), group);
    return join(folder, name);
  };
  const eventIn = (container?: Container) => {
    const event = eventOf(open('/x'));
    if (container !== undefined) event.container = container;
    return event;
  };

  it('takes names from the root the event happened in', () => {
    const files = new AccountFiles({
      hostRoot: root(
        'host',
        'root:x:0:0:root:/root:/bin/bash\nweb:x:33:33::/srv:/bin/sh\n',
        'staff:x:50:a,b\n',
      ),
      rootOf: () => root('inside', 'app:x:33:33::/app:/bin/false\n', 'crew:x:50:\n'),
    });
    assert.deepEqual(files.user(33, eventIn()), { name: 'web', home: '/srv', shell: '/bin/sh' });
    assert.equal(files.group(50, eventIn()), 'staff');
    const inside = new Container('docker', 'abc');
    assert.equal(files.user(33, eventIn(inside))?.name, 'app');
    assert.equal(files.group(50, eventIn(inside)), 'crew');
    assert.equal(files.user(0, eventIn(inside)), undefined);
  });

  it('does not take a root without names as the word of the whole container', () => {
    mkdirSync(join(folder, 'bare'));
    const roots = [join(folder, 'bare'), root('named', 'a:x:1:1:::\n')];
    const files = new AccountFiles({ rootOf: () => roots.shift() ?? '' });
    const event = eventIn(new Container('docker', 'bare'));
    assert.equal(files.user(1, event), undefined);
    assert.equal(files.user(1, event)?.name, 'a');
  });

  it('sees changes after a while, and keeps what it knows when the process has gone', () => {
    let now = 0;
    const place = root('changing', 'a:x:1:1:::\n');
    let gone = false;
    const files = new AccountFiles({
      rootOf: () => (gone ? join(folder, 'gone') : place),
      freshMs: 100,
      now: () => now,
    });
    const event = eventIn(new Container('docker', 'def'));
    assert.equal(files.user(1, event)?.name, 'a');
    writeFileSync(join(place, 'etc/passwd'), 'bb:x:1:1:::\n');
    utimesSync(join(place, 'etc/passwd'), 1, 1);
    assert.equal(files.user(1, event)?.name, 'a');
    now = 200;
    assert.equal(files.user(1, event)?.name, 'bb');
    gone = true;
    now = 400;
    assert.equal(files.user(1, event)?.name, 'bb');
  });

  it('takes no names of the host from what enters a container, and those of a container from its root when a process has gone', () => {
    const host = root('outer', 'alice:x:1:1:::\n');
    const inner = root('inner', 'app:x:1:1:::\n');
    for (const own of [host, join(folder, 'gone')]) {
      const files = new AccountFiles({ hostRoot: host, rootOf: () => own });
      const container = new Container('docker', 'entered');
      container.facts = { root: inner };
      assert.equal(files.user(1, eventIn(container))?.name, 'app', own);
      // Where nothing tells of another root, it is its own.
      const name = files.user(1, eventIn(new Container('docker', 'unknown')))?.name;
      assert.equal(name, own === host ? 'alice' : undefined);
    }
  });

  it('does not take a process that has gone for a container without names', () => {
    const place = root('short-lived', 'a:x:1:1:::\n');
    let gone = true;
    const files = new AccountFiles({ rootOf: () => (gone ? join(folder, 'gone') : place) });
    const event = eventIn(new Container('docker', 'short-lived'));
    assert.equal(files.user(1, event), undefined);
    gone = false;
    assert.equal(files.user(1, event)?.name, 'a');
  });

  it('does not take what a process shows while it ends for a container without names', async () => {
    for (let index = 0; index < 200; index++) {
      const files = new AccountFiles({ freshMs: 0 });
      const child = spawn('/bin/true', { stdio: 'ignore' });
      const event = eventIn(new Container('docker', 'ending'));
      event.tgid = child.pid ?? 0;
      while (existsSync(`/proc/${child.pid}/root/etc`)) files.user(0, event);
      if (files.size > 0) assert.equal(files.user(0, event)?.name, 'root', `process ${index}`);
      if (child.exitCode === null) await once(child, 'exit');
    }
  });

  const hostile: [string, (place: string) => void][] = [
    ['a fifo', (place) => execFileSync('mkfifo', [join(place, 'etc/passwd')])],
    ['a link', (place) => symlinkSync('/etc/passwd', join(place, 'etc/passwd'))],
    ['a folder', (place) => mkdirSync(join(place, 'etc/passwd'))],
    [
      'nonsense',
      (place) => writeFileSync(join(place, 'etc/passwd'), '\xff\n::::\nx:y:z\n-1:x:-1:1\n'),
    ],
    ['a huge file', (place) => writeFileSync(join(place, 'etc/passwd'), 'x'.repeat(1 << 20))],
  ];
  for (const [name, make] of hostile) {
    it(`takes no name from ${name}`, () => {
      const place = root(`hostile-${name}`);
      make(place);
      const files = new AccountFiles({ rootOf: () => place });
      assert.equal(files.user(0, eventIn(new Container('docker', name))), undefined);
    });
  }

  it('takes no name from a device: opening one can do harm', (t) => {
    const backing = join(folder, 'backing');
    writeFileSync(backing, 'root:x:0:0::/:/bin/sh\n'.padEnd(4096, '\n'));
    const { status, stdout } = spawnSync('losetup', ['--find', '--show', backing]);
    if (status !== 0) return t.skip('no loop device to be had');
    const device = stdout.toString().trim();
    try {
      const place = root('device');
      // A container's root may make nodes; the devices of its cgroup do not bind the agent.
      execFileSync('cp', ['-a', device, join(place, 'etc/passwd')]);
      const files = new AccountFiles({ rootOf: () => place });
      assert.equal(files.user(0, eventIn(new Container('docker', 'device'))), undefined);
    } finally {
      execFileSync('losetup', ['--detach', device]);
    }
  });

  it('keeps the names of no more containers than its bytes allow', () => {
    const place = root('many', `${'u'.repeat(900)}:x:7:7:::/bin/sh\n`);
    const files = new AccountFiles({ rootOf: () => place, byteLimit: 10_000 });
    for (let index = 0; index < 50; index++) {
      assert.ok(files.user(7, eventIn(new Container('docker', `c${index}`))));
      assert.ok(files.bytes <= 10_000);
    }
    assert.ok(files.size < 10 && files.size > 2, `${files.size} tables`);
  });

  it('does not follow a link of the folder to the host', () => {
    mkdirSync(join(folder, 'linked'));
    symlinkSync('/etc', join(folder, 'linked/etc'));
    const files = new AccountFiles({ rootOf: () => join(folder, 'linked') });
    assert.equal(files.user(0, eventIn(new Container('docker', 'linked'))), undefined);
  });
});
