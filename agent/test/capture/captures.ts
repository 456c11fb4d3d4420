import type { Alert } from '@tocsin/openapi';
import type { Fact } from '../../src/capture/facts.ts';
import type { CaptureHead, CaptureSink } from '../../src/capture/format.ts';
import type { CaptureEnd } from '../../src/capture/parser.ts';
import { readCapture } from '../../src/capture/read-capture.ts';
import { CaptureWriter } from '../../src/capture/writer.ts';
import { Replay } from '../../src/engine/replay.ts';
import { EVENT_ABI, RECORD_LAYOUTS } from '../../src/events/layout.ts';
import type { ProcessFacts } from '../../src/state/proc-files.ts';

export const HEAD: CaptureHead = {
  id: 'test',
  version: '0.0.0',
  abi: EVENT_ABI,
  layouts: RECORD_LAYOUTS,
  arch: process.arch,
  kernel: '6.1.0',
  hostname: 'recorded-host',
  cgroupHierarchy: '/sys/fs/cgroup',
  bootEpoch: 1_700_000_000_000_000_000n,
  environment: true,
};

/** A capture of facts and records in this order, as bytes. */
export async function capture(
  parts: readonly (Buffer | Fact)[],
  { head = HEAD, blockOf = 100 }: { head?: CaptureHead; blockOf?: number } = {},
): Promise<Buffer> {
  const written: Buffer[] = [];
  const writer = new CaptureWriter(
    {
      write: async (bytes) => {
        written.push(bytes);
      },
    },
    head,
  );
  for (const [index, part] of parts.entries()) {
    if (Buffer.isBuffer(part)) writer.record(part);
    else writer.fact(part);
    if (index % blockOf === blockOf - 1) writer.flush();
  }
  await writer.close([]);
  return Buffer.concat(written);
}

/** Bytes in pieces of a size, as a file or a pipe gives them. */
export async function* pieces(bytes: Buffer, size = 1000): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A sink that keeps all it is given. */
export class Collector implements CaptureSink {
  heads: CaptureHead[] = [];
  facts: Fact[] = [];
  records: Buffer[] = [];
  #bytes: Buffer = Buffer.alloc(0);

  head(head: CaptureHead): void {
    this.heads.push(head);
  }

  fact(fact: Fact): void {
    this.facts.push(fact);
  }

  use(bytes: Buffer): void {
    this.#bytes = bytes;
  }

  record(offset: number, length: number): void {
    this.records.push(Buffer.from(this.#bytes.subarray(offset, offset + length)));
  }
}

/** Alerts of rules, given as YAML, over a capture. */
export async function replayed(
  bytes: Buffer,
  rules: string,
): Promise<{ alerts: Alert[]; warnings: readonly string[]; end: CaptureEnd }> {
  const alerts: Alert[] = [];
  const replay = new Replay({
    rules: { files: [{ name: 'rules.yaml', content: rules }], matching: 'all' },
    onAlert: (alert) => alerts.push(alert),
  });
  const end = await readCapture(pieces(bytes), replay);
  replay.end();
  return { alerts, warnings: [...replay.warnings, ...end.warnings], end };
}

export const PROCESS: ProcessFacts = {
  tgid: 100,
  ppid: 1,
  startTicks: 50,
  comm: 'bash',
  argv: 'bash\0-i\0',
  environment: 'A=1\0B=2\0',
  exePath: '/usr/bin/bash',
  exeDeleted: false,
  cwd: '/srv',
  tty: 34816,
  session: 100,
  processGroup: 100,
  vpid: 100,
  vprocessGroup: 100,
  inPidNamespace: false,
  euid: 1000,
  egid: 1000,
  auditUid: 1000,
  capPermitted: 0n,
  capEffective: (1n << 41n) - 1n,
  capInheritable: 0n,
  stack: 0x7ffd_0000_1000,
  usage: {
    fileLimit: 1024,
    majorFaults: 1,
    minorFaults: 250,
    virtualKilobytes: 9000,
    residentKilobytes: 3000,
    swappedKilobytes: 12,
  },
};
