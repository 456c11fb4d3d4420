import { RE2JS } from 're2js';
import type { ByteString, Extractor, Value } from '../../rules/field.ts';
import type { Container, ContainerFacts, Mount } from '../../state/container.ts';
import type { HealthProbe } from '../../state/health-probes.ts';
import { type ImageReference, parseImageReference } from '../../state/image-reference.ts';
import { probeCommand } from '../health-probe.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { type Binder, integer, plain, podOf } from './context.ts';
import { labelText } from './labels.ts';

/** A fact of the container; `host` is what the host has instead. */
function fact(
  read: (facts: ContainerFacts, container: Container) => Value | undefined,
  host?: Value,
): Extractor<KernelEvent> {
  return ({ container }) => {
    if (container.isHost) return host;
    return container.facts && read(container.facts, container);
  };
}

function image(part: keyof ImageReference): Extractor<KernelEvent> {
  return fact((facts) => {
    const reference = facts.imageName ?? facts.image;
    if (reference === undefined) return undefined;
    const value = parseImageReference(reference)[part];
    return part === 'digest' ? (facts.imageDigest ?? value) : value;
  }, '');
}

const mountText = (mount: Mount): ByteString =>
  [mount.source, mount.destination, mount.mode, String(mount.writable), mount.propagation].join(
    ':',
  );

/** One mount: by position, or the first whose `key` part matches a pattern anywhere. */
function mount(key: 'source' | 'destination', read: (mount: Mount) => ByteString): Binder {
  return (_context, argument) => {
    if (argument === undefined) return undefined;
    if (/^\d+$/.test(argument)) {
      return fact(({ mounts }) => {
        const one = mounts?.[Number(argument)];
        return one && read(one);
      });
    }
    const pattern = compile(argument);
    if (pattern === undefined) return undefined;
    return fact(({ mounts }) => {
      const one = mounts?.find((candidate) => pattern.matcher(candidate[key]).find());
      return one && read(one);
    });
  };
}

function compile(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}

const containerStart: Binder =
  (context) =>
  ({ container }) =>
    container.initStartTime === 0n
      ? undefined
      : integer(container.initStartTime + context.bootEpoch());

/** The command of a probe as a line. */
const probe =
  (kind: HealthProbe): Binder =>
  (context) =>
    fact((facts) => probeCommand(facts, podOf(context, facts), kind)?.replaceAll('\0', ' '));

export const containerFields: readonly [string, Binder][] = [
  ...plain({
    'container.id': ({ container }) => container.id,
    'container.full_id': ({ container }) => container.fullId,
    'container.type': ({ container }) => container.runtime,
    'container.name': fact(({ name }) => name, 'host'),
    'container.image': fact((facts) => facts.image, ''),
    'container.image.id': fact(({ imageId }) => imageId, ''),
    'container.image.repository': image('repository'),
    'container.image.tag': image('tag'),
    'container.image.digest': image('digest'),
    'container.privileged': fact(({ privileged }) => privileged, false),
    'container.mounts': fact(({ mounts }) => mounts?.map(mountText).join(','), ''),
    'container.labels': fact(({ labels }) => labelText(labels)),
    'container.ip': fact(({ ip }) => ip),
    'container.cni.json': fact(({ cni }) => cni),
    'container.unconfirmed': ({ container }) => !container.isHost && !container.confirmed,
    'container.host_pid': fact(({ hostPid }) => hostPid),
    'container.host_network': fact(({ hostNetwork }) => hostNetwork),
    'container.host_ipc': fact(({ hostIpc }) => hostIpc),
    'container.duration': (event) =>
      event.container.initStartTime === 0n
        ? undefined
        : integer(event.time - event.container.initStartTime),
  }),
  ['container.healthcheck', probe('healthcheck')],
  ['container.liveness_probe', probe('livenessProbe')],
  ['container.readiness_probe', probe('readinessProbe')],
  ['container.start_ts', containerStart],
  [
    'container.label',
    (_context, key) => (key === undefined ? undefined : fact(({ labels }) => labels?.get(key))),
  ],
  ['container.mount', mount('source', mountText)],
  ['container.mount.source', mount('destination', (one) => one.source)],
  ['container.mount.dest', mount('source', (one) => one.destination)],
  ['container.mount.mode', mount('source', (one) => one.mode)],
  ['container.mount.rdwr', mount('source', (one) => String(one.writable))],
  ['container.mount.propagation', mount('source', (one) => one.propagation)],
];
