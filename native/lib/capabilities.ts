/** What this machine lacks to run the probe, in words for people. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { release } from 'node:os';
import { isBuilt, loadBinding } from './binding.ts';
import { EVENT_ABI } from './layout.ts';

/** What is looked at, in this order. */
export const CAPABILITY_TOPICS = [
  'platform',
  'kernel version',
  'kernel types',
  'lockdown',
  'capabilities',
  'build',
] as const;
export type CapabilityTopic = (typeof CAPABILITY_TOPICS)[number];

export interface CapabilityProblem {
  readonly topic: CapabilityTopic;
  /** What is missing. */
  readonly what: string;
  /** How to get it. */
  readonly remedy: string;
}

export interface ProbeCapabilities {
  readonly ok: boolean;
  readonly problems: readonly CapabilityProblem[];
  readonly kernel: string;
  /** Whether submissions through io_uring can be seen. */
  readonly ioUring: boolean;
}

const MINIMUM_KERNEL = [5, 8] as const;
const BTF = '/sys/kernel/btf/vmlinux';
const BTF_MAGIC = 0xeb9f;

/** Capabilities by bit: what is needed and why. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON. */
const CAP_SYS_ADMIN = 21n;
const NEEDED = [
  { name: 'CAP_BPF', bit: 39n },
  { name: 'CAP_PERFMON', bit: 38n },
] as const;

/** Looks; never throws and changes nothing. */
export function probeCapabilities(): ProbeCapabilities {
  const kernel = release();
  const problems = [
    platformProblem(),
    kernelProblem(kernel),
    btfProblem(),
    lockdownProblem(),
    privilegeProblem(),
    buildProblem(),
  ].filter((problem) => problem !== undefined);
  return { ok: problems.length === 0, problems, kernel, ioUring: hasIoUring() };
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

function platformProblem(): CapabilityProblem | undefined {
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return undefined;
  return {
    topic: 'platform',
    what: `this is ${process.platform} on ${process.arch}`,
    remedy: 'the probe runs on Linux on x86-64 and arm64',
  };
}

function kernelProblem(kernel: string): CapabilityProblem | undefined {
  const [major = 0, minor = 0] = kernel.split(/[.-]/, 2).map(Number);
  if (major > MINIMUM_KERNEL[0] || (major === MINIMUM_KERNEL[0] && minor >= MINIMUM_KERNEL[1]))
    return undefined;
  return {
    topic: 'kernel version',
    what: `the kernel is ${kernel}`,
    remedy: `the probe needs Linux ${MINIMUM_KERNEL.join('.')} or newer`,
  };
}

function btfProblem(): CapabilityProblem | undefined {
  const fault = btfFault();
  if (!fault) return undefined;
  return {
    topic: 'kernel types',
    what: `the kernel tells no types: ${BTF} ${fault}`,
    remedy: 'run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the distributions do',
  };
}

/** Something else may be mounted over the file, as in a container: only its first bytes tell that it is BTF. */
function btfFault(): string | undefined {
  try {
    const fd = openSync(BTF, 'r');
    try {
      const magic = Buffer.alloc(2);
      readSync(fd, magic);
      const isBtf = [magic.readUInt16LE(), magic.readUInt16BE()].includes(BTF_MAGIC);
      return isBtf ? undefined : 'holds none';
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'is missing' : `cannot be read (${code})`;
  }
}

function lockdownProblem(): CapabilityProblem | undefined {
  if (!read('/sys/kernel/security/lockdown')?.includes('[confidentiality]')) return undefined;
  return {
    topic: 'lockdown',
    what: 'the kernel is locked down for confidentiality, which forbids eBPF to read kernel memory',
    remedy: 'boot with lockdown=integrity or without Secure Boot lockdown',
  };
}

function privilegeProblem(): CapabilityProblem | undefined {
  const effective = read('/proc/self/status')?.match(/^CapEff:\s*([0-9a-f]+)$/m)?.[1];
  const topic = 'capabilities';
  if (!effective) return { topic, what: '/proc/self/status cannot be read', remedy: 'mount /proc' };
  const has = (bit: bigint) => ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
  const missing = has(CAP_SYS_ADMIN) ? [] : NEEDED.filter(({ bit }) => !has(bit));
  if (missing.length === 0) return undefined;
  return {
    topic,
    what: `the process lacks ${missing.map(({ name }) => name).join(' and ')}`,
    remedy: 'run it as root, or in a container with these capabilities',
  };
}

function buildProblem(): CapabilityProblem | undefined {
  const topic = 'build';
  const remedy = "run 'make build'";
  if (!isBuilt()) return { topic, what: 'the probe is not built', remedy };
  try {
    const { abi } = loadBinding();
    return abi === EVENT_ABI
      ? undefined
      : { topic, what: `the addon was built for record version ${abi}, not ${EVENT_ABI}`, remedy };
  } catch (error) {
    return { topic, what: `the addon cannot be loaded: ${(error as Error).message}`, remedy };
  }
}

/** The type names of the kernel hold the tracepoint's, as plain text. */
function hasIoUring(): boolean {
  try {
    return readFileSync(BTF).includes('btf_trace_io_uring_submit_req');
  } catch {
    return false;
  }
}
