import { ALL_SYSCALLS, syscallName, syscallsOf } from '../events/event-name.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { openClassesOf } from '../events/open-classes.ts';
import type { Interest } from '../probe/probe.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';
import { STATE_CALLS } from '../state/call-effects.ts';

/** What compiled rules tell of themselves. */
export type RuleNeeds = Pick<
  CompiledRules<KernelEvent>,
  'eventTypes' | 'wantsFailures' | 'couldMatch' | 'usesField'
>;

/** Read from the environment of processes; recording it costs. */
const ENVIRONMENT_FIELDS = FIELD_DEFINITIONS.map(({ name }) => name).filter((name) =>
  /^(?:proc\.a?env$|mesos\.|marathon\.)/.test(name),
);

/**
 * The least the probe must record for these rules: their own types, and calls that change what they read. Without pushdown
 * every event of those types, that failed or of whatever class.
 */
export function interestOf(rules: RuleNeeds, pushdown = true): Interest {
  const state = STATE_CALLS.filter(({ fields }) => fields.some((name) => rules.usesField(name)));
  const types = new Set([...rules.eventTypes, ...state.flatMap(({ calls }) => calls)]);
  const failing = [...rules.eventTypes].filter((type) => !pushdown || rules.wantsFailures(type));
  return {
    syscalls: syscallsOf(types),
    keepFailed: syscallsOf(failing),
    openClasses: pushdown ? openClassesOf(rules) : [],
    environment: ENVIRONMENT_FIELDS.some((name) => rules.usesField(name)),
  };
}

/** What programs do all the time and no rule of the field looks at: moving bytes, waiting, memory, clocks, asking. */
const EVERYDAY = new RegExp(
  `^(?:${[
    ...[
      'p?read(?:v2?|64)?',
      'preadv2',
      'p?write(?:v2?|64)?',
      'pwritev2',
      'l?seek',
      'close',
      'close_range',
    ],
    ...[
      '[fl]?stat',
      'statx',
      'newfstatat',
      'f?statfs',
      'f?access(?:at2?)?',
      'readlink(?:at)?',
      'getdents(?:64)?',
    ],
    ...[
      'poll',
      'ppoll',
      'select',
      'pselect6',
      'epoll_.*',
      'futex.*',
      'set_robust_list',
      'get_robust_list',
    ],
    ...[
      'mmap',
      'munmap',
      'mremap',
      'mprotect',
      'madvise',
      'msync',
      'mincore',
      'brk',
      'membarrier',
      'rseq',
    ],
    ...[
      'rt_sig.*',
      'sigaltstack',
      'restart_syscall',
      'pause',
      'wait4',
      'waitid',
      'exit',
      'exit_group',
    ],
    ...[
      'nanosleep',
      'clock_.*',
      'time',
      'times',
      'gettimeofday',
      'timer_.*',
      'timerfd_.*',
      '[gs]etitimer',
      'alarm',
    ],
    ...[
      'sched_.*',
      'get.*',
      'uname',
      'sysinfo',
      'umask',
      'ioctl',
      'fcntl',
      'pipe2?',
      'arch_prctl',
      'set_tid_address',
    ],
    ...[
      'fsync',
      'fdatasync',
      'fadvise64',
      'sendfile',
      'splice',
      'tee',
      'copy_file_range',
      'readahead',
      'flock',
    ],
    ...[
      '[gs]etsockopt',
      'shutdown',
      'eventfd2?',
      'inotify_.*',
      'io_getevents',
      'io_submit',
      'io_uring_enter',
    ],
    ...['fallocate', 'prlimit64', 'setrlimit', 'landlock_.*', '[a-z]*getxattr', '[a-z]*listxattr'],
  ].join('|')})$`,
);

/** What any rule may need, failed calls too: every call that is not an everyday one, or every call there is. */
export function recordableInterest(everyCall: boolean): Interest {
  const syscalls = ALL_SYSCALLS.filter(
    (number) => everyCall || !EVERYDAY.test(syscallName(number) ?? ''),
  );
  return { syscalls, keepFailed: syscalls, environment: true };
}
