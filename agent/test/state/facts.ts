import type { ProcessFacts } from '../../src/state/proc-files.ts';
import { NO_USAGE } from '../../src/state/process.ts';

/** What /proc might tell of a process. */
export const facts = (
  tgid: number,
  ppid: number,
  more: Partial<ProcessFacts> = {},
): ProcessFacts => ({
  tgid,
  ppid,
  startTicks: 50,
  comm: `p${tgid}`,
  argv: `p${tgid}\0-x\0`,
  environment: '',
  exePath: `/bin/p${tgid}`,
  exeDeleted: false,
  cwd: '/',
  tty: 0,
  session: 1,
  processGroup: tgid,
  vpid: tgid,
  vprocessGroup: tgid,
  inPidNamespace: false,
  euid: 0,
  egid: 0,
  auditUid: 0xffffffff,
  capPermitted: 0n,
  capEffective: 0n,
  capInheritable: 0n,
  usage: NO_USAGE,
  stack: 0,
  ...more,
});
