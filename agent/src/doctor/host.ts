import { accessSync, constants, existsSync, readFileSync, readlinkSync } from 'node:fs';
import { currentHierarchy } from '../probe/capabilities.ts';
import { DEFAULT_PATHS } from '../state/runtimes/lookup.ts';
import { type Finding, failed, ok, warning } from './finding.ts';
import { readText } from './kernel.ts';

/** How the host looks from where the agent runs. `dockerSocket` is the configured one. */
export function hostFindings(dockerSocket?: string): Finding[] {
  return [
    procFinding(),
    cgroupFinding(),
    tracefsFinding(),
    runtimeFinding(dockerSocket),
    clockFinding(),
  ];
}

/** Inode numbers of the first namespaces, the same on every kernel. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
const FIRST_CGROUP_NAMESPACE = 'cgroup:[4026531835]';

const namespace = (kind: string) => {
  try {
    return readlinkSync(`/proc/self/ns/${kind}`);
  } catch {
    return undefined;
  }
};

const mounts = () =>
  (readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '));

function procFinding(): Finding {
  const check = 'processes';
  const pid = namespace('pid');
  if (pid === undefined)
    return failed(check, '/proc does not show this process', 'mount /proc of the host');
  if (pid !== FIRST_PID_NAMESPACE) {
    return warning(
      check,
      'the agent runs in a pid namespace: /proc does not show the processes of the host',
      'run its container with the pid namespace of the host (--pid=host, hostPID: true)',
    );
  }
  const options = mounts().find(([, at]) => at === '/proc')?.[3] ?? '';
  const hides = /hidepid=(\w+)/.exec(options)?.[1];
  if (hides !== undefined && !['0', 'off'].includes(hides) && process.getuid?.() !== 0) {
    return warning(
      check,
      `/proc hides the processes of others (hidepid=${hides})`,
      'run the agent as root, or mount /proc with gid= of a group the agent is in',
    );
  }
  return ok(check, '/proc shows the processes of the host');
}

function cgroupFinding(): Finding {
  const check = 'cgroups';
  const { mount, controller } = currentHierarchy();
  const kinds = new Set(mounts().map(([, , type]) => type));
  if (!kinds.has('cgroup') && !kinds.has('cgroup2')) {
    return warning(
      check,
      'no cgroup hierarchy is mounted: containers cannot be told apart',
      'mount -t cgroup2 none /sys/fs/cgroup',
    );
  }
  if (namespace('cgroup') !== FIRST_CGROUP_NAMESPACE) {
    return warning(
      check,
      'the agent runs in a cgroup namespace: cgroups of the host are not all seen',
      'run its container with the cgroup namespace of the host (--cgroupns=host)',
    );
  }
  const version = !kinds.has('cgroup') ? 'v2' : kinds.has('cgroup2') ? 'hybrid v1 and v2' : 'v1';
  const which = controller === '' ? 'the unified hierarchy' : `the controller ${controller}`;
  return ok(check, `${version}; containers are told by ${which} at ${mount}`);
}

/** The probe attaches by the kernel's types, so that neither tracefs nor kprobes have to be there. */
function tracefsFinding(): Finding {
  const at = mounts().find(([, , type]) => type === 'tracefs')?.[1];
  const where = at === undefined ? 'not mounted' : `mounted at ${at}`;
  return ok('tracefs', `${where}; the probe does not need it`);
}

function runtimeFinding(dockerSocket = DEFAULT_PATHS.dockerSocket): Finding {
  const check = 'container runtimes';
  const places = [
    ['Docker', dockerSocket],
    ...DEFAULT_PATHS.dockerRoots.map((path) => ['Docker', path] as const),
    ...DEFAULT_PATHS.taskRoots.map((path) => ['containerd', path] as const),
    ...DEFAULT_PATHS.storageRoots.map((path) => ['Podman or CRI-O', path] as const),
  ] as const;
  const found = places.filter(([, path]) => existsSync(path));
  const closed = found.filter(([, path]) => !isReadable(path));
  const list = (some: typeof found) => some.map(([name, path]) => `${name} (${path})`).join(', ');
  if (closed.length > 0) {
    return warning(
      check,
      `these cannot be read: ${list(closed)}; images and names of containers stay unknown`,
      'run the agent as root, or mount these places into its container',
    );
  }
  return ok(check, found.length === 0 ? 'none found' : list(found));
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

const UNSTEADY = ['jiffies', 'refined-jiffies'];
/** No host is older than this program: 2026-01-01. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);

/** The clocks of this host alone; how it stands to the control plane's is looked at with that. */
function clockFinding(): Finding {
  const check = 'clock';
  const source = readText('/sys/devices/system/clocksource/clocksource0/current_clocksource');
  if (Date.now() < EARLIEST_MS) {
    return failed(
      check,
      `the clock says ${new Date().toISOString()}`,
      'set it, for instance by NTP: signatures and certificates depend on it',
    );
  }
  if (source !== undefined && UNSTEADY.includes(source)) {
    return warning(
      check,
      `the kernel's clock source is ${source}, which is coarse: times of events will be too`,
      'look into the kernel log why no better clock source is used',
    );
  }
  const boot = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  const asleep = boot - Number(process.hrtime.bigint() / 1_000_000n) / 1000;
  const note = asleep > 1 ? `; ${Math.round(asleep)} s of its uptime the host slept` : '';
  return ok(check, `${new Date().toISOString()}, clock source ${source ?? 'unknown'}${note}`);
}
