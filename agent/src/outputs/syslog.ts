import { type Priority, severityOf } from '@tocsin/openapi';
import type { Output, OutputLog } from './output.ts';
import { openProgram } from './program.ts';
import { toTextLine } from './text-line.ts';

/** The facility `user` of syslog(3), where Falco writes too. */
const USER_FACILITY = 1;
const LOGGER = [
  'logger',
  '--tag=tocsin',
  '--id',
  '--prio-prefix',
  '--size=64KiB',
  '--socket-errors=on',
];

/** Text lines in the local syslog. Node has no datagram sockets on the file system, so logger(1) of util-linux writes them. */
export function openSyslog(log: OutputLog): Output {
  return openProgram(
    'syslog',
    LOGGER,
    ({ alert }) =>
      `<${USER_FACILITY * 8 + severityOf(alert.priority as Priority)}>${toTextLine(alert)}`,
    log,
  );
}
