import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ContainerdDaemon, skipContainerd } from '../state/containerd-daemon.ts';
import { LiveEngine, ruleOf, skipLive } from './live-engine.ts';
import { shortLived } from './short-lived.ts';

const IMAGE = 'example.org:5000/tocsin/test:1.5';
const FIELDS = [
  'proc.name',
  'proc.cmdline',
  'container.id',
  'container.full_id',
  'container.name',
  'container.type',
  'container.image.repository',
  'container.image.tag',
  'container.image.digest',
  'container.label[team]',
  'container.privileged',
  'container.mount.dest[/proc]',
  'container.unconfirmed',
];

describe('containers of containerd on this kernel', { skip: skipLive || skipContainerd }, () => {
  let daemon: ContainerdDaemon;
  let live: LiveEngine;

  before(async () => {
    daemon = new ContainerdDaemon();
    await daemon.start(IMAGE);
    live = new LiveEngine(ruleOf('inside', 'evt.type=execve and container.id != host', FIELDS), {
      runtimes: daemon.paths,
    });
    await live.engine.ready;
  });

  after(async () => {
    await live?.engine.stop();
    await daemon?.stop();
  });

  it('knows image, labels and mounts of what ctr runs, at the first exec', async () => {
    const mount = 'type=bind,src=/proc,dst=/host/proc,options=rbind:ro';
    const name = 'web-of-many-letters';
    const options = ['--rm', '--label', 'team=red', '--mount', mount];
    await daemon.ctr('run', ...options, IMAGE, name, '/bin/cat', '/dev/null');
    const { output_fields: fields } = await live.until(
      'inside',
      (all) => all['proc.name'] === 'cat' && all['container.full_id'] === name,
    );
    const digest = /^sha256:[0-9a-f]{64}$/;
    assert.match(String(fields['container.image.digest']), digest);
    assert.deepEqual(
      { ...fields, 'evt.time': 0, 'container.image.digest': '' },
      {
        'evt.time': 0,
        'proc.name': 'cat',
        'proc.cmdline': 'cat /dev/null',
        'container.id': 'web-of-many-',
        'container.full_id': name,
        'container.name': name,
        'container.type': 'containerd',
        'container.image.repository': 'example.org:5000/tocsin/test',
        'container.image.tag': '1.5',
        'container.image.digest': '',
        'container.label[team]': 'red',
        'container.privileged': false,
        'container.mount.dest[/proc]': '/host/proc',
        'container.unconfirmed': false,
      },
    );
    const nameless = live.alerts.filter(
      ({ output_fields: all }) =>
        all['container.full_id'] === name && all['container.image.tag'] !== '1.5',
    );
    assert.deepEqual(nameless, [], 'every exec in the container knew it');
  });

  it('names every one of many short-lived containers', async (context) => {
    const image = { repository: 'example.org:5000/tocsin/test', tag: '1.5' };
    const told = await shortLived(live, image, (name, mark) =>
      daemon.ctr('run', '--rm', IMAGE, name, '/bin/true', mark),
    );
    context.diagnostic(told);
  });
});
