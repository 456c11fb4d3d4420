/** What the host told while events were recorded, as JSON that survives a round trip and is checked on the way back. */
import type { Account } from '../events/fields/context.ts';
import type { ByteString } from '../rules/field.ts';
import type { ContainerFacts } from '../state/container.ts';
import type { ProcessFacts } from '../state/proc-files.ts';
import type { Usage } from '../state/process.ts';

/** One thing the host told. Before `started` come those that were true at the start. */
export type Fact =
  | { readonly kind: 'process'; readonly facts: ProcessFacts }
  | { readonly kind: 'cgroup'; readonly id: number; readonly path: ByteString }
  | { readonly kind: 'membership'; readonly tgid: number; readonly text: ByteString }
  | { readonly kind: 'exists'; readonly path: string }
  | {
      readonly kind: 'container';
      readonly cgroupPath: ByteString;
      readonly runtime: string;
      readonly confirmed: boolean;
      /** Missing when nothing told of it. */
      readonly facts?: ContainerFacts | undefined;
    }
  | {
      readonly kind: 'accounts';
      /** Of the container; empty for the host. */
      readonly cgroupPath: ByteString;
      readonly users: readonly (Account & { readonly id: number })[];
      readonly groups: readonly { readonly id: number; readonly name: ByteString }[];
      /** Those told before stay. */
      readonly isAddition?: boolean;
    }
  | { readonly kind: 'clock'; readonly bootEpoch: bigint }
  /** Records are missing here because the file took too long. */
  | { readonly kind: 'lost'; readonly count: number }
  | { readonly kind: 'started' };

type Shape =
  | 'text'
  | 'number'
  | 'flag'
  | 'integer64'
  /** Text by text, as pairs. */
  | 'pairs'
  | { readonly list: Shape }
  | { readonly optional: Shape }
  | { readonly record: Readonly<Record<string, Shape>> };

const USAGE: Readonly<Record<keyof Usage, Shape>> = {
  fileLimit: 'number',
  majorFaults: 'number',
  minorFaults: 'number',
  virtualKilobytes: 'number',
  residentKilobytes: 'number',
  swappedKilobytes: 'number',
};

const PROCESS: Readonly<Record<keyof ProcessFacts, Shape>> = {
  tgid: 'number',
  ppid: 'number',
  startTicks: 'number',
  comm: 'text',
  argv: 'text',
  environment: 'text',
  exePath: 'text',
  exeDeleted: 'flag',
  cwd: 'text',
  tty: 'number',
  session: 'number',
  processGroup: 'number',
  vpid: 'number',
  vprocessGroup: 'number',
  inPidNamespace: 'flag',
  euid: 'number',
  egid: 'number',
  auditUid: 'number',
  capPermitted: 'integer64',
  capEffective: 'integer64',
  capInheritable: 'integer64',
  usage: { record: USAGE },
  stack: 'number',
};

const MOUNT: Shape = {
  record: {
    source: 'text',
    destination: 'text',
    mode: 'text',
    writable: 'flag',
    propagation: 'text',
  },
};

const CONTAINER: Readonly<Record<keyof ContainerFacts, Shape>> = {
  name: { optional: 'text' },
  image: { optional: 'text' },
  imageName: { optional: 'text' },
  imageId: { optional: 'text' },
  imageDigest: { optional: 'text' },
  privileged: { optional: 'flag' },
  mounts: { optional: { list: MOUNT } },
  labels: { optional: 'pairs' },
  environment: { optional: { list: 'text' } },
  hostPid: { optional: 'flag' },
  hostNetwork: { optional: 'flag' },
  hostIpc: { optional: 'flag' },
  ip: { optional: 'text' },
  cni: { optional: 'text' },
  root: { optional: 'text' },
  healthcheck: { optional: 'text' },
  livenessProbe: { optional: 'text' },
  readinessProbe: { optional: 'text' },
  podName: { optional: 'text' },
  podNamespace: { optional: 'text' },
  podUid: { optional: 'text' },
  podSandboxId: { optional: 'text' },
  podLabels: { optional: 'pairs' },
};

const SHAPES: Readonly<Record<Fact['kind'], Readonly<Record<string, Shape>>>> = {
  process: { facts: { record: PROCESS } },
  cgroup: { id: 'number', path: 'text' },
  membership: { tgid: 'number', text: 'text' },
  exists: { path: 'text' },
  container: {
    cgroupPath: 'text',
    runtime: 'text',
    confirmed: 'flag',
    facts: { optional: { record: CONTAINER } },
  },
  accounts: {
    cgroupPath: 'text',
    users: { list: { record: { id: 'number', name: 'text', home: 'text', shell: 'text' } } },
    groups: { list: { record: { id: 'number', name: 'text' } } },
    isAddition: { optional: 'flag' },
  },
  clock: { bootEpoch: 'integer64' },
  lost: { count: 'number' },
  started: {},
};
const shapes = new Map<string, Readonly<Record<string, Shape>>>(Object.entries(SHAPES));

/** A fact as JSON. */
export function encodeFact(fact: Fact): string {
  return JSON.stringify(fact, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Map ? [...value] : value;
  });
}

/** A fact of JSON; undefined when it is none, or one this version does not know. */
export function decodeFact(text: string): Fact | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { kind } = isObject(value) ? value : {};
  const shape = typeof kind === 'string' ? shapes.get(kind) : undefined;
  const members = shape && decode({ record: shape }, value);
  return members === WRONG || members === undefined
    ? undefined
    : ({ ...(members as object), kind } as Fact);
}

/** Longer texts are cut: all that is read from /proc is shorter. */
const TEXT_LIMIT = 16 * 1024;

const WRONG = Symbol('not of that shape');

// biome-ignore lint/suspicious/noControlCharactersInRegex: a byte string may hold any byte.
const BYTES = /^[\x00-\xff]*$/;

function decode(shape: Shape, value: unknown): unknown {
  switch (shape) {
    case 'text':
      return typeof value === 'string' && BYTES.test(value) ? value.slice(0, TEXT_LIMIT) : WRONG;
    case 'number':
      return Number.isSafeInteger(value) ? value : WRONG;
    case 'flag':
      return typeof value === 'boolean' ? value : WRONG;
    case 'integer64':
      return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : WRONG;
    case 'pairs':
      return decodePairs(value);
  }
  if ('optional' in shape) return value === undefined ? undefined : decode(shape.optional, value);
  if ('list' in shape) return decodeList(shape.list, value);
  return decodeRecord(shape.record, value);
}

function decodePairs(value: unknown): unknown {
  const pairs = decodeList({ list: 'text' }, value) as readonly string[][] | typeof WRONG;
  if (pairs === WRONG || pairs.some((pair) => pair.length !== 2)) return WRONG;
  return new Map(pairs as [string, string][]);
}

function decodeList(shape: Shape, value: unknown): unknown {
  if (!Array.isArray(value)) return WRONG;
  const items = value.map((item) => decode(shape, item));
  return items.includes(WRONG) ? WRONG : items;
}

/** Members that the shape does not have are left out: a later version may tell more. */
function decodeRecord(shape: Readonly<Record<string, Shape>>, value: unknown): unknown {
  if (!isObject(value)) return WRONG;
  const record: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(shape)) {
    const decoded = decode(member, Object.hasOwn(value, name) ? value[name] : undefined);
    if (decoded === WRONG) return WRONG;
    if (decoded !== undefined) record[name] = decoded;
  }
  return record;
}

function isObject(value: unknown): value is Record<string, unknown> & { kind?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
