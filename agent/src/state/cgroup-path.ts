import type { ByteString } from '../rules/field.ts';
import type { ContainerRuntime } from './container.ts';

/** A container as its cgroup's path tells it. */
export interface ContainerName {
  readonly runtime: ContainerRuntime;
  readonly fullId: ByteString;
  /** The path up to the component that names it. */
  readonly path: ByteString;
}

const ID = '([0-9a-f]{64})';

/** What one component of a path may be, most telling first. */
const COMPONENTS: readonly [RegExp, ContainerRuntime][] = [
  [new RegExp(`^libpod-(?:payload-)?${ID}(?:\\.scope)?$`), 'podman'],
  [new RegExp(`^docker-${ID}\\.scope$`), 'docker'],
  [new RegExp(`^crio-${ID}(?:\\.scope)?$`), 'cri-o'],
  [new RegExp(`^cri-containerd-${ID}\\.scope$`), 'containerd'],
  [new RegExp(`:cri-containerd:${ID}$`), 'containerd'],
  [new RegExp(`^nerdctl-${ID}\\.scope$`), 'containerd'],
  [/^lxc\.payload\.([^/]+)$/, 'lxc'],
  [/^([^/]+)\.libvirt-lxc$/, 'libvirt-lxc'],
  [/-lxc\\x2d([^/]+)\.scope$/, 'libvirt-lxc'],
  [/^bpm-([^/]+?)(?:\.scope)?$/, 'bpm'],
];

const BARE_ID = new RegExp(`^${ID}$`);
const TASK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Names that only mean something below a certain parent. */
function byParent(name: ByteString, parent: ByteString, grandparent: ByteString) {
  if (parent === 'lxc') return named(grandparent === 'libvirt' ? 'libvirt-lxc' : 'lxc', name);
  if (parent === 'lxc.payload') return named('lxc', name);
  if (parent === 'mesos' && TASK_ID.test(name)) return named('mesos', name);
  return undefined;
}

function named(runtime: ContainerRuntime, fullId: ByteString) {
  return { runtime, fullId };
}

/** The innermost container a cgroup path names, or undefined for the host's own groups. */
export function containerOfPath(path: ByteString): ContainerName | undefined {
  const components = path.split('/').filter((component) => component !== '');
  for (let i = components.length - 1; i >= 0; i--) {
    const name = components[i] ?? '';
    const found =
      byName(name, path) ?? byParent(name, components[i - 1] ?? '', components[i - 2] ?? '');
    if (found !== undefined) return { ...found, path: `/${components.slice(0, i + 1).join('/')}` };
  }
  return undefined;
}

function byName(name: ByteString, path: ByteString) {
  for (const [pattern, runtime] of COMPONENTS) {
    const id = pattern.exec(name)?.[1];
    if (id !== undefined) return named(runtime, id);
  }
  if (!BARE_ID.test(name)) return undefined;
  return named(path.includes('kubepods') ? 'containerd' : 'docker', name);
}

/** A container as names can only suggest it: it is one if `proof` is there. */
export interface Guess extends ContainerName {
  /** Below a folder of bundles if it is relative. */
  readonly proof: string;
}

/** What `ctr` names `/<namespace>/<id>`, and machines of systemd. */
export function guessOfPath(path: ByteString): Guess | undefined {
  const ofCtr = /^\/([A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)\/([^/]{1,64})(?=\/|$)/.exec(path);
  const [own = '', namespace = '', id = ''] = ofCtr ?? [];
  if (id !== '' && !/\.(?:service|slice|scope)$/.test(id))
    return { ...named('containerd', id), path: own, proof: `${namespace}/${id}` };
  const unit = /^.*\/systemd-nspawn@([A-Za-z0-9._\\-]{1,128})\.service(?=\/|$)/.exec(path);
  const machine = unit?.[1]?.replaceAll('\\x2d', '-');
  if (unit === null || machine === undefined || machine.includes('\\')) return undefined;
  const proof = `/run/systemd/machines/${machine}`;
  return { ...named('systemd-nspawn', machine), path: unit[0], proof };
}

/**
 * Whether a cgroup is where `linux.cgroupsPath` of a specification wants it: `/parent/id`, or `slice:prefix:name` for runtimes that
 * leave it to systemd. `anywhere`: below any other group, as seen from a cgroup namespace.
 */
export function isCgroupOf(path: ByteString, told: ByteString, anywhere = false): boolean {
  return wantedPaths(told).some((wanted) => path === wanted || (anywhere && path.endsWith(wanted)));
}

function wantedPaths(told: ByteString): ByteString[] {
  const plain = `/${told}`.replaceAll(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
  const [slice, prefix, name = '', ...more] = told.split(':');
  if (slice === undefined || prefix === undefined || name === '' || more.length > 0) return [plain];
  const unit = prefix === '' ? name : `${prefix}-${name}`;
  return [plain, `/${slicePath(slice || 'system.slice')}/${unit}.scope`];
}

/** `a-b.slice` lies in `a.slice`. */
function slicePath(slice: ByteString): ByteString {
  const words = slice.replace(/\.slice$/, '').split('-');
  return words.map((_, at) => `${words.slice(0, at + 1).join('-')}.slice`).join('/');
}
