import {
  EVENT_CALL,
  EVENT_CGROUP,
  EVENT_EXEC,
  EVENT_EXECFAIL,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_SOCKET,
} from '@tocsin/native';
import { socketFamily } from './endpoints.ts';
import { eventName } from './event-name.ts';
import { fdType } from './file-descriptor.ts';
import type { KernelEvent } from './kernel-event.ts';

/** Falco's categories of calls; those of reading and writing have that of what they read and write. */
const CATEGORIES: Readonly<Record<string, string>> = {
  file: `stat lstat fstat newfstatat statx access faccessat faccessat2 lseek getcwd readlink readlinkat statfs fstatfs ustat getdents
getdents64 flock fsync fdatasync sync syncfs fallocate fadvise64 setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr utimes futimesat utimensat copy_file_range userfaultfd`,
  net: 'socket bind connect listen accept accept4 shutdown getsockname getpeername setsockopt getsockopt',
  IPC: `pipe pipe2 socketpair eventfd eventfd2 futex inotify_init inotify_init1 inotify_add_watch inotify_rm_watch process_vm_readv
process_vm_writev mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgsnd msgrcv msgctl shmget shmat
shmdt shmctl fanotify_init tee vmsplice`,
  wait: 'poll ppoll select pselect6 epoll_wait epoll_pwait epoll_create epoll_create1 epoll_ctl wait4 waitid pause',
  signal: `kill tkill tgkill signalfd signalfd4 rt_sigaction rt_sigprocmask rt_sigqueueinfo rt_sigpending rt_sigtimedwait
rt_sigsuspend`,
  sleep: 'nanosleep clock_nanosleep sched_yield',
  time: `timerfd_create timerfd_settime timerfd_gettime timer_create timer_settime timer_gettime timer_getoverrun timer_delete
clock_settime clock_gettime clock_getres clock_adjtime settimeofday gettimeofday adjtimex time times alarm setitimer getitimer
utime`,
  process: `setns unshare ptrace chroot setsid setpgid capset capget prctl arch_prctl pidfd_open pidfd_getfd getrlimit setrlimit
prlimit semop semctl semget exit exit_group getpid gettid getppid getpgid getpgrp getsid getpriority setpriority getrusage umask
personality acct uselib ioprio_set ioprio_get sched_setparam sched_getparam sched_setscheduler sched_getscheduler
sched_setaffinity sched_getaffinity set_tid_address set_robust_list get_robust_list`,
  memory:
    'memfd_create mmap mprotect munmap mremap mincore madvise brk mlock mlock2 munlock mlockall munlockall',
  user: `setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups getgroups getuid geteuid getgid getegid
getresuid getresgid quotactl`,
  system: `fsconfig fsopen fsmount fspick open_tree move_mount mount_setattr pivot_root reboot syslog swapon swapoff sethostname
setdomainname uname sysinfo sysfs kexec_load kexec_file_load add_key request_key keyctl`,
  other: 'init_module finit_module delete_module bpf seccomp mknod mknodat',
};
const READS_OR_WRITES = new Set(
  `read readv pread preadv write writev pwrite pwritev sendfile sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg close dup
   dup2 dup3 fcntl ioctl splice io_uring_setup io_uring_enter io_uring_register`.split(/\s+/),
);

const categories = new Map(
  Object.entries(CATEGORIES).flatMap(([category, names]) =>
    names.split(/\s+/).map((name) => [name, category]),
  ),
);

/** Falco's category of an event. */
export function categoryOf(event: KernelEvent): string {
  switch (event.kind) {
    case EVENT_FORK:
    case EVENT_EXEC:
    case EVENT_EXECFAIL:
    case EVENT_EXIT:
    case EVENT_CGROUP:
      return 'process';
    default: {
      const name = eventName(event);
      if (READS_OR_WRITES.has(name)) return categoryOfFd(event);
      return categories.get(name) ?? (event.kind === EVENT_CALL ? 'other' : 'file');
    }
  }
}

function categoryOfFd(event: KernelEvent): string {
  if (event.kind === EVENT_SOCKET && socketFamily(event) === 0) return 'unknown';
  switch (fdType(event)) {
    case 'file':
    case 'directory':
      return 'file';
    case 'ipv4':
    case 'ipv6':
      return 'net';
    case 'pipe':
    case 'unix':
    case 'event':
    case 'signalfd':
    case 'inotify':
    case 'userfaultfd':
      return 'ipc';
    default:
      return 'unknown';
  }
}
