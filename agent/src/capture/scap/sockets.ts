/** Calls on sockets. */
import { EVENT_SOCKET, socketLayout } from '../../events/layout.ts';
import {
  type Descriptor,
  descriptorOf,
  NO_DESCRIPTOR,
  readAddress,
  readTuple,
  type Tuple,
} from './descriptor.ts';
import type { ScapEvent } from './event.ts';
import type { ScapProcess } from './process.ts';
import { all, type Handle, resultOf, type Translation } from './translation.ts';

/** First bytes of a message that a record holds. */
const DATA_MAX = 80;

function writeSocket(
  translator: Translation,
  event: ScapEvent,
  process: ScapProcess,
  fd: number,
  descriptor: Descriptor,
  isFromUser = false,
): void {
  translator
    .begin(EVENT_SOCKET, socketLayout.size, event, process, event.name)
    .uint32(socketLayout.fd, fd)
    .uint16(socketLayout.family, descriptor.family)
    .uint8(socketLayout.type, descriptor.type)
    .uint8(socketLayout.protocol, descriptor.protocol)
    .uint16(socketLayout.localPort, descriptor.localPort)
    .uint16(socketLayout.remotePort, descriptor.remotePort)
    .text(socketLayout.localAddress, 16, descriptor.local)
    .text(socketLayout.remoteAddress, 16, descriptor.remote)
    .uint32(socketLayout.callFlags, callFlagsOf(event))
    .uint32(socketLayout.messageSize, event.integer('size') ?? event.integer('proto') ?? 0)
    .uint8(socketLayout.fromUser, isFromUser ? 1 : 0)
    .strings(
      socketLayout.stringLength,
      descriptor.localPath,
      descriptor.path,
      event.data('data').slice(0, DATA_MAX),
    );
  translator.emit();
}

/** The raw type of a new socket, the length of a queue, or flags. */
function callFlagsOf(event: ScapEvent): number {
  return event.integer('type') ?? event.integer('backlog') ?? event.integer('flags') ?? 0;
}

const socket: Handle = (translator, event, process) => {
  const fd = resultOf(event);
  const descriptor = descriptorOf({
    family: event.integer('domain') ?? 0,
    type: (event.integer('type') ?? 0) & 0xf,
    protocol: event.integer('proto') ?? 0,
  });
  translator.processes.open(process, fd, descriptor);
  writeSocket(translator, event, process, fd, descriptor);
};

/** Who a socket is connected to after a tuple: what came in names the peer first. */
function connected(before: Descriptor, tuple: Tuple | undefined, isIncoming: boolean): Descriptor {
  if (tuple === undefined) return before;
  const [own, peer] = isIncoming
    ? [tuple.destination, tuple.source]
    : [tuple.source, tuple.destination];
  return descriptorOf(
    {
      family: own.family,
      local: own.address,
      localPort: own.port,
      remote: peer.address,
      remotePort: peer.port,
      path: tuple.destination.path,
    },
    before,
  );
}

function onSocket(
  change: (event: ScapEvent, before: Descriptor) => Descriptor,
  isMessage = false,
): Handle {
  return (translator, event, process) => {
    const fd = event.integer('fd') ?? -1;
    const before = process.descriptors.get(fd) ?? NO_DESCRIPTOR;
    const after = change(event, before);
    const isNew = after !== before && (resultOf(event) >= 0 || !isMessage);
    if (isNew) translator.processes.open(process, fd, after);
    const isFromUser = isMessage && event.has('tuple') && before.remotePort === 0;
    writeSocket(translator, event, process, fd, after, isFromUser);
  };
}

const bind = onSocket((event, before) => {
  const address = readAddress(event.cursor('addr'));
  if (address === undefined) return before;
  const { family, address: local, port: localPort, path: localPath } = address;
  return descriptorOf({ family, local, localPort, localPath }, before);
});

const connect = onSocket((event, before) => {
  const tuple = readTuple(event.cursor('tuple'));
  if (tuple !== undefined) return connected(before, tuple, false);
  const address = readAddress(event.cursor('addr'));
  if (address === undefined) return before;
  const { family, address: remote, port: remotePort, path } = address;
  const local = before.local || '\0'.repeat(remote.length);
  return descriptorOf({ family, local, remote, remotePort, path }, before);
});

const send = onSocket(
  (event, before) => connected(before, readTuple(event.cursor('tuple')), false),
  true,
);
const receive = onSocket(
  (event, before) => connected(before, readTuple(event.cursor('tuple')), true),
  true,
);

const accept: Handle = (translator, event, process) => {
  const fd = resultOf(event);
  const tuple = readTuple(event.cursor('tuple'));
  const descriptor = connected(descriptorOf({ type: 1 }), tuple, true);
  if (fd >= 0) translator.processes.open(process, fd, descriptor);
  writeSocket(translator, event, process, fd, descriptor);
};

export const SOCKET_CALLS: Readonly<Record<string, Handle>> = {
  socket,
  bind,
  connect,
  listen: onSocket((_event, before) => before),
  ...all(['accept', 'accept4'], accept),
  ...all(['sendto', 'sendmsg', 'sendmmsg'], send),
  ...all(['recvfrom', 'recvmsg', 'recvmmsg'], receive),
};
