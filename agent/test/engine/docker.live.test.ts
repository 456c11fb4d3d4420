import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { currentHierarchy } from '@tocsin/native';
import type { Alert } from '@tocsin/openapi';
import { DockerDaemon, skipDocker } from '../state/docker-daemon.ts';
import { ApiServer, pod } from '../state/kubernetes-api.ts';
import { waitFor } from '../support/wait.ts';
import { LiveEngine, ruleOf, skipLive } from './live-engine.ts';
import { shortLived } from './short-lived.ts';

const FIELDS = [
  'proc.name',
  'proc.cmdline',
  'proc.vpid',
  'container.id',
  'container.full_id',
  'container.name',
  'container.type',
  'container.unconfirmed',
  'container.image.repository',
  'container.image.tag',
  'container.privileged',
  'container.mounts',
  'container.mount.dest[/proc]',
  'container.start_ts',
  'user.name',
  'evt.num',
];
const PROBE_FIELDS = ['proc.name', 'proc.cmdline', 'container.name', 'container.healthcheck'];

describe('containers of Docker on this kernel', { skip: skipLive || skipDocker }, () => {
  let daemon: DockerDaemon;
  let live: LiveEngine;

  before(async () => {
    daemon = new DockerDaemon();
    await daemon.start('tocsin/test:1.5');
    live = new LiveEngine(
      ruleOf('inside', 'evt.type in (execve, execveat) and container.id != host', FIELDS) +
        ruleOf(
          'privileged',
          'evt.type in (execve, openat) and container.privileged=true and container.image.repository=tocsin/test',
          FIELDS,
        ) +
        ruleOf(
          'read',
          'evt.type in (open, openat) and container.id!=host and proc.name=sh and fd.name=/etc/passwd',
          FIELDS,
        ) +
        ruleOf('probe', 'evt.type=execve and proc.is_container_healthcheck=true', PROBE_FIELDS) +
        ruleOf(
          'own',
          'evt.type=execve and container.name=probed and proc.is_container_healthcheck=false',
          PROBE_FIELDS,
        ),
      { runtimes: daemon.paths },
    );
    await live.engine.ready;
  });

  after(async () => {
    await live?.engine.stop();
    await daemon?.stop();
  });

  const docker = (...args: string[]) => daemon.docker('run', '--network=none', ...args);

  it('tells a health check from what the container runs itself', async () => {
    const command = '/bin/cat /proc/1/comm';
    const health = [`--health-cmd=${command}`, '--health-interval=1s'];
    // Its first process runs the very same command.
    const own = `while :; do /bin/sh -c '${command}'; sleep 1; done`;
    await docker('-d', '--name', 'probed', ...health, 'tocsin/test:1.5', '/bin/sh', '-c', own);
    const isCheck = ({ 'container.name': name, 'proc.cmdline': line }: Alert['output_fields']) =>
      name === 'probed' && line === `sh -c ${command}`;
    try {
      const { output_fields: fields } = await live.until('probe', isCheck);
      assert.equal(fields['container.healthcheck'], `/bin/sh -c ${command}`);
      await live.until('own', isCheck);
    } finally {
      await daemon.docker('rm', '-f', 'probed');
    }
  });

  it('knows name, image and mounts at the first exec of the entrypoint', async () => {
    // It waits for its input: the names of its users are there as long as its root folder is.
    const id = await docker(
      ...['--detach', '--interactive', '--name', 'first', '--user', '1234'],
      ...['-v', '/proc:/host/proc:ro', 'tocsin/test:1.5', '/bin/cat', '/etc/passwd', '-'],
    );
    const { output_fields: fields } = await live.until(
      'inside',
      (all) => all['proc.name'] === 'cat' && all['container.full_id'] === id,
    );
    await daemon.docker('rm', '--force', 'first');
    assert.deepEqual(
      {
        ...fields,
        'evt.time': 0,
        'evt.num': 0,
        'container.start_ts': Number(fields['container.start_ts']) > 0,
      },
      {
        'evt.time': 0,
        'evt.num': 0,
        'proc.name': 'cat',
        'proc.cmdline': 'cat /etc/passwd -',
        'proc.vpid': 1,
        'container.id': id.slice(0, 12),
        'container.full_id': id,
        'container.name': 'first',
        'container.type': 'docker',
        'container.unconfirmed': false,
        'container.image.repository': 'tocsin/test',
        'container.image.tag': '1.5',
        'container.privileged': false,
        'container.mounts': '/proc:/host/proc:ro:false:rprivate',
        'container.mount.dest[/proc]': '/host/proc',
        'container.start_ts': true,
        'user.name': 'app',
      },
    );
    const nameless = live.alerts.filter(
      (alert) =>
        alert.output_fields['container.full_id'] === id &&
        alert.output_fields['container.name'] !== 'first',
    );
    assert.deepEqual(nameless, [], 'every exec in the container knew it, those of the runtime too');
  });

  it('knows a privileged container from the first event on', async () => {
    // Where the machine itself lacks capabilities the runtime gives up after it has started inside the container.
    await docker('--name', 'strong', '--privileged', 'tocsin/test:1.5', '/bin/true').catch(
      () => {},
    );
    const { output_fields: fields } = await live.until(
      'privileged',
      (all) => all['container.name'] === 'strong',
    );
    assert.equal(fields['container.privileged'], true);
    const names = live.alerts
      .filter(({ rule }) => rule === 'privileged')
      .map(({ output_fields }) => output_fields['container.name']);
    assert.deepEqual([...new Set(names)], ['strong']);
  });

  it('names every one of many short-lived containers', async (context) => {
    const image = { repository: 'tocsin/test', tag: '1.5' };
    const told = await shortLived(live, image, (name, mark) =>
      docker('--rm', '--name', name, 'tocsin/test:1.5', '/bin/true', mark),
    );
    context.diagnostic(told);
  });

  it('is told of containers what the host does until the kernel leaves it out', async () => {
    const script = 'i=0; while [ $i -lt 1000 ]; do : </etc/passwd; i=$((i+1)); done';
    const leftOut = () =>
      (live.engine.statistics().filtered ?? [])
        .filter(({ reason }) => reason === 'verdict')
        .reduce((sum, { count }) => sum + count, 0);
    const before = leftOut();
    // The very program of the image: another one may open with other flags.
    for (let round = 0; round < 60 && leftOut() < before + 3000; round++) {
      execFileSync('/bin/busybox', ['sh', '-c', script]);
      await delay(300);
    }
    assert.ok(leftOut() >= before + 3000, `${leftOut() - before} left out`);
    await docker('--rm', '--name', 'reader', 'tocsin/test:1.5', '/bin/sh', '-c', ': </etc/passwd');
    await live.until('read', (all) => all['container.name'] === 'reader');
  });

  it('believes no cgroup that was made by hand', async () => {
    await docker('--detach', '--name', 'victim', 'tocsin/test:1.5', '/bin/sh', '-c', 'read x');
    const id = await daemon.docker('inspect', '--format', '{{.Id}}', 'victim');
    const { mount } = currentHierarchy();
    const invented = 'ab'.repeat(32);
    const inventions = [`docker/${invented}`, `docker-${invented}.scope`, `crio-${invented}.scope`];
    inventions.push(`libpod-${invented}.scope`, `cri-containerd-${invented}.scope`);
    inventions.push(`kubepods/besteffort/pod1/${invented}`, 'lxc.payload.victim');
    const borrowed = [`docker-${id}.scope`, `tocsin-borrowed/docker/${id}`, `libpod-${id}`];
    const made: string[] = [];
    try {
      for (const [index, path] of [...inventions, ...borrowed].entries()) {
        const folder = join(mount, `tocsin-by-hand-${process.pid}`, String(index), path);
        for (let at = folder; at !== mount && !existsSync(at); at = dirname(at)) made.push(at);
        mkdirSync(folder, { recursive: true });
        const word = `by-hand-${index}`;
        execFileSync('/bin/sh', ['-c', `echo $$ > ${folder}/cgroup.procs; /bin/echo ${word}`]);
        const { output_fields: told } = await live.until(
          'inside',
          (all) => all['proc.cmdline'] === `echo ${word}`,
        );
        assert.equal(told['container.unconfirmed'], true, path);
        for (const field of ['name', 'image.repository', 'image.tag', 'privileged', 'mounts'])
          assert.equal(told[`container.${field}`], null, `${field} of ${path}`);
      }
      const { output_fields: real } = await live.until(
        'inside',
        (all) => all['container.full_id'] === id && all['container.name'] === 'victim',
      );
      assert.equal(real['container.unconfirmed'], false);
    } finally {
      await daemon.docker('rm', '--force', 'victim');
      for (const folder of made.sort((a, b) => b.length - a.length)) rmdirSync(folder);
    }
  });

  it('tells what the pod of a container belongs to, by the API', async () => {
    const api = new ApiServer();
    await api.start();
    api.pods = [pod('web-5d4f8c-a', 'u-1')];
    const fields = [
      'k8s.pod.name',
      'k8s.deployment.name',
      'k8s.deployment.label[team]',
      'k8s.pod.ip',
    ];
    const condition = 'evt.type=execve and k8s.ns.name=prod and proc.name=true';
    const watched = new LiveEngine(ruleOf('pod', condition, fields), {
      runtimes: daemon.paths,
      kubernetes: api.settings,
    });
    try {
      await watched.engine.ready;
      await waitFor('the watch', () => api.watches.length > 0);
      const labels = { 'pod.name': 'web-5d4f8c-a', 'pod.namespace': 'prod', 'pod.uid': 'u-1' };
      const options = Object.entries(labels).map(
        ([key, value]) => `--label=io.kubernetes.${key}=${value}`,
      );
      const again = ['/bin/sh', '-c', 'while /bin/true; do sleep 1; done'];
      await docker('--detach', '--name', 'pod', ...options, 'tocsin/test:1.5', ...again);
      // Nothing waits for the API: the first may be judged before it has answered.
      const { output_fields: all } = await watched.until(
        'pod',
        (told) => told['k8s.deployment.label[team]'] === 'red',
      );
      assert.deepEqual(
        fields.map((name) => all[name]),
        ['web-5d4f8c-a', 'web', 'red', '10.1.0.9'],
      );
    } finally {
      await daemon.docker('rm', '--force', 'pod').catch(() => '');
      await watched.engine.stop();
      await api.stop();
    }
  });

  it('knows containers that ran before it', async () => {
    await docker(
      '--detach',
      '--name',
      'old',
      'tocsin/test:1.5',
      '/bin/sh',
      '-c',
      'while /bin/cat /dev/null; do sleep 1; done',
    );
    const late = new LiveEngine(ruleOf('late', 'evt.type=execve and container.name=old', FIELDS), {
      runtimes: daemon.paths,
    });
    try {
      await late.engine.ready;
      await daemon.docker('exec', 'old', '/bin/true');
      const { output_fields: fields } = await late.until(
        'late',
        (all) => all['proc.name'] === 'true',
      );
      assert.equal(fields['container.image.repository'], 'tocsin/test');
      assert.ok(Number(fields['container.start_ts']) > 0);
    } finally {
      await late.engine.stop();
      await daemon.docker('rm', '--force', 'old');
    }
  });
});
