/**
 * Numbers to names as Falco prints them: the order, the spelling and the numbers of its own flag words are part of what rules
 * compare with.
 */

type Table = readonly (readonly [number, string])[];

/** Names of the bits, joined with `|`; the number itself when no name fits. */
export function flagText(table: Table, value: number): string {
  let left = value;
  let text = '';
  for (const [bits, name] of table) {
    const fits = bits === 0 ? value === 0 : (left & bits) === bits;
    if (!fits) continue;
    text = text === '' ? name : `${text}|${name}`;
    if (bits === value) break;
    left &= ~bits;
  }
  return text === '' ? String(value) : text;
}

/** The name of an enumerated value; `fallback` when it has none. */
export function enumText(
  table: ReadonlyMap<number, string>,
  value: number,
  fallback?: string,
): string {
  return table.get(value) ?? fallback ?? String(value);
}

function enumeration(names: string, prefix = '', from = 0): [number, string][] {
  return names
    .trim()
    .split(/\s+/)
    .map((name, i): [number, string] => [
      from + i,
      name
        .split('|')
        .map((one) => prefix + one)
        .join('|'),
    ])
    .filter(([, name]) => name !== `${prefix}-`);
}

function bitNames(names: string, prefix = ''): Table {
  return enumeration(names, prefix).map(([bit, name]) => [(2 ** bit) | 0, name] as const);
}

/** Bits of the `flags` word Falco shows for opens. */
export const FILE_FLAG = {
  READ: 1,
  WRITE: 2,
  CREAT: 4,
  APPEND: 8,
  DSYNC: 16,
  EXCL: 32,
  NONBLOCK: 64,
  SYNC: 128,
  TRUNC: 256,
  DIRECT: 512,
  DIRECTORY: 1024,
  LARGEFILE: 2048,
  CLOEXEC: 4096,
  TMPFILE: 8192,
  CREATED: 1 << 14,
  UPPER: 1 << 15,
  LOWER: 1 << 16,
} as const;

export const FILE_FLAGS: Table = [
  [FILE_FLAG.LARGEFILE, 'O_LARGEFILE'],
  [FILE_FLAG.DIRECTORY, 'O_DIRECTORY'],
  [FILE_FLAG.DIRECT, 'O_DIRECT'],
  [FILE_FLAG.TRUNC, 'O_TRUNC'],
  [FILE_FLAG.SYNC, 'O_SYNC'],
  [FILE_FLAG.NONBLOCK, 'O_NONBLOCK'],
  [FILE_FLAG.EXCL, 'O_EXCL'],
  [FILE_FLAG.DSYNC, 'O_DSYNC'],
  [FILE_FLAG.APPEND, 'O_APPEND'],
  [FILE_FLAG.CREAT, 'O_CREAT'],
  [FILE_FLAG.READ | FILE_FLAG.WRITE, 'O_RDWR'],
  [FILE_FLAG.WRITE, 'O_WRONLY'],
  [FILE_FLAG.READ, 'O_RDONLY'],
  [FILE_FLAG.CLOEXEC, 'O_CLOEXEC'],
  [0, 'O_NONE'],
  [FILE_FLAG.TMPFILE, 'O_TMPFILE'],
  [FILE_FLAG.CREATED, 'O_F_CREATED'],
  [FILE_FLAG.UPPER, 'FD_UPPER_LAYER'],
  [FILE_FLAG.LOWER, 'FD_LOWER_LAYER'],
];

/** O_* of the generic numbering; the four that differ between architectures are given for x86 and ARM. */
const ARM = process.arch === 'arm64';
export const OPEN = {
  ACCESS: 3,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  DIRECT: ARM ? 0o200000 : 0o40000,
  LARGEFILE: ARM ? 0o400000 : 0o100000,
  DIRECTORY: ARM ? 0o40000 : 0o200000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  TMPFILE: ARM ? 0o20040000 : 0o20200000,
} as const;

/** Falco's flag word of O_* flags. The masks of SYNC and TMPFILE overlap DSYNC and DIRECTORY, and any overlap counts. */
export function fileFlags(open: number): number {
  const access = open & OPEN.ACCESS;
  let flags: number =
    access === OPEN.WRONLY
      ? FILE_FLAG.WRITE
      : access === OPEN.RDWR
        ? FILE_FLAG.READ | FILE_FLAG.WRITE
        : FILE_FLAG.READ;
  for (const [mask, flag] of OPEN_TO_FILE) if ((open & mask) !== 0) flags |= flag;
  return flags;
}

const OPEN_TO_FILE: readonly (readonly [number, number])[] = [
  [OPEN.CREAT, FILE_FLAG.CREAT],
  [OPEN.TMPFILE, FILE_FLAG.TMPFILE],
  [OPEN.APPEND, FILE_FLAG.APPEND],
  [OPEN.DSYNC, FILE_FLAG.DSYNC],
  [OPEN.EXCL, FILE_FLAG.EXCL],
  [OPEN.NONBLOCK, FILE_FLAG.NONBLOCK],
  [OPEN.SYNC, FILE_FLAG.SYNC],
  [OPEN.TRUNC, FILE_FLAG.TRUNC],
  [OPEN.DIRECT, FILE_FLAG.DIRECT],
  [OPEN.DIRECTORY, FILE_FLAG.DIRECTORY],
  [OPEN.LARGEFILE, FILE_FLAG.LARGEFILE],
  [OPEN.CLOEXEC, FILE_FLAG.CLOEXEC],
];

export const EXECVE_FLAGS: Table = bitNames('WRITABLE UPPER_LAYER FROM_MEMFD LOWER_LAYER', 'EXE_');

export const MODES: Table = bitNames(
  'IXOTH IWOTH IROTH IXGRP IWGRP IRGRP IXUSR IWUSR IRUSR ISVTX ISGID ISUID',
  'S_',
);

export const UNLINKAT_FLAGS: Table = [[0x200, 'AT_REMOVEDIR']];

export const LINKAT_FLAGS: Table = [
  [0x400, 'AT_SYMLINK_FOLLOW'],
  [0x1000, 'AT_EMPTY_PATH'],
];

export const RENAME_FLAGS: Table = bitNames('NOREPLACE EXCHANGE WHITEOUT', 'RENAME_');

/** A word of bits that Falco numbers otherwise than the kernel. */
export interface FlagWord {
  /** By Falco's numbers, in the order it prints them. */
  readonly names: Table;
  fromKernel(word: number): number;
  toKernel(word: number): number;
}

function flagWord(
  rows: readonly (readonly [kernel: number, falco: number, name: string])[],
): FlagWord {
  const move = (word: number, from: 0 | 1, to: 0 | 1) =>
    rows.reduce((moved, row) => ((word & row[from]) !== 0 ? moved | row[to] : moved), 0) >>> 0;
  return {
    names: rows.map(([, falco, name]) => [falco, name]),
    fromKernel: (word) => move(word, 0, 1),
    toKernel: (word) => move(word, 1, 0),
  };
}

/** Rows of names with the kernel's bits; Falco's count from 0, with gaps. */
function counted(names: string, prefix: string): (readonly [number, number, string])[] {
  return names
    .trim()
    .split(/\s+/)
    .flatMap((pair, bit) => {
      const [name, kernel] = pair.split('=');
      return kernel === undefined
        ? []
        : [[Number(kernel) | 0, (1 << bit) | 0, prefix + name] as const];
    });
}

export const CLONE_FLAGS = flagWord(
  counted(
    `FILES=0x400 FS=0x200 IO=0x80000000 NEWIPC=0x8000000 NEWNET=0x40000000 NEWNS=0x20000 NEWPID=0x20000000 NEWUTS=0x4000000
     PARENT=0x8000 PARENT_SETTID=0x100000 PTRACE=0x2000 SIGHAND=0x800 SYSVSEM=0x40000 THREAD=0x10000 UNTRACED=0x800000 VM=0x100
     - - - - NEWUSER=0x10000000 - - CHILD_CLEARTID=0x200000 CHILD_SETTID=0x1000000 SETTLS=0x80000 - VFORK=0x4000
     NEWCGROUP=0x2000000`,
    'CLONE_',
  ),
);

/** How openat2 may resolve a path. */
export const RESOLVE_FLAGS = flagWord(
  counted('BENEATH=8 IN_ROOT=16 NO_MAGICLINKS=2 NO_SYMLINKS=4 NO_XDEV=1 CACHED=32', 'RESOLVE_'),
);

export const EPOLL_FLAGS = flagWord([[OPEN.CLOEXEC, 1, 'EPOLL_CLOEXEC']]);
export const PIDFD_FLAGS = flagWord([[OPEN.NONBLOCK, 1, 'PIDFD_NONBLOCK']]);
export const MEMFD_FLAGS: Table = bitNames('CLOEXEC ALLOW_SEALING HUGETLB', 'MFD_');
export const MODULE_LOAD_FLAGS: Table = bitNames(
  'IGNORE_MODVERSIONS IGNORE_VERMAGIC COMPRESSED_FILE',
  'MODULE_INIT_',
);
export const MODULE_UNLOAD_FLAGS = flagWord([
  [OPEN.NONBLOCK, 1, 'O_NONBLOCK'],
  [OPEN.TRUNC, 2, 'O_TRUNC'],
]);

export const PRCTL_OPTIONS: ReadonlyMap<number, string> = new Map(
  enumeration(
    `- SET_PDEATHSIG GET_PDEATHSIG GET_DUMPABLE SET_DUMPABLE GET_UNALIGN SET_UNALIGN GET_KEEPCAPS SET_KEEPCAPS GET_FPEMU SET_FPEMU
     GET_FPEXC SET_FPEXC GET_TIMING SET_TIMING SET_NAME GET_NAME - - GET_ENDIAN SET_ENDIAN GET_SECCOMP SET_SECCOMP CAPBSET_READ
     CAPBSET_DROP GET_TSC SET_TSC GET_SECUREBITS SET_SECUREBITS SET_TIMERSLACK GET_TIMERSLACK TASK_PERF_EVENTS_DISABLE
     TASK_PERF_EVENTS_ENABLE MCE_KILL MCE_KILL_GET SET_MM SET_CHILD_SUBREAPER GET_CHILD_SUBREAPER SET_NO_NEW_PRIVS
     GET_NO_NEW_PRIVS GET_TID_ADDRESS SET_THP_DISABLE GET_THP_DISABLE - - SET_FP_MODE GET_FP_MODE CAP_AMBIENT`,
    'PR_',
  ),
);

export const MOUNT_FLAGS: Table = bitNames(
  `RDONLY NOSUID NODEV NOEXEC SYNCHRONOUS REMOUNT MANDLOCK DIRSYNC - - NOATIME NODIRATIME BIND MOVE REC SILENT POSIXACL
   UNBINDABLE PRIVATE SLAVE SHARED RELATIME KERNMOUNT I_VERSION STRICTATIME LAZYTIME - - NOSEC BORN ACTIVE NOUSER`,
);

export const UMOUNT_FLAGS: Table = bitNames('FORCE DETACH EXPIRE NOFOLLOW');

/** The names come in Falco's own order, whose entry of 0 is last. */
export const PROTECTION_FLAGS: Table = [
  ...bitNames('READ WRITE EXEC SEM GROWSDOWN GROWSUP SAO', 'PROT_'),
  [0, 'PROT_NONE'],
];

export const MAP_FLAGS = flagWord(
  counted(
    `SHARED=1 PRIVATE=2 FIXED=16 ANONYMOUS=32 32BIT=64 - NORESERVE=0x4000 POPULATE=0x8000 NONBLOCK=0x10000 GROWSDOWN=0x100
     DENYWRITE=0x800 EXECUTABLE=0x1000 - - LOCKED=0x2000`,
    'MAP_',
  ),
);

export const FSCONFIG_COMMANDS: ReadonlyMap<number, string> = new Map(
  enumeration(
    'SET_FLAG SET_STRING SET_BINARY SET_PATH SET_PATH_EMPTY SET_FD CMD_CREATE CMD_RECONFIGURE',
    'FSCONFIG_',
  ),
);

export const SHUTDOWN_SIDES: ReadonlyMap<number, string> = new Map(
  enumeration('RD WR RDWR', 'SHUT_'),
);

export const SIGNALS: ReadonlyMap<number, string> = new Map(
  enumeration(
    `HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ
     VTALRM PROF WINCH IO PWR SYS`,
    'SIG',
    1,
  ),
);

/** Commands of fcntl: the kernel's numbers in the order of Falco's names. */
const FCNTL = [
  ...['UNKNOWN', 'F_DUPFD=0', 'F_GETFD=1', 'F_SETFD=2', 'F_GETFL=3', 'F_SETFL=4', 'F_GETLK=5', '-'],
  ...['F_SETLK=6', 'F_SETLKW=7', 'F_SETOWN=8', '-', 'F_GETOWN=9', 'F_SETSIG=10', '-'],
  ...[
    'F_GETSIG=11',
    '-',
    '-',
    '-',
    '-',
    '-',
    'F_SETOWN_EX=15',
    'F_GETOWN_EX=16',
    'F_SETLEASE=1024',
  ],
  ...['F_GETLEASE=1025', 'F_CANCELLK=1029', 'F_DUPFD_CLOEXEC=1030', 'F_NOTIFY=1026'],
  ...[
    'F_SETPIPE_SZ=1031',
    'F_GETPIPE_SZ=1032',
    'F_OFD_GETLK=36',
    'F_OFD_SETLK=37',
    'F_OFD_SETLKW=38',
  ],
];

const PTRACE = `
UNKNOWN TRACEME=0 PEEKTEXT=1 PEEKDATA=2 PEEKUSR=3 POKETEXT=4 POKEDATA=5 POKEUSR=6 CONT=7 KILL=8 SINGLESTEP=9 ATTACH=16
DETACH=17 SYSCALL=24 SETOPTIONS=0x4200 GETEVENTMSG=0x4201 GETSIGINFO=0x4202 SETSIGINFO=0x4203 GETREGSET=0x4204
SETREGSET=0x4205 SEIZE=0x4206 INTERRUPT=0x4207 LISTEN=0x4208 PEEKSIGINFO=0x4209 GETSIGMASK=0x420a SETSIGMASK=0x420b
GETREGS=12 SETREGS=13 GETFPREGS=14 SETFPREGS=15 GETFPXREGS=18 SETFPXREGS=19 OLDSETOPTIONS=21 GET_THREAD_AREA=25
SET_THREAD_AREA=26 ARCH_PRCTL=30 SYSEMU=31 SYSEMU_SINGLESTEP=32 SINGLEBLOCK=33`
  .trim()
  .split(/\s+/);

/** An enumeration that Falco numbers otherwise than the kernel; 0 stands for all it does not know. */
export interface Choices {
  /** By Falco's numbers. */
  readonly names: ReadonlyMap<number, string>;
  fromKernel(number: number): number;
  /** -1 for those that have none. */
  toKernel(number: number): number;
}

function choices(rows: readonly string[], prefix = ''): Choices {
  const pairs = rows.map((row) => row.split('='));
  const kernel = pairs.map(([, number]) => (number === undefined ? -1 : Number(number)));
  const known = new Map(kernel.map((number, index) => [number, index]));
  known.delete(-1);
  return {
    names: new Map(
      pairs.flatMap(([name], index) => (name === '-' ? [] : [[index, prefix + name]])),
    ),
    fromKernel: (number) => known.get(number) ?? 0,
    toKernel: (number) => kernel[number] ?? -1,
  };
}

export const PTRACE_REQUESTS = choices(PTRACE, 'PTRACE_');
export const FCNTL_COMMANDS = choices(FCNTL);

export const BPF_COMMANDS: ReadonlyMap<number, string> = new Map(
  enumeration(
    `MAP_CREATE MAP_LOOKUP_ELEM MAP_UPDATE_ELEM MAP_DELETE_ELEM MAP_GET_NEXT_KEY PROG_LOAD OBJ_PIN OBJ_GET PROG_ATTACH PROG_DETACH
     PROG_TEST_RUN|PROG_RUN PROG_GET_NEXT_ID MAP_GET_NEXT_ID PROG_GET_FD_BY_ID MAP_GET_FD_BY_ID OBJ_GET_INFO_BY_FD PROG_QUERY
     RAW_TRACEPOINT_OPEN BTF_LOAD BTF_GET_FD_BY_ID TASK_FD_QUERY MAP_LOOKUP_AND_DELETE_ELEM MAP_FREEZE BTF_GET_NEXT_ID
     MAP_LOOKUP_BATCH MAP_LOOKUP_AND_DELETE_BATCH MAP_UPDATE_BATCH MAP_DELETE_BATCH LINK_CREATE LINK_UPDATE LINK_GET_FD_BY_ID
     LINK_GET_NEXT_ID ENABLE_STATS ITER_CREATE LINK_DETACH PROG_BIND_MAP TOKEN_CREATE`,
    'BPF_',
  ),
);

export const SOCKET_DOMAINS: ReadonlyMap<number, string> = new Map([
  ...enumeration(
    `UNSPEC LOCAL|UNIX INET AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 INET6 ROSE DECnet NETBEUI SECURITY KEY NETLINK|ROUTE PACKET
     ASH ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS CAN TIPC BLUETOOTH IUCV RXRPC ISDN PHONET IEEE802154 CAIF ALG NFC
     VSOCK KCM QIPCRTR SMC XDP MCTP`,
    'AF_',
  ),
]);

const CAPABILITIES = enumeration(
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
   NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
   SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
   BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`,
  'CAP_',
);

/** `CAP_*` names joined with a blank, in the order of their bits. */
export function capabilityText(set: bigint): string {
  return CAPABILITIES.filter(([bit]) => (set >> BigInt(bit)) & 1n)
    .map(([, name]) => name)
    .join(' ');
}
