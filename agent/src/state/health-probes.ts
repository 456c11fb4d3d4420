/** How a container is to be asked whether it is well, as runtimes and orchestrators tell it. */
import type { ByteString } from '../rules/field.ts';
import { elements, type Json, member, text, texts } from './runtimes/json-value.ts';

export type HealthProbe = 'healthcheck' | 'livenessProbe' | 'readinessProbe';

/** argv of probes, words separated by NUL. */
export type HealthProbes = Readonly<Partial<Record<HealthProbe, ByteString>>>;

/** Where `kubectl apply` leaves what it was given, which Kubernetes hands on to Docker as a label. */
const APPLIED = 'annotation.kubectl.kubernetes.io/last-applied-configuration';
const COMMAND_LIMIT = 64 * 1024;

/** A health check of Docker: `["CMD", "curl", …]`, `["CMD-SHELL", "curl …"]` or `["NONE"]`. */
export function healthcheckOf(test: readonly ByteString[]): ByteString | undefined {
  const [form, ...words] = test;
  if (form === undefined) return undefined;
  if (form === 'CMD-SHELL') return ['/bin/sh', '-c', ...words].join('\0');
  return form === 'CMD' ? words.join('\0') : form;
}

/** Probes of the container that a specification of Kubernetes describes, when they are commands. */
function probesOf(container: Json): HealthProbes {
  const command = (probe: string) =>
    texts(member(container, probe, 'exec', 'command'))
      .join('\0')
      .slice(0, COMMAND_LIMIT);
  const [livenessProbe, readinessProbe] = ['livenessProbe', 'readinessProbe'].map(command);
  return { ...(livenessProbe && { livenessProbe }), ...(readinessProbe && { readinessProbe }) };
}

/** Probes by container of a pod. */
export function probesByContainer(pod: Json): ReadonlyMap<ByteString, HealthProbes> {
  return new Map(
    elements(member(pod, 'spec', 'containers')).flatMap((one) => {
      const name = text(member(one, 'name'));
      return name === undefined ? [] : [[name, probesOf(one)] as const];
    }),
  );
}

/** Probes of a container by its labels. */
export function probesOfLabels(
  labels: ReadonlyMap<ByteString, ByteString> | undefined,
): HealthProbes {
  const applied = labels?.get(APPLIED);
  if (applied === undefined) return {};
  try {
    const pod: Json = JSON.parse(Buffer.from(applied, 'latin1').toString('utf8'));
    const all = probesByContainer(pod);
    const name = labels?.get('io.kubernetes.container.name');
    return (name === undefined ? undefined : all.get(name)) ?? [...all.values()][0] ?? {};
  } catch {
    return {};
  }
}
