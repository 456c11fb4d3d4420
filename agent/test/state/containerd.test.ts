import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createPlainServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Container } from '../../src/state/container.ts';
import { askContainerd, containerdOf } from '../../src/state/runtimes/containerd.ts';
import { RuntimeLookup } from '../../src/state/runtimes/lookup.ts';
import { readMessage, textField } from '../../src/state/runtimes/protobuf.ts';

/** A length-delimited field. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length =
    bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}

const entry = (key: string, value: string | Buffer): Buffer =>
  Buffer.concat([field(1, key), field(2, value)]);
const json = (key: string, metadata: unknown): Buffer =>
  field(10, entry(key, field(2, JSON.stringify({ Version: 'v1', Metadata: metadata }))));

/** What the CRI plugin of containerd keeps of a pod and its container. */
const CONTAINERS: Record<string, Buffer> = {
  app: Buffer.concat([
    field(1, 'app'),
    field(2, entry('io.kubernetes.container.name', 'web')),
    field(2, entry('io.kubernetes.pod.name', 'web-1')),
    field(2, entry('io.kubernetes.pod.namespace', 'prod')),
    field(2, entry('io.kubernetes.pod.uid', 'u-1')),
    field(3, 'docker.io/library/nginx:1.27'),
    Buffer.from([8 * 8, 5]),
    json('io.cri-containerd.container.metadata', {
      SandboxID: 'pause',
      ImageRef: 'sha256:0123456789abcdef',
    }),
  ]),
  pause: Buffer.concat([
    field(1, 'pause'),
    field(2, entry('io.cri-containerd.kind', 'sandbox')),
    json('io.cri-containerd.sandbox.metadata', {
      Config: { labels: { app: 'web', 'io.kubernetes.pod.name': 'web-1' } },
      IP: '10.1.2.3',
      CNIResult: { Interfaces: {} },
    }),
  ]),
};

describe('containerd', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-containerd-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const name = (id: string) => ({
    socket: join(folder, 'containerd.sock'),
    namespace: 'k8s.io',
    id,
  });

  async function during(server: Server | Http2Server, work: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => server.listen(join(folder, 'containerd.sock'), resolve));
    try {
      await work();
    } finally {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  function serving(answer: (stream: ServerHttp2Stream, path: string, key: string) => void) {
    const server = createServer();
    server.on('stream', (stream, headers) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', () => {});
      stream.on('end', () => {
        const request = readMessage(Buffer.concat(parts).subarray(5));
        answer(stream, String(headers[':path']), textField(request, 1) ?? '');
      });
    });
    return server;
  }

  function reply(stream: ServerHttp2Stream, message: Buffer | undefined): void {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': message === undefined ? '5' : '0' }),
    );
    if (message === undefined) return void stream.end();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
  }

  it('tells the container of a pod with what its sandbox knows', async () => {
    const digest = `sha256:${'d'.repeat(64)}`;
    const server = serving((stream, path, key) => {
      const container = CONTAINERS[key];
      if (path.endsWith('Images/Get')) reply(stream, field(1, field(3, field(2, digest))));
      else reply(stream, container && field(1, container));
    });
    await during(server, async () => {
      const facts = await askContainerd(name('app'));
      assert.deepEqual(
        { ...facts, labels: facts?.labels?.get('io.kubernetes.pod.name') },
        {
          name: 'web',
          image: 'docker.io/library/nginx:1.27',
          imageId: '0123456789ab',
          imageDigest: digest,
          labels: 'web-1',
          podName: 'web-1',
          podNamespace: 'prod',
          podUid: 'u-1',
          podSandboxId: 'pause',
          podLabels: new Map([['app', 'web']]),
          ip: '10.1.2.3',
          cni: '{"Interfaces":{}}',
        },
      );
      assert.equal(await askContainerd(name('gone')), undefined);
      assert.equal(await askContainerd(name('x'.repeat(128))), undefined);
    });
  });

  it('tells nothing to a cgroup that borrows the id of a container', async () => {
    const bundle = join(folder, 'io.containerd.runtime.v2.task/k8s.io/app');
    mkdirSync(bundle, { recursive: true });
    const spec = { linux: { cgroupsPath: '/kubepods/app' } };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    const server = serving((stream, _path, key) => {
      const container = CONTAINERS[key];
      reply(stream, container && field(1, container));
    });
    const asked = async (cgroup: string) => {
      const container = new Container('containerd', 'app', cgroup);
      container.bundle = bundle;
      return (await new RuntimeLookup().ask(container))?.facts.name;
    };
    await during(server, async () => {
      const isRoot = process.getuid?.() === 0;
      assert.equal(await asked('/kubepods/app'), isRoot ? 'web' : undefined);
      assert.equal(await asked('/user.slice/cri-containerd-app.scope'), undefined);
    });
  });

  const hostile: [string, (stream: ServerHttp2Stream) => void][] = [
    ['nothing', () => {}],
    ['an empty message', (stream) => reply(stream, Buffer.alloc(0))],
    ['bytes that are no message', (stream) => reply(stream, Buffer.from([0x0a, 0xff, 0xff, 0x01]))],
    [
      'the wrong length',
      (stream) => {
        stream.respond({ ':status': 200, 'grpc-status': '0' });
        stream.end(Buffer.from([0, 0, 0, 1, 0, 1]));
      },
    ],
    ['too much', (stream) => reply(stream, Buffer.alloc(5 * 1024 * 1024))],
    ['a reset', (stream) => stream.close(2)],
  ];
  for (const [what, answer] of hostile) {
    it(`takes no facts from a daemon that answers ${what}`, { timeout: 30_000 }, async () => {
      await during(serving(answer), async () => {
        assert.equal(await askContainerd(name('app'), 200), undefined);
      });
    });
  }

  it('takes no facts from what speaks another protocol, or from nobody', {
    timeout: 30_000,
  }, async () => {
    const server = createPlainServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end('HTTP/1.1 200 OK\r\n\r\nhello');
    });
    await during(server, async () => {
      assert.equal(await askContainerd(name('app'), 500), undefined);
    });
    assert.equal(await askContainerd(name('app'), 500), undefined);
  });

  it('asks only a socket of root that belongs to the bundle', async () => {
    const tasks = 'io.containerd.runtime.v2.task/ns/app';
    mkdirSync(join(folder, 'state'));
    assert.equal(await containerdOf(join(folder, 'state', tasks)), undefined);
    assert.equal(await containerdOf('/var/lib/docker/containers/app'), undefined);
    symlinkSync('/dev/null', join(folder, 'state/containerd.sock'));
    await during(createPlainServer(), async () => {
      const socket = join(folder, 'containerd.sock');
      const own = { socket, namespace: 'ns', id: 'app' };
      const isRoot = process.getuid?.() === 0;
      assert.deepEqual(await containerdOf(join(folder, tasks)), isRoot ? own : undefined);
      assert.deepEqual(await containerdOf(join(folder, 'state', tasks)), isRoot ? own : undefined);
    });
  });

  it('reads any bytes without an exception', () => {
    for (let round = 0; round < 20_000; round++) readMessage(randomBytes(round % 40));
    assert.equal(readMessage(Buffer.from([0x0a])), undefined);
    assert.equal(readMessage(Buffer.from([0x0b])), undefined);
    assert.equal(readMessage(Buffer.alloc(12, 0xff)), undefined);
    assert.equal(textField(readMessage(Buffer.from([0x0a, 1, 65, 0x0a, 1, 66])), 1), 'B');
  });
});
