/**
 * Types of events of scap captures by number: the name of the call and of its parameters in order. Even types tell the start of a
 * call, odd ones its end. Facts of the format of libscap, up to its version 0.24; later versions only append parameters, and what
 * the start of a call told in older captures stands at its end in newer ones. A parameter has the same name at both.
 */
export interface ScapEventType {
  /** Name of the system call, or of what is told else. */
  readonly name: string;
  readonly parameters: readonly string[];
}

const FORKED = 'res exe args tid pid ptid cwd fdlimit';
const MEMORY = 'pgft_maj pgft_min vm_size vm_rss vm_swap';
const OWNER = 'flags uid gid';
const CLONE_20 = `${FORKED} ${MEMORY} comm cgroups ${OWNER} vtid vpid pidns_init_start_ts`;
const EXEC_17 = `${FORKED} ${MEMORY} comm cgroups env tty`;
const EXEC_19 = `${EXEC_17} vpgid loginuid exe_flags cap_inheritable cap_permitted cap_effective exe_ino exe_ino_ctime exe_ino_mtime uid trusted_exepath pgid gid filename`;
const ACCEPT = 'fd tuple queuepct queuelen queuemax flags';

const TYPES = `
0 generic id native_id
1 generic id native_id
2 open name flags mode
3 open fd name flags mode dev ino
4 close fd
5 close res fd
6 read fd size
7 read res data fd size
8 write fd size
9 write res data fd size
13 execve ${FORKED}
15 clone ${FORKED} ${OWNER}
16 procexit
18 socket domain type proto
19 socket fd domain type proto
20 bind fd
21 bind res addr fd
22 connect fd addr
23 connect res tuple fd addr
24 listen fd backlog
25 listen res fd backlog
27 accept ${ACCEPT}
28 sendto fd size
29 sendto res data fd size tuple
30 sendto fd size tuple
31 sendto res data fd size tuple
32 recvfrom fd size
33 recvfrom res data fd size tuple
34 recvfrom fd size
35 recvfrom res data tuple fd size
36 shutdown fd how
37 shutdown res fd how
39 getsockname
41 getpeername
42 socketpair domain type proto
43 socketpair res fd1 fd2 source peer domain type proto
45 setsockopt res fd level optname val optlen
47 getsockopt res fd level optname val optlen
48 sendmsg fd size tuple
49 sendmsg res data fd size tuple
51 sendmmsg res fd size data tuple
52 recvmsg fd
53 recvmsg res size data tuple msgcontrol fd
55 recvmmsg res fd size data tuple msgcontrol
57 accept ${ACCEPT}
58 creat name mode
59 creat fd name mode dev ino creat_flags
61 pipe res fd1 fd2 ino
62 eventfd initval flags
63 eventfd res initval flags
64 futex addr op val
65 futex res addr op val
67 stat res path
69 lstat res path
70 fstat fd
71 fstat res fd
73 stat res path
75 lstat res path
76 fstat fd
77 fstat res fd
78 epoll_wait maxevents
79 epoll_wait res maxevents
81 poll res fds timeout
83 select res
85 select res
86 lseek fd offset whence
87 lseek res fd offset whence
88 lseek fd offset whence
89 lseek res fd offset whence
90 ioctl fd request
91 ioctl res fd request
93 getcwd res path
95 chdir res path
96 fchdir fd
97 fchdir res fd
98 mkdir path mode
99 mkdir res path mode
100 rmdir path
101 rmdir res path
102 openat dirfd name flags mode
103 openat fd dirfd name flags mode
104 link oldpath newpath
105 link res oldpath newpath
106 linkat olddir oldpath newdir newpath
107 linkat res olddir oldpath newdir newpath
108 unlink path
109 unlink res path
110 unlinkat dirfd name
111 unlinkat res dirfd name
112 pread64 fd size pos
113 pread64 res data fd size pos
114 pwrite64 fd size pos
115 pwrite64 res data fd size pos
116 readv fd
117 readv res size data fd
118 writev fd size
119 writev res data fd size
120 preadv fd pos
121 preadv res size data fd pos
122 pwritev fd size pos
123 pwritev res data fd size pos
124 dup oldfd
125 dup res oldfd
126 signalfd fd mask flags
127 signalfd res fd mask flags
128 kill pid sig
129 kill res pid sig
130 tkill tid sig
131 tkill res tid sig
132 tgkill pid tid sig
133 tgkill res pid tid sig
134 nanosleep interval
135 nanosleep res interval
136 timerfd_create clockid flags
137 timerfd_create res clockid flags
139 inotify_init res flags
140 getrlimit resource
141 getrlimit res cur max resource
142 setrlimit resource
143 setrlimit res cur max resource
144 prlimit64 pid resource
145 prlimit64 res newcur newmax oldcur oldmax pid resource
146 switch next
148 drop ratio
149 drop ratio
150 fcntl fd cmd
151 fcntl res fd cmd
152 switch next
155 execve ${FORKED} ${MEMORY}
157 clone ${FORKED} ${MEMORY} ${OWNER}
158 brk addr
159 brk res vm_size vm_rss vm_swap addr
160 mmap addr length prot flags fd offset
161 mmap res vm_size vm_rss vm_swap addr length prot flags fd offset
162 mmap addr length prot flags fd pgoffset
163 mmap res vm_size vm_rss vm_swap addr length prot flags fd pgoffset
164 munmap addr length
165 munmap res vm_size vm_rss vm_swap addr length
166 splice fd_in fd_out size flags
167 splice res fd_in fd_out size flags
168 ptrace request pid
169 ptrace res addr data request pid
170 ioctl fd request argument
171 ioctl res fd request argument
173 execve ${FORKED} ${MEMORY} env
175 rename res oldpath newpath
177 renameat res olddirfd oldpath newdirfd newpath
179 symlink res target linkpath
181 symlinkat res target linkdirfd linkpath
183 fork ${FORKED} ${MEMORY} ${OWNER}
185 vfork ${FORKED} ${MEMORY} ${OWNER}
186 procexit status ret sig core reaper_tid
188 sendfile out_fd in_fd offset size
189 sendfile res offset out_fd in_fd size
190 quotactl cmd type id quota_fmt
191 quotactl res special quotafilepath
192 setresuid ruid euid suid
193 setresuid res ruid euid suid
194 setresgid rgid egid sgid
195 setresgid res rgid egid sgid
198 setuid uid
199 setuid res uid
200 setgid gid
201 setgid res gid
203 getuid uid
205 geteuid euid
207 getgid gid
209 getegid egid
211 getresuid res ruid euid suid
213 getresgid res rgid egid sgid
215 execve ${FORKED} ${MEMORY} comm env
217 clone ${FORKED} ${MEMORY} comm ${OWNER}
219 fork ${FORKED} ${MEMORY} comm ${OWNER}
221 vfork ${FORKED} ${MEMORY} comm ${OWNER}
223 clone ${CLONE_20}
225 fork ${CLONE_20}
227 vfork ${CLONE_20}
228 container id type name image
231 execve ${FORKED} ${MEMORY} comm cgroups env
232 signaldeliver spid dpid sig
236 getdents fd
237 getdents res fd
238 getdents64 fd
239 getdents64 res fd
240 setns fd nstype
241 setns res fd nstype
242 flock fd operation
243 flock res fd operation
247 accept ${ACCEPT}
249 accept ${ACCEPT}
250 semop semid
251 semop res nsops
252 semctl semid semnum cmd val
253 semctl res semid semnum cmd val
255 ppoll res fds timeout sigmask
256 mount flags
257 mount res dev dir type flags
258 umount flags
259 umount res name flags
260 k8s json
262 semget key nsems semflg
263 semget res key nsems semflg
264 access mode
265 access res name mode
267 chroot res path
268 tracer id tags args
269 tracer id tags args
270 mesos json
272 container json
275 setsid res
276 mkdir mode
277 mkdir res path mode
279 rmdir res path
280 notification id desc
283 execve ${EXEC_17}
284 unshare flags
285 unshare res flags
286 infra source name description scope
288 execve filename
289 execve ${EXEC_17}
290 page_fault addr ip error
292 execve filename
293 execve ${EXEC_19}
294 setpgid pid pgid
295 setpgid res pid pgid
296 bpf cmd
297 bpf res_or_fd
298 seccomp op flags
299 seccomp res op flags
301 unlink res path
303 unlinkat res dirfd name flags
305 mkdirat res dirfd path mode
306 openat dirfd name flags mode
307 openat fd dirfd name flags mode dev ino fullpath
309 link res oldpath newpath
311 linkat res olddir oldpath newdir newpath flags
313 fchmodat res dirfd filename mode
315 chmod res filename mode
317 fchmod res fd mode
319 renameat2 res olddirfd oldpath newdirfd newpath flags
321 userfaultfd res flags
322 pluginevent plugin_id event_data
324 container json
326 openat2 dirfd name flags mode resolve
327 openat2 fd dirfd name flags mode resolve dev ino
328 mprotect addr length prot
329 mprotect res addr length prot
330 execveat dirfd pathname at_flags
331 execveat ${EXEC_19}
332 copy_file_range fdin offin len
333 copy_file_range res fdout offout fdin offin len
335 clone3 ${CLONE_20}
337 open_by_handle_at fd mountfd flags path dev ino
339 io_uring_setup res entries
341 io_uring_enter res fd to_submit min_complete flags sig
343 io_uring_register res fd opcode arg nr_args
345 mlock res addr len
347 munlock res addr len
349 mlockall res flags
351 munlockall res
353 capset res cap_inheritable cap_permitted cap_effective
354 useradded uid gid name home shell container_id
356 userdeleted uid gid name home shell container_id
358 groupadded gid name container_id
360 groupdeleted gid name container_id
363 dup2 res oldfd newfd
365 dup3 res oldfd newfd flags
367 dup res oldfd
368 bpf cmd
369 bpf fd cmd
371 mlock2 res addr len flags
373 fsconfig res fd cmd key value_bytebuf value_charbuf aux
374 epoll_create size
375 epoll_create res size
376 epoll_create1 flags
377 epoll_create1 res flags
379 chown res path uid gid
381 lchown res path uid gid
383 fchown res fd uid gid
385 fchownat res dirfd pathname uid gid flags
387 umount res name
388 accept4 flags
389 accept4 ${ACCEPT}
390 umount2 flags
391 umount2 res name flags
393 pipe2 res fd1 fd2 ino flags
395 inotify_init1 res flags
396 eventfd2 initval
397 eventfd2 res flags initval
398 signalfd4 fd mask
399 signalfd4 res flags fd mask
401 prctl res option arg2_str arg2_int
402 asyncevent plugin_id event_name data
405 memfd_create fd name flags
407 pidfd_getfd fd pid_fd target_fd flags
409 pidfd_open fd pid flags
411 init_module res img length uargs
413 finit_module res fd uargs flags
415 mknod res path mode dev
417 mknodat res dirfd path mode dev
419 newfstatat res dirfd path flags
421 process_vm_readv res pid data
423 process_vm_writev res pid data
424 delete_module name flags
425 delete_module res name flags
427 setreuid res ruid euid
429 setregid res rgid egid
`;

const types: (ScapEventType | undefined)[] = [];
for (const line of TYPES.trim().split('\n')) {
  const [number, name = '', ...parameters] = line.split(' ');
  types[Number(number)] = { name, parameters };
}

/** The type of a number; undefined for those that rules do not look at, and for unknown ones. */
export function scapEventType(number: number): ScapEventType | undefined {
  return types[number];
}
