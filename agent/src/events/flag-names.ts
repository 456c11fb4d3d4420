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

/** CLONE_* with the kernel's numbers, in the order Falco prints them. */
export const CLONE_FLAGS: Table = [
  [0x400, 'CLONE_FILES'],
  [0x200, 'CLONE_FS'],
  [0x80000000 | 0, 'CLONE_IO'],
  [0x8000000, 'CLONE_NEWIPC'],
  [0x40000000, 'CLONE_NEWNET'],
  [0x20000, 'CLONE_NEWNS'],
  [0x20000000, 'CLONE_NEWPID'],
  [0x4000000, 'CLONE_NEWUTS'],
  [0x8000, 'CLONE_PARENT'],
  [0x100000, 'CLONE_PARENT_SETTID'],
  [0x2000, 'CLONE_PTRACE'],
  [0x800, 'CLONE_SIGHAND'],
  [0x40000, 'CLONE_SYSVSEM'],
  [0x10000, 'CLONE_THREAD'],
  [0x800000, 'CLONE_UNTRACED'],
  [0x100, 'CLONE_VM'],
  [0x10000000, 'CLONE_NEWUSER'],
  [0x200000, 'CLONE_CHILD_CLEARTID'],
  [0x1000000, 'CLONE_CHILD_SETTID'],
  [0x80000, 'CLONE_SETTLS'],
  [0x4000, 'CLONE_VFORK'],
  [0x2000000, 'CLONE_NEWCGROUP'],
];

export const PTRACE_REQUESTS: ReadonlyMap<number, string> = new Map([
  ...enumeration(
    `TRACEME PEEKTEXT PEEKDATA PEEKUSR POKETEXT POKEDATA POKEUSR CONT KILL SINGLESTEP - - GETREGS SETREGS GETFPREGS SETFPREGS
     ATTACH DETACH GETFPXREGS SETFPXREGS - OLDSETOPTIONS - - SYSCALL GET_THREAD_AREA SET_THREAD_AREA - - - ARCH_PRCTL SYSEMU
     SYSEMU_SINGLESTEP SINGLEBLOCK`,
    'PTRACE_',
  ),
  ...enumeration(
    `SETOPTIONS GETEVENTMSG GETSIGINFO SETSIGINFO GETREGSET SETREGSET SEIZE INTERRUPT LISTEN PEEKSIGINFO GETSIGMASK SETSIGMASK
     SECCOMP_GET_FILTER SECCOMP_GET_METADATA GET_SYSCALL_INFO GET_RSEQ_CONFIGURATION`,
    'PTRACE_',
    0x4200,
  ),
]);

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
