import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Container, type ContainerFacts } from '../../src/state/container.ts';
import { RuntimeLookup } from '../../src/state/runtimes/lookup.ts';
import { bundleFacts } from '../../src/state/runtimes/oci-bundle.ts';

const id = '3f'.repeat(32);
const spec = {
  process: { env: ['MARATHON_APP_ID=/web/front'], capabilities: { bounding: ['CAP_CHOWN'] } },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/data', type: 'bind', source: '/srv/data', options: ['rbind', 'ro', 'rslave'] },
  ],
  annotations: {
    'io.kubernetes.cri.container-name': 'app',
    'io.kubernetes.cri.image-name': 'registry:5000/team/app:1.2',
    'io.kubernetes.cri.sandbox-name': 'pod-1',
    'io.kubernetes.cri.sandbox-namespace': 'prod',
    'io.kubernetes.cri.sandbox-uid': 'u-1',
  },
  linux: { maskedPaths: ['/proc/kcore'], namespaces: [{ type: 'pid' }] },
};

/** Puts one thing after the other in the place of a specification: the right one, parts of it, that of another, and what is no file. */
const SWAPPER = `
const fs = require('node:fs');
const { execFileSync } = require('node:child_process');
const [place, spec, id] = process.argv.slice(1);
const at = (name) => place + '/' + name;
const wrong = spec.replace('"app"', '"evil"');
const elsewhere = JSON.parse(wrong);
elsewhere.linux.cgroupsPath = '/another/' + id;
fs.writeFileSync(at('evil'), wrong);
execFileSync('mkfifo', [at('fifo')]);
const put = (make) => {
  fs.rmSync(at('new'), { force: true, recursive: true });
  make(at('new'));
  fs.rmSync(at('config.json'), { force: true, recursive: true });
  fs.renameSync(at('new'), at('config.json'));
};
for (;;) {
  put((file) => fs.writeFileSync(file, spec));
  put((file) => fs.symlinkSync(at('evil'), file));
  put((file) => fs.writeFileSync(file, spec));
  put((file) => fs.linkSync(at('fifo'), file));
  put((file) => fs.writeFileSync(file, spec.slice(0, spec.length / 2)));
  put((file) => fs.writeFileSync(file, JSON.stringify(elsewhere)));
  put((file) => fs.writeFileSync(file, spec));
  fs.truncateSync(at('config.json'), 5);
  put((file) => fs.symlinkSync('/dev/zero', file));
  put((file) => fs.mkdirSync(file));
}
`;

describe('runtimes', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-runtimes-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const write = (path: string, value: unknown): void => {
    const file = join(folder, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  };
  const lookup = (dockerSocket = join(folder, 'none')): RuntimeLookup =>
    new RuntimeLookup({
      dockerRoots: [join(folder, 'docker')],
      dockerSocket,
      taskRoots: [join(folder, 'task')],
      storageRoots: [join(folder, 'storage')],
    });
  const container = (one = id, path = `/docker/${one}`): Container =>
    new Container('docker', one, path);

  const serve = async (listener: RequestListener): Promise<Server> => {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(join(folder, 'docker.sock'), resolve));
    return server;
  };
  const close = (server: Server): Promise<unknown> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };

  it('never opens what is no file, and reads no more than a file has', {
    timeout: 60_000,
  }, async () => {
    const other = '4e'.repeat(32);
    const config = join(folder, `docker/containers/${other}/config.v2.json`);
    mkdirSync(join(config, '..'), { recursive: true });
    execFileSync('mkfifo', [config]);
    assert.equal(await lookup().readFiles(container(other)), undefined);
    rmSync(config);
    symlinkSync('/dev/zero', config);
    assert.equal(await lookup().readFiles(container(other)), undefined);
    rmSync(config);
    mkdirSync(config);
    assert.equal(await lookup().readFiles(container(other)), undefined);
    rmSync(config, { recursive: true });
    writeFileSync(
      config,
      JSON.stringify({ Name: '/x', Config: { Image: ' '.repeat(9 * 2 ** 20) } }),
    );
    assert.equal(await lookup().readFiles(container(other)), undefined);
  });

  it('reads what Docker wrote', async () => {
    write(`docker/containers/${id}/config.v2.json`, {
      Name: '/web',
      Image: `sha256:${'9'.repeat(64)}`,
      Config: {
        Image: 'nginx:1.27',
        Labels: { 'io.kubernetes.pod.name': 'p', k: 'v' },
        Env: ['A=1'],
      },
      MountPoints: {
        '/data': {
          Source: '/srv',
          Destination: '/data',
          RW: true,
          Mode: 'z',
          Propagation: 'rprivate',
        },
      },
      NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.2' } } },
    });
    write(`docker/containers/${id}/hostconfig.json`, {
      Privileged: true,
      PidMode: 'host',
      NetworkMode: 'default',
    });
    const found = await lookup().readFiles(container());
    assert.deepEqual(found, {
      runtime: 'docker',
      confirmed: true,
      facts: {
        name: 'web',
        image: 'nginx:1.27',
        imageId: '999999999999',
        privileged: true,
        mounts: [
          {
            source: '/srv',
            destination: '/data',
            mode: 'z',
            writable: true,
            propagation: 'rprivate',
          },
        ],
        labels: new Map([
          ['io.kubernetes.pod.name', 'p'],
          ['k', 'v'],
        ]),
        environment: ['A=1'],
        ip: '172.17.0.2',
        hostPid: true,
        hostNetwork: false,
        podName: 'p',
      },
    });
  });

  it('reads a bundle of containerd', async () => {
    const other = 'aa'.repeat(32);
    write(`task/k8s.io/${other}/config.json`, spec);
    const found = await lookup().readFiles(container(other));
    assert.equal(found?.runtime, 'containerd');
    assert.deepEqual(
      { ...found?.facts, labels: undefined },
      {
        name: 'app',
        image: 'registry:5000/team/app:1.2',
        privileged: false,
        mounts: [
          {
            source: '/srv/data',
            destination: '/data',
            mode: '',
            writable: false,
            propagation: 'rslave',
          },
        ],
        environment: ['MARATHON_APP_ID=/web/front'],
        labels: undefined,
        hostPid: false,
        hostNetwork: true,
        hostIpc: true,
        podName: 'pod-1',
        podNamespace: 'prod',
        podUid: 'u-1',
      },
    );
  });

  it('remembers where a bundle lies that is still being written, when nobody is left to tell', async () => {
    const name = '7e'.repeat(32);
    const one = new Container('docker', name, `/docker/${name}`);
    one.bundle = join(folder, 'elsewhere', name);
    write(`elsewhere/${name}/config.json`, '{"linux":');
    assert.equal(await lookup().readFiles(one), undefined);
    write(`elsewhere/${name}/config.json`, { ...spec, linux: { cgroupsPath: one.cgroupPath } });
    assert.equal((await lookup().readFiles(one))?.facts.name, 'app');
  });

  it('reads names and images that Podman and CRI-O keep beside the bundle', async () => {
    const other = 'bb'.repeat(32);
    const metadata = JSON.stringify({ name: 'db', 'image-name': 'docker.io/library/redis:7' });
    write('storage/overlay-containers/containers.json', [
      { id: other, names: ['x'], image: 'f'.repeat(64), metadata },
    ]);
    write(`storage/overlay-containers/${other}/userdata/config.json`, {
      annotations: {
        'io.kubernetes.cri-o.Labels': '{"app":"db"}',
        'io.kubernetes.pod.name': 'db-0',
      },
    });
    const found = await lookup().readFiles(container(other));
    assert.equal(found?.runtime, 'cri-o');
    assert.equal(found?.facts.name, 'db');
    assert.equal(found?.facts.image, 'docker.io/library/redis:7');
    assert.equal(found?.facts.podName, 'db-0');
    assert.equal(found?.facts.podLabels?.get('app'), 'db');
  });

  it('finds the storage of a user beside the bundle, which root does not vouch for', async () => {
    const other = 'b1'.repeat(32);
    const place = `home/storage/vfs-containers`;
    write(`${place}/volatile-containers.json`, [
      { id: other, metadata: JSON.stringify({ name: 'own', 'image-name': 'localhost/own:2' }) },
    ]);
    write(`${place}/${other}/userdata/config.json`, {
      annotations: { 'io.container.manager': 'libpod' },
      linux: { cgroupsPath: `user.slice:libpod:${other}` },
    });
    chownSync(join(folder, place, other, 'userdata/config.json'), 1000, 1000);
    const one = container(other, `/user.slice/libpod-${other}.scope`);
    one.bundle = join(folder, place, other, 'userdata');
    const found = await lookup().readFiles(one);
    assert.equal(found?.runtime, 'podman');
    assert.equal(found?.facts.name, 'own');
    assert.equal(found?.facts.image, 'localhost/own:2');
    assert.equal(found?.confirmed, false);
  });

  it('attributes nothing to a cgroup that only borrows the id of a container', async () => {
    const other = 'b2'.repeat(32);
    write(`docker/containers/${other}/config.v2.json`, { Name: '/real', Config: { Image: 'x' } });
    const server = await serve((_request, answer) =>
      answer.end(JSON.stringify({ Name: '/real', Config: { Image: 'x' } })),
    );
    try {
      const asking = lookup(join(folder, 'docker.sock'));
      const real = container(other);
      assert.equal((await asking.readFiles(real))?.confirmed, true);
      assert.equal((await asking.ask(real))?.facts.name, 'real');
      const user = '/user.slice/user-1000.slice/user@1000.service';
      for (const path of [`${user}/docker-${other}.scope`, `/x/docker/${other}`, `/${other}`]) {
        assert.equal(await asking.readFiles(container(other, path)), undefined, path);
        assert.equal(await asking.ask(container(other, path)), undefined, path);
      }
      write(`task/moby/${other}/config.json`, { linux: { cgroupsPath: `/parent/${other}` } });
      assert.equal(await asking.readFiles(container(other)), undefined, 'the bundle says where');
      assert.equal(await asking.ask(container(other)), undefined);
      const moved = await asking.readFiles(container(other, `/parent/${other}`));
      assert.deepEqual([moved?.facts.name, moved?.confirmed], ['real', true]);
    } finally {
      await close(server);
    }
  });

  const digest = `sha256:${'d'.repeat(64)}`;
  const image = `sha256:${'1a'.repeat(32)}`;
  const naming = ({ imageName, imageDigest }: ContainerFacts = {}) => [imageName, imageDigest];
  const names: [string, string, unknown][] = [
    ['with its tag', 'reg:5000/app:1', [undefined, digest]],
    ['without a tag', 'reg:5000/app', ['reg:5000/app:latest', digest]],
    ['by its digest', `reg:5000/app@${digest}`, [undefined, digest]],
    ['of the usual registry', 'docker.io/library/nginx', ['nginx:latest', undefined]],
    ['by its id', image, ['reg:5000/app:1', digest]],
    ['by a part of its id', '1a1a1a1a', ['reg:5000/app:1', digest]],
    ['like a part of its id', '1a1a', ['1a1a:latest', undefined]],
  ];
  names.forEach(([what, given, expected], index) => {
    it(`reads what the registry calls an image ${what}`, async () => {
      const other = `${index}3`.repeat(32);
      const isName = given === '1a1a';
      write(`docker/containers/${other}/config.v2.json`, {
        Driver: 'overlay2',
        Image: image,
        Config: { Image: given },
      });
      write('docker/image/overlay2/repositories.json', {
        Repositories: {
          'reg:5000/app': { [`reg:5000/app@${digest}`]: image, 'reg:5000/app:1': image },
          ...(isName && { '1a1a': { '1a1a:latest': image } }),
        },
      });
      const read = await lookup().readFiles(container(other));
      assert.equal(read?.facts.image, given);
      assert.deepEqual(naming(read?.facts), expected);
      const images = { RepoTags: ['reg:5000/app:1'], RepoDigests: [`reg:5000/app@${digest}`] };
      if (isName) images.RepoTags.push('1a1a:latest');
      const server = await serve((request, answer) =>
        answer.end(
          JSON.stringify(
            request.url === `/images/${image}/json`
              ? images
              : { Image: image, Config: { Image: given } },
          ),
        ),
      );
      try {
        const asked = await lookup(join(folder, 'docker.sock')).ask(container(other));
        assert.deepEqual(naming(asked?.facts), expected);
      } finally {
        await close(server);
      }
    });
  });

  it('takes a container without any fence for privileged, and none else', () => {
    const bare = { process: { capabilities: { bounding: ['CAP_SYS_ADMIN'] } }, linux: {} };
    assert.equal(bundleFacts(bare).facts.privileged, true);
    assert.equal(bundleFacts({ ...bare, linux: { seccomp: {} } }).facts.privileged, false);
    assert.equal(bundleFacts({ linux: {} }).facts.privileged, false);
    assert.equal(
      bundleFacts({ ...bare, mounts: [{ type: 'sysfs', options: ['ro'] }] }).facts.privileged,
      false,
    );
  });

  const hostile: [string, unknown][] = [
    ['half a file', '{"Name": "/x'],
    ['an empty file', ''],
    ['an array', []],
    ['null', 'null'],
    [
      'wrong types',
      { Name: {}, Config: { Image: 5, Labels: [1], Env: 'x' }, MountPoints: [null, 3], Image: [] },
    ],
    ['a prototype', '{"__proto__": {"Name": "/x"}, "Config": {"__proto__": {"Image": "evil"}}}'],
    ['too large a file', `{"Name": "/x", "pad": "${'x'.repeat(9 * 1024 * 1024)}"}`],
  ];
  for (const [name, content] of hostile) {
    it(`survives ${name}`, async () => {
      const other = 'cc'.repeat(32);
      write(`docker/containers/${other}/config.v2.json`, content);
      const found = await lookup().readFiles(container(other));
      assert.equal(found?.facts.name, undefined);
      assert.equal(found?.facts.image, undefined);
    });
  }

  it('tells all or nothing of a file that is replaced while it is read', {
    timeout: 120_000,
  }, async () => {
    const other = 'cd'.repeat(32);
    const place = join(folder, `task/k8s.io/${other}`);
    mkdirSync(place, { recursive: true });
    // Changes the file as fast as it can, until it is killed.
    const swapper = spawn(process.execPath, ['-e', SWAPPER, place, JSON.stringify(spec), other], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    try {
      let whole = 0;
      let none = 0;
      const looking = lookup();
      while (whole < 100 || none < 100) {
        // A container each time: where a bundle was found once is remembered.
        const found = await looking.readFiles(container(other, `/kubepods/${other}`));
        if (found === undefined) {
          none++;
          continue;
        }
        whole++;
        assert.equal(found.facts.name, 'app');
        assert.equal(found.facts.image, 'registry:5000/team/app:1.2');
        assert.equal(found.facts.podUid, 'u-1');
        assert.equal(found.facts.mounts?.length, 1);
      }
    } finally {
      swapper.kill('SIGKILL');
    }
  });

  it('looks for no file outside of the folders', async () => {
    write('secret/config.v2.json', { Name: '/x', Config: { Image: 'y' } });
    assert.equal(await lookup().readFiles(container('../../secret')), undefined);
  });

  it('asks the daemon, and learns from it where the files are', async () => {
    write(`elsewhere/containers/${'ee'.repeat(32)}/config.v2.json`, {
      Name: '/moved',
      Config: { Image: 'm' },
    });
    const server = await serve((request, answer) => {
      if (request.url === '/info')
        answer.end(JSON.stringify({ DockerRootDir: join(folder, 'elsewhere') }));
      else
        answer.end(
          JSON.stringify({
            Name: '/asked',
            Config: { Image: 'busybox' },
            HostConfig: { Privileged: true },
            Mounts: [{ Source: '/a', Destination: '/b', RW: false }],
          }),
        );
    });
    try {
      const asking = lookup(join(folder, 'docker.sock'));
      const asked = await asking.ask(container());
      assert.equal(asked?.facts.name, 'asked');
      assert.equal(asked?.facts.privileged, true);
      assert.equal(asked?.facts.mounts?.[0]?.destination, '/b');
      await asking.discover();
      assert.equal((await asking.readFiles(container('ee'.repeat(32))))?.facts.name, 'moved');
    } finally {
      await close(server);
    }
  });

  it('gives up on a daemon that says nothing, too much or nonsense', async () => {
    for (const listener of [
      (() => {}) as RequestListener,
      ((_request, answer) => answer.end('nonsense')) as RequestListener,
      ((_request, answer) => answer.writeHead(404).end('{}')) as RequestListener,
      ((_request, answer) => answer.end('x'.repeat(5 * 1024 * 1024))) as RequestListener,
    ]) {
      const server = await serve(listener);
      try {
        assert.equal(await lookup(join(folder, 'docker.sock')).ask(container()), undefined);
      } finally {
        await close(server);
      }
    }
  });
});
