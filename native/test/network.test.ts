import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  EVENT_CALL,
  EVENT_IA32,
  EVENT_IO_URING,
  EVENT_SOCKET,
  probeCapabilities,
} from '../lib/index.ts';
import { numberOf, only, type Run, type Stage, skip, stage, watch } from './live.ts';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const LOOPBACK = [127, 0, 0, 1];
const LOOPBACK6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ESTABLISHED = 1;
const LISTENING = 10;

/** A port nobody listens on: one that was just given back. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const listen = (server: Server, host = '127.0.0.1'): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });

const socket = (run: Run, call: string) => only(run, EVENT_SOCKET, call);

describe('sockets', { skip }, () => {
  let on: Stage;
  before(() => {
    on = stage();
  });
  after(() => on.remove());

  test('a socket tells family, type and protocol as asked', () => {
    const record = socket(watch(on, ['socket'], ['connect6', '1']), 'socket');
    assert.deepEqual(
      [record.u16('family'), record.u8('type'), record.u8('protocol')],
      [AF_INET6, 1, 0],
    );
    assert.equal(BigInt(record.s32('fd')), record.result);
  });

  test('a connection that stands is told by the socket', async () => {
    const server = createServer((peer) => peer.destroy());
    const port = await listen(server);
    const record = socket(watch(on, ['connect'], ['connect4', String(port)]), 'connect');
    await new Promise((resolve) => server.close(resolve));
    assert.equal(record.result, 0n);
    assert.equal(record.u16('family'), AF_INET);
    assert.deepEqual(record.address('remoteAddress', 4), LOOPBACK);
    assert.deepEqual(record.address('localAddress', 4), LOOPBACK);
    assert.equal(record.u16('remotePort'), port);
    assert.ok(record.u16('localPort') > 0);
    assert.equal(record.u8('state'), ESTABLISHED);
    assert.equal(record.u8('fromUser'), 0);
    assert.equal(record.u8('protocol'), 6);
  });

  test('a refused connection is told by the address the caller gave', async () => {
    const port = await freePort();
    const four = socket(watch(on, ['connect'], ['connect4', String(port)]), 'connect');
    assert.equal(four.result, -111n);
    assert.equal(four.u16('family'), AF_INET);
    assert.deepEqual(four.address('remoteAddress', 4), LOOPBACK);
    assert.equal(four.u16('remotePort'), port);
    assert.equal(four.u8('fromUser'), 1);
    const six = socket(watch(on, ['connect'], ['connect6', String(port)]), 'connect');
    assert.ok(six.result < 0n);
    assert.equal(six.u16('family'), AF_INET6);
    assert.deepEqual(six.address('remoteAddress', 16), LOOPBACK6);
    assert.equal(six.u16('remotePort'), port);
    assert.equal(six.u8('fromUser'), 1);
  });

  test('bind, listen, connect and accept tell both ends', () => {
    const run = watch(on, ['bind', 'listen', 'connect', 'accept4'], ['accept4']);
    const bind = socket(run, 'bind');
    const port = bind.u16('localPort');
    assert.ok(port > 0);
    assert.deepEqual(bind.address('localAddress', 4), LOOPBACK);
    const listening = socket(run, 'listen');
    assert.equal(listening.u16('localPort'), port);
    assert.equal(listening.u32('callFlags'), 7);
    assert.equal(listening.u8('state'), LISTENING);
    const connect = socket(run, 'connect');
    assert.equal(connect.u16('remotePort'), port);
    const accept = socket(run, 'accept4');
    assert.equal(accept.u16('localPort'), port);
    assert.equal(accept.u16('remotePort'), connect.u16('localPort'));
    assert.deepEqual(accept.address('remoteAddress', 4), LOOPBACK);
    assert.equal(BigInt(accept.s32('fd')), accept.result);
    assert.equal(accept.u32('callFlags'), 0o2000000);
  });

  test('a duplicated socket tells its connection', () => {
    const run = watch(on, ['connect', 'dup2', 'dup3'], ['accept4']);
    const connect = socket(run, 'connect');
    const dup = only(run, EVENT_CALL);
    assert.equal(dup.result, 60n);
    assert.equal(dup.u32('fdMode') & 0o170000, 0o140000);
    assert.equal(dup.u16('fdFamily'), AF_INET);
    assert.deepEqual([dup.u8('fdType'), dup.u8('fdProtocol')], [1, 6]);
    assert.deepEqual(dup.address('fdRemoteAddress', 4), LOOPBACK);
    assert.equal(dup.u16('fdRemotePort'), connect.u16('remotePort'));
    assert.equal(dup.u16('fdLocalPort'), connect.u16('localPort'));
  });

  test('unix sockets tell their paths', () => {
    const path = join(on.folder, 'socket');
    const calls = ['bind', 'connect', 'accept', 'accept4'];
    const run = watch(on, calls, ['unix', path]);
    assert.deepEqual(socket(run, 'bind').strings, { local: path, remote: '', data: '' });
    const connect = socket(run, 'connect');
    assert.deepEqual(connect.strings, { local: '', remote: path, data: '' });
    assert.equal(connect.u16('family'), AF_UNIX);
    assert.equal(socket(run, 'accept').text('local'), path);
    const abstract = watch(on, calls, ['unix', '@tocsin-native-test']);
    assert.equal(socket(abstract, 'connect').text('remote'), '\0tocsin-native-test');
    const refused = socket(watch(on, calls, ['unix-refused', '/nowhere/socket']), 'connect');
    assert.deepEqual(refused.strings, { local: '', remote: '/nowhere/socket', data: '' });
    assert.equal(refused.u8('fromUser'), 1);
    assert.equal(refused.result, -2n);
  });

  test('datagrams tell where they go and how large they are', async () => {
    const port = await freePort();
    const run = watch(on, ['sendto', 'sendmsg'], ['udp', String(port)]);
    const sendto = socket(run, 'sendto');
    assert.equal(sendto.u16('remotePort'), port);
    assert.deepEqual(sendto.address('remoteAddress', 4), LOOPBACK);
    assert.equal(sendto.u8('fromUser'), 1);
    assert.equal(sendto.u32('messageSize'), 4);
    assert.equal(sendto.u32('callFlags'), 0x4000);
    assert.equal(sendto.u8('protocol'), 17);
    const sendmsg = socket(run, 'sendmsg');
    assert.equal(sendmsg.u16('remotePort'), port);
    assert.equal(sendmsg.u32('messageSize'), 5);
    assert.deepEqual([sendto.text('data'), sendmsg.text('data')], ['four', 'abcde']);
  });

  test('the first bytes that were sent or received are told', () => {
    const run = watch(on, ['sendto', 'recvfrom'], ['pass', `${'x'.repeat(79)}end`]);
    assert.equal(socket(run, 'sendto').text('data'), `${'x'.repeat(79)}e`);
    const received = run.records.filter((one) => one.u16('syscall') === numberOf('recvfrom'));
    assert.deepEqual(
      received.map((one) => [one.result, one.u32('messageSize'), one.text('data')]),
      [
        [82n, 4096, `${'x'.repeat(79)}e`],
        [-11n, 4096, ''],
      ],
    );
  });

  const uring = !probeCapabilities().ioUring && 'this kernel does not tell submissions';
  const calls = (run: Run, name: string) =>
    run.records.filter((one) => one.kind === EVENT_SOCKET && one.u16('syscall') === numberOf(name));

  test('connections accepted through io_uring are told, both ends', { skip: uring }, (t) => {
    for (const [command, count] of [
      ['uring-accept', 2],
      ['uring-accept-many', 3],
    ] as const) {
      const run = watch(on, ['connect', 'accept4'], [command]);
      if (run.status === 77) return t.skip('io_uring is switched off here, or older');
      // An answer may interrupt a call, which is told and made again.
      const connections = calls(run, 'connect').filter(({ result }) => result === 0n);
      const made = calls(run, 'accept4').filter(({ result }) => result >= 0n);
      assert.equal(made.length, count, command);
      for (const [index, record] of made.entries()) {
        const connection = connections[index];
        assert.equal(record.u32('flags') & EVENT_IO_URING, EVENT_IO_URING);
        assert.equal(BigInt(record.s32('fd')), record.result);
        assert.equal(record.u16('localPort'), connection?.u16('remotePort'));
        assert.equal(record.u16('remotePort'), connection?.u16('localPort'));
        assert.deepEqual(record.address('remoteAddress', 4), LOOPBACK);
        assert.equal(record.u32('callFlags'), 0o2000000);
      }
      const failed = calls(run, 'accept4').filter(({ result }) => result < 0n);
      assert.equal(failed.length, command === 'uring-accept-many' ? 1 : 0);
    }
  });

  test('sockets that only the ring has a number for are told, both ends', { skip: uring }, (t) => {
    const run = watch(on, ['connect', 'accept4', 'sendto'], ['uring-own-numbers']);
    if (run.status === 77) return t.skip('io_uring is switched off here, or older');
    const connections = calls(run, 'connect').filter(({ result }) => result === 0n);
    const made = calls(run, 'accept4');
    assert.deepEqual(
      made.map((record) => record.s32('fd')),
      [2, Number(made[1]?.result)],
    );
    const ends = [...made, socket(run, 'sendto')];
    assert.equal(ends.length, 3);
    for (const [index, record] of ends.entries()) {
      const connection = connections[index % 2];
      assert.equal(record.u16('localPort'), connection?.u16('remotePort'));
      assert.equal(record.u16('remotePort'), connection?.u16('localPort'));
      assert.deepEqual(record.address('remoteAddress', 4), LOOPBACK);
    }
  });

  test('what is received through io_uring tells both ends', { skip: uring }, (t) => {
    const run = watch(on, ['connect', 'recvfrom', 'recvmsg'], ['uring-receive']);
    if (run.status === 77) return t.skip('io_uring is switched off here');
    const [connection] = calls(run, 'connect').filter(({ result }) => result === 0n);
    for (const call of ['recvfrom', 'recvmsg']) {
      const record = socket(run, call);
      assert.equal(record.u32('flags') & EVENT_IO_URING, EVENT_IO_URING);
      assert.equal(record.u16('remotePort'), connection?.u16('localPort'));
      assert.equal(record.u16('localPort'), connection?.u16('remotePort'));
    }
  });

  const x64 = process.arch === 'x64' ? false : 'only x86 has socketcall';
  test('a connection through the 32-bit multiplexer is told', { skip: x64 }, async () => {
    const port = await freePort();
    const record = socket(watch(on, ['connect'], ['connect-int80', String(port)]), 'connect');
    assert.equal(record.u32('flags') & EVENT_IA32, EVENT_IA32);
    assert.equal(record.u16('syscall'), numberOf('connect'));
    assert.equal(record.u16('remotePort'), port);
    assert.equal(record.result, -111n);
  });
});
