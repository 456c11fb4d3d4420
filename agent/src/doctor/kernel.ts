import { readFileSync } from 'node:fs';
import { availableParallelism, freemem, release } from 'node:os';
import { probeNeeds } from '../probe/capabilities.ts';
import { openLiveProbe } from '../probe/live.ts';
import type { Probe, SkippedProgram } from '../probe/probe.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

const FINE: Readonly<Record<string, () => string>> = {
  platform: () => `Linux on ${process.arch}, ${availableParallelism()} processors`,
  'kernel version': release,
  'kernel types': () => 'the kernel tells its types (BTF)',
  lockdown: () => {
    const text = readText('/sys/kernel/security/lockdown');
    const mode = /\[(\w+)\]/.exec(text ?? '')?.[1];
    return mode === undefined ? 'no lockdown is known of' : `lockdown is '${mode}'`;
  },
  capabilities: () => 'the process may load eBPF programs',
  build: () => 'addon and programs are built and fit each other',
};

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** What the probe needs of the kernel, then a real load of it with a ring of so many bytes. */
export function kernelFindings(ringBytes: number): Finding[] {
  const needs = probeNeeds().map(([topic, problem]) =>
    problem === undefined
      ? ok(topic, FINE[topic]?.() ?? '')
      : failed(topic, problem.what, problem.remedy),
  );
  return [
    ...needs,
    ...privilegeFindings(),
    jitFinding(),
    ...unprivilegedFinding(),
    ringFinding(ringBytes),
    ...(needs.every(({ status }) => status === 'ok') ? trialFindings(ringBytes) : []),
  ];
}

/** By bit. Reading what belongs to others: their /proc, and the files of container runtimes. */
const WANTED = [
  ['CAP_SYS_PTRACE', 19n, 'the executable and folder of processes that run already'],
  ['CAP_DAC_READ_SEARCH', 2n, 'the files of container runtimes'],
] as const;

function effectiveCapabilities(): bigint {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status') ?? '')?.[1];
  return BigInt(`0x${hex ?? '0'}`);
}

const CAP_DAC_OVERRIDE = 1n;
const CAP_SYS_RESOURCE = 24n;

function privilegeFindings(): Finding[] {
  const effective = effectiveCapabilities();
  const has = (bit: bigint) => ((effective >> bit) & 1n) === 1n;
  return WANTED.filter(
    ([name, bit]) => !has(bit) && !(name === 'CAP_DAC_READ_SEARCH' && has(CAP_DAC_OVERRIDE)),
  ).map(([name, , what]) =>
    warning(
      'capabilities',
      `the process lacks ${name}: it cannot read ${what}`,
      `run it as root or add ${name}`,
    ),
  );
}

function jitFinding(): Finding {
  const enabled = readText('/proc/sys/net/core/bpf_jit_enable');
  if (enabled !== '0') return ok('eBPF compiler', 'programs run as machine code');
  return warning(
    'eBPF compiler',
    'the kernel interprets eBPF programs, which makes every watched call slower',
    'sysctl -w net.core.bpf_jit_enable=1',
  );
}

/** Whoever may load programs may also read or blind what this agent sees; where the kernel has such a setting. */
function unprivilegedFinding(): Finding[] {
  const disabled = readText('/proc/sys/kernel/unprivileged_bpf_disabled');
  if (disabled === undefined) return [];
  if (disabled !== '0') return [ok('unprivileged eBPF', 'only privileged users may load programs')];
  return [
    warning(
      'unprivileged eBPF',
      'every user may load eBPF programs, a common way to attack the kernel',
      'sysctl -w kernel.unprivileged_bpf_disabled=2',
    ),
  ];
}

/** Before 5.11 maps count as locked memory of the process; since then they count as memory of its cgroup. */
function ringFinding(ringBytes: number): Finding {
  const size = `${ringBytes / 1024 / 1024} MiB`;
  const limit = Number(
    /^Max locked memory\s+(\d+)/m.exec(readText('/proc/self/limits') ?? '')?.[1] ?? Infinity,
  );
  const [major = 0, minor = 0] = release().split(/[.-]/, 2).map(Number);
  const countsAsLocked = major < 5 || (major === 5 && minor < 11);
  const maySurpass = ((effectiveCapabilities() >> CAP_SYS_RESOURCE) & 1n) === 1n;
  if (countsAsLocked && !maySurpass && limit < 2 * ringBytes) {
    return failed(
      'ring buffer',
      `a ring of ${size} needs more locked memory than the ${limit} bytes allowed`,
      'raise it (ulimit -l unlimited, LimitMEMLOCK=infinity), or set a smaller agent.ring_bytes',
    );
  }
  if (ringBytes > freemem() / 2) {
    return warning(
      'ring buffer',
      `a ring of ${size} takes more than half of the free memory`,
      'set a smaller agent.ring_bytes',
    );
  }
  return ok('ring buffer', size);
}

/** Loads and attaches the probe as the agent would, watching nothing, and lets go of it. */
function trialFindings(ringBytes: number): Finding[] {
  const check = 'probe';
  let probe: Probe | undefined;
  const from = performance.now();
  try {
    probe = openLiveProbe({ syscalls: [], keepFailed: [], environment: false }, { ringBytes });
    const took = Math.round(performance.now() - from);
    return [
      ok(check, `the kernel takes the probe (${took} ms)`),
      ...probe.skipped.map(skippedFinding),
    ];
  } catch (error) {
    const [first = '', ...lines] = (error as Error).message.split('\n').filter(Boolean);
    const remedy =
      'run a newer kernel of your distribution, or report the lines below with your kernel version';
    return [{ ...failed(check, first, remedy), lines }];
  } finally {
    probe?.close();
  }
}

const WITHOUT: Readonly<Record<string, string>> = {
  ring_submitted: 'calls made through io_uring are not seen',
  cgroup_made: 'container facts come late',
  cgroup_removed: 'cgroups that are gone are forgotten late',
  cgroup_joined: 'container facts come late',
};

/** An optional program that is missing, with what is not seen for it. */
export function skippedFinding({ program, reason, log }: SkippedProgram): Finding {
  const lack = WITHOUT[program] ?? 'what it sees is not seen';
  return {
    ...warning(
      'probe',
      `the program ${program} is left out: ${reason}; ${lack}`,
      log === '' ? 'run a newer kernel' : 'report the lines below with your kernel version',
    ),
    ...(log !== '' && { lines: log.split('\n').filter(Boolean) }),
  };
}
