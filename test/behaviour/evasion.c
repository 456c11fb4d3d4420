// Performs one way to act unseen a run. Usage: evade WAY FOLDER ANYTHING. Exit codes: 0 done, 77 this kernel has no such way.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNSUPPORTED 77
#define OP_BIND 56 // IORING_OP_BIND, of Linux 6.11
#define OP_TRUNCATE 55 // IORING_OP_FTRUNCATE, of Linux 6.9
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const char *way, *folder;
static char **arguments;

static int is(const char *name)
{
	return !strcmp(way, name);
}

// Ends the run unless the result is none or one that says that the kernel lacks the call.
static long must(long result, const char *what)
{
	if (result >= 0)
		return result;
	int unsupported = errno == ENOSYS || errno == EOPNOTSUPP;

	perror(what);
	exit(unsupported ? UNSUPPORTED : 1);
}

static const char *in(const char *name)
{
	static char paths[8][512];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

// Other names for the same file.
static void names(void)
{
	if (is("symlink"))
		must(open(in("link"), O_RDONLY), "open");
	if (is("folder-link"))
		must(open(in("folder-link/secret"), O_RDONLY), "open");
	if (is("dots"))
		must(open(in("vault/../vault/.//secret"), O_RDONLY), "open");
	if (is("long")) { // longer than the 1024 bytes that others keep of a path
		char path[4096];
		int length = snprintf(path, sizeof(path), "%s", in("vault/"));

		while (length < 3000)
			length += sprintf(path + length, "./");
		strcpy(path + length, "secret");
		must(open(path, O_RDONLY), "open");
	}
	if (is("relative")) {
		must(chdir(in("vault")), "chdir");
		must(open("secret", O_RDONLY), "open");
	}
	if (is("thread-folder")) { // a folder of the thread's own
		must(unshare(CLONE_FS), "unshare");
		must(chdir(in("vault")), "chdir");
		must(open("../vault/secret", O_RDONLY), "open");
	}
	if (is("proc-root")) {
		char path[600];

		snprintf(path, sizeof(path), "/proc/self/root%s", in("vault/secret"));
		must(open(path, O_RDONLY), "open");
	}
	if (is("proc-fd")) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%ld", must(open(in("vault"), O_PATH), "open"));
		strcat(path, "/secret");
		must(open(path, O_RDONLY), "open");
	}
	if (is("chroot")) {
		must(chroot(folder), "chroot");
		must(open("/vault/secret", O_RDONLY), "open");
	}
	if (is("in-root")) {
		struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT };

		must(syscall(SYS_openat2, open(in("vault"), O_PATH), "/secret", &how, sizeof(how)), "openat2");
	}
	if (is("handle")) {
		struct {
			struct file_handle head;
			char bytes[MAX_HANDLE_SZ];
		} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
		int mount;

		must(name_to_handle_at(AT_FDCWD, in("vault/secret"), &handle.head, &mount, 0), "name_to_handle_at");
		must(open_by_handle_at(open(folder, O_RDONLY), &handle.head, O_RDONLY), "open_by_handle_at");
	}
	if (is("hard-link"))
		must(linkat(AT_FDCWD, in("vault/secret"), AT_FDCWD, in("other-name"), 0), "linkat");
	if (is("bind")) {
		must(unshare(CLONE_NEWNS), "unshare");
		must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0), "mount");
		must(mount(in("vault"), in("empty"), 0, MS_BIND, 0), "mount");
		must(open(in("empty/secret"), O_RDONLY), "open");
	}
	if (is("taken-fd")) { // out of a process that opened it before
		int ready[2];
		char byte;

		must(pipe(ready), "pipe");
		pid_t child = fork();
		if (child == 0) {
			must(open(in("vault/secret"), O_RDONLY), "open");
			must(write(ready[1], "x", 1), "write");
			pause();
		}
		must(read(ready[0], &byte, 1), "read");
		int pidfd = must(syscall(SYS_pidfd_open, child, 0), "pidfd_open");
		must(syscall(SYS_pidfd_getfd, pidfd, ready[1] + 1, 0), "pidfd_getfd");
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
	}
}

static char raced[512];
static volatile int racing = 1;

static void *exchange(void *names_)
{
	char **both = names_;

	for (int i = 0; racing; i++)
		strcpy(raced, both[i & 1]);
	return 0;
}

// Another thread changes the path while the call runs. Prints how often the secret was opened.
static void race(void)
{
	char *both[2] = { strdup(in("vault/secret")), strdup(in("vault/public")) };
	struct stat secret, got;
	pthread_t thread;
	int hits = 0;

	stat(both[0], &secret);
	strcpy(raced, both[1]);
	pthread_create(&thread, 0, exchange, both);
	for (int i = 0; i < 4000 || (!hits && i < 1000000); i++) {
		int fd = open(raced, O_RDONLY);

		if (fd < 0)
			continue;
		fstat(fd, &got);
		hits += got.st_ino == secret.st_ino;
		close(fd);
	}
	racing = 0;
	pthread_join(thread, 0);
	printf("%d\n", hits);
}

static struct sockaddr_in beacon = { .sin_family = AF_INET };

#ifdef __x86_64__
static char low[1024]; // below 4 GiB in a static program

static long int80(long number, const void *first, long second, long third)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(second), "d"(third)
			 : "memory", "r8", "r9", "r10", "r11");
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static void foreign(void)
{
	static unsigned int packed[6];
	static struct sockaddr_in address;

	if (is("ia32-open")) {
		strcpy(low, in("vault/secret"));
		must(int80(5, low, O_RDONLY, 0), "int80 open");
	}
	if (is("ia32-connect")) {
		address = beacon;
		packed[0] = socket(AF_INET, SOCK_DGRAM, 0);
		packed[1] = (unsigned int)(unsigned long)&address;
		packed[2] = sizeof(address);
		must(int80(102, (void *)3, (long)packed, 0), "int80 socketcall");
	}
	if (is("ia32-send")) {
		address = beacon;
		packed[0] = socket(AF_INET, SOCK_DGRAM, 0);
		packed[1] = packed[4] = (unsigned int)(unsigned long)&address;
		packed[2] = 1;
		packed[5] = sizeof(address);
		must(int80(102, (void *)11, (long)packed, 0), "int80 socketcall");
	}
	if (is("ia32-chmod")) {
		strcpy(low, in("program"));
		must(int80(15, low, 04755, 0), "int80 chmod");
	}
	if (is("ia32-rename")) {
		strcpy(low, in("moved-ia32"));
		strcpy(low + 512, in("elsewhere-ia32"));
		must(int80(38, low, (long)(low + 512), 0), "int80 rename");
	}
	if (is("ia32-unlink")) {
		strcpy(low, in("victim-ia32"));
		must(int80(10, low, 0, 0), "int80 unlink");
	}
	if (is("ia32-exec")) {
		static unsigned int argv[3];
		static char name[] = "true";

		strcpy(low, "/bin/true");
		argv[0] = (unsigned int)(unsigned long)name;
		argv[1] = (unsigned int)(unsigned long)strcpy(low + 64, arguments[3]);
		must(int80(11, low, (long)argv, (long)(argv + 2)), "int80 execve");
	}
	if (is("x32-open")) // refused by kernels without x32; the attempt counts
		syscall(0x40000000 | SYS_openat, AT_FDCWD, in("vault/secret"), O_RDONLY);
}
#else
static void foreign(void)
{
	exit(UNSUPPORTED);
}
#endif

static void submit(struct io_uring_sqe wanted, unsigned int setup)
{
	struct io_uring_params parameters = { .flags = setup };
	int ring = must(syscall(SYS_io_uring_setup, 2, &parameters), "io_uring_setup");
	size_t size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned int);
	size_t answers = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
	char *queue = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	char *done = mmap(0, answers, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *entry = mmap(0, 2 * sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);

	if (queue == MAP_FAILED || done == MAP_FAILED || entry == MAP_FAILED)
		exit(UNSUPPORTED);
	*entry = wanted;
	*(unsigned int *)(queue + parameters.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(queue + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
	unsigned int enter = setup & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0;

	must(syscall(SYS_io_uring_enter, ring, 1, 1, enter | IORING_ENTER_GETEVENTS, 0, 0), "io_uring_enter");
	int result = ((struct io_uring_cqe *)(done + parameters.cq_off.cqes))->res;
	errno = -result;
	if (result == -EINVAL && (wanted.opcode == OP_BIND || wanted.opcode == OP_TRUNCATE))
		exit(UNSUPPORTED);
	if (result != -ECONNREFUSED)
		must(result < 0 ? -1 : 0, "io_uring");
}

static void rings(void)
{
	struct open_how how = { .flags = O_RDONLY };
	unsigned long secret = (unsigned long)in("vault/secret");

	if (is("ring-open"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = secret }, 0);
	if (is("ring-poll-open"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = secret }, IORING_SETUP_SQPOLL);
	if (is("ring-open2"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_OPENAT2, .fd = open(in("vault"), O_PATH),
					      .addr = (unsigned long)"secret", .len = sizeof(how), .off = (unsigned long)&how }, 0);
	if (is("ring-connect"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_CONNECT, .fd = socket(AF_INET, SOCK_DGRAM, 0),
					      .addr = (unsigned long)&beacon, .off = sizeof(beacon) }, 0);
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_name = &beacon, .msg_namelen = sizeof(beacon), .msg_iov = &part, .msg_iovlen = 1 };

	if (is("ring-send"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_SEND, .fd = socket(AF_INET, SOCK_DGRAM, 0), .addr = (unsigned long)"x",
					      .len = 1, .addr2 = (unsigned long)&beacon, .addr_len = sizeof(beacon) }, 0);
	if (is("ring-sendmsg"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_SENDMSG, .fd = socket(AF_INET, SOCK_DGRAM, 0),
					      .addr = (unsigned long)&message, .len = 1 }, 0);
	if (is("ring-bind"))
		submit((struct io_uring_sqe){ .opcode = OP_BIND, .fd = socket(AF_INET, SOCK_STREAM, 0),
					      .addr = (unsigned long)&beacon, .addr2 = sizeof(beacon) }, 0);
	if (is("ring-accept")) {
		struct sockaddr_in door = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("127.0.0.98") };
		socklen_t size = sizeof(door);
		int server = socket(AF_INET, SOCK_STREAM, 0);

		must(bind(server, (void *)&door, size), "bind");
		must(listen(server, 1), "listen");
		must(getsockname(server, (void *)&door, &size), "getsockname");
		must(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&door, size), "connect");
		submit((struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = server }, 0);
	}
	if (is("ring-truncate"))
		submit((struct io_uring_sqe){ .opcode = OP_TRUNCATE, .fd = open(in("cut-ring"), O_WRONLY | O_CREAT, 0600) }, 0);
	if (is("ring-mkdir"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = (unsigned long)in("made-ring"),
					      .len = 0755 }, 0);
	if (is("ring-symlink"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_SYMLINKAT, .fd = AT_FDCWD, .addr = secret,
					      .addr2 = (unsigned long)in("symlink-ring") }, 0);
	// Refused where the file system has none: what counts is the attempt.
	if (is("ring-attribute"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_SETXATTR, .addr = (unsigned long)"user.mark", .addr2 = (unsigned long)"x",
					      .addr3 = (unsigned long)in("program"), .len = 1 }, 0);
	if (is("ring-file-attribute"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_FSETXATTR, .fd = open(in("program"), O_RDONLY),
					      .addr = (unsigned long)"user.mark", .addr2 = (unsigned long)"x", .len = 1 }, 0);
	if (is("ring-unlink"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD,
					      .addr = (unsigned long)in("victim-ring") }, 0);
	if (is("ring-rename"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .addr = (unsigned long)in("moved-ring"),
					      .off = (unsigned long)in("elsewhere-ring"), .len = AT_FDCWD }, 0);
	if (is("ring-link"))
		submit((struct io_uring_sqe){ .opcode = IORING_OP_LINKAT, .fd = AT_FDCWD, .addr = secret,
					      .off = (unsigned long)in("linked-ring"), .len = AT_FDCWD }, 0);
}

// What mount(2) does, in pieces.
static void mounts(void)
{
	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0), "mount");
	if (is("new-mount")) {
		int context = must(syscall(SYS_fsopen, "tmpfs", 0), "fsopen");

		must(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0), "fsconfig");
		int made = must(syscall(SYS_fsmount, context, 0, 0), "fsmount");
		must(syscall(SYS_move_mount, made, "", AT_FDCWD, in("empty"), 4 /* MOVE_MOUNT_F_EMPTY_PATH */), "move_mount");
	} else if (is("loose-tree")) { // mounted nowhere
		int tree = must(syscall(SYS_open_tree, AT_FDCWD, in("vault"), 1), "open_tree");

		must(openat(tree, "secret", O_RDONLY), "openat");
	} else {
		int tree = must(syscall(SYS_open_tree, AT_FDCWD, in("vault"), 1 /* OPEN_TREE_CLONE */), "open_tree");

		must(syscall(SYS_move_mount, tree, "", AT_FDCWD, in("empty"), 4), "move_mount");
		must(open(in("empty/secret"), O_RDONLY), "open");
	}
}

static int copy_to(int to)
{
	static char buffer[1 << 16];
	int from = must(open("/proc/self/exe", O_RDONLY), "open");

	for (ssize_t size; (size = read(from, buffer, sizeof(buffer))) > 0;)
		must(write(to, buffer, size), "write");
	return to;
}

static void programs(void)
{
	char *argv[] = { "evade", "nothing", (char *)folder, arguments[3], 0 };
	char *none[] = { 0 };

	if (is("memfd"))
		must(fexecve(copy_to(memfd_create("x", MFD_CLOEXEC)), argv, none), "fexecve");
	if (is("memfd-at"))
		must(syscall(SYS_execveat, copy_to(memfd_create("x", MFD_CLOEXEC)), "", argv, none, AT_EMPTY_PATH), "execveat");
	if (is("deleted")) {
		int to = must(open(in("gone"), O_CREAT | O_WRONLY, 0700), "open");

		close(copy_to(to));
		int program = must(open(in("gone"), O_PATH), "open");
		must(unlink(in("gone")), "unlink");
		must(syscall(SYS_execveat, program, "", argv, none, AT_EMPTY_PATH), "execveat");
	}
	if (is("tmpfile")) { // never had a name
		char path[64];
		int to = must(open(folder, O_TMPFILE | O_RDWR, 0700), "open");

		copy_to(to);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
		int program = must(open(path, O_RDONLY | O_CLOEXEC), "open");
		close(to);
		must(syscall(SYS_execveat, program, "", argv, none, AT_EMPTY_PATH), "execveat");
	}
	if (is("program-link")) {
		must(symlink("/bin/true", in("harmless")), "symlink");
		must(execl(in("harmless"), "harmless", arguments[3], (char *)0), "execl");
	}
	if (is("daemon")) { // forks twice and waits until it is adopted: nobody knows its parents any more
		prctl(PR_SET_NAME, "launcher");
		pid_t middle = fork();

		if (middle == 0) {
			pid_t self = getpid();

			if (fork() != 0)
				_exit(0);
			while (getppid() == self)
				usleep(1000);
			must(open(in("vault/secret"), O_RDONLY), "open");
			_exit(0);
		}
		waitpid(middle, 0, 0);
	}
}

static void others(void)
{
	static char mine[8], yours[8] = "yours";
	struct iovec local = { mine, sizeof(mine) }, remote = { yours, sizeof(yours) };

	if (is("fchmodat2"))
		must(syscall(SYS_fchmodat2, AT_FDCWD, in("program"), 04755, AT_SYMLINK_NOFOLLOW), "fchmodat2");
	if (is("traced") || is("seized") || is("written")) {
		pid_t child = fork();

		if (child == 0) {
			pause();
			_exit(0);
		}
		if (is("written"))
			must(process_vm_writev(child, &local, 1, &remote, 1, 0), "process_vm_writev");
		else
			must(ptrace(is("traced") ? PTRACE_ATTACH : PTRACE_SEIZE, child, 0, 0), "ptrace");
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
	}
	if (is("trace-me"))
		must(ptrace(PTRACE_TRACEME, 0, 0, 0), "ptrace");
	// Refused: what counts is the attempt.
	if (is("init-module"))
		syscall(SYS_init_module, "not a module", 12L, "");
	if (is("finit-module"))
		syscall(SYS_finit_module, open(in("vault/secret"), O_RDONLY), "", 0);
	if (is("kexec"))
		syscall(SYS_kexec_load, 0, 0L, 0, 0L);
}

// One datagram or connection without connect(2).
static void messages(void)
{
	struct iovec part = { "x", 1 };
	struct mmsghdr message = {
		.msg_hdr = { .msg_name = &beacon, .msg_namelen = sizeof(beacon), .msg_iov = &part, .msg_iovlen = 1 },
	};
	int fd = must(socket(AF_INET, is("fast-open") ? SOCK_STREAM : SOCK_DGRAM, 0), "socket");

	if (is("send-message"))
		must(sendmsg(fd, &message.msg_hdr, 0), "sendmsg");
	if (is("send-messages"))
		must(sendmmsg(fd, &message, 1, 0), "sendmmsg");
	// Nobody listens there.
	if (is("fast-open") && sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&beacon, sizeof(beacon)) < 0 && errno != ECONNREFUSED)
		must(-1, "sendto");
}

int main(int count, char **words)
{
	if (count < 4)
		return 2;
	arguments = words;
	way = words[1];
	folder = words[2];
	beacon.sin_port = htons(9);
	beacon.sin_addr.s_addr = inet_addr("127.0.0.99");
	names();
	if (is("race"))
		race();
	if (!strncmp(way, "ia32", 4) || !strncmp(way, "x32", 3))
		foreign();
	if (!strncmp(way, "ring", 4))
		rings();
	if (!strncmp(way, "send-", 5) || is("fast-open"))
		messages();
	if (is("new-mount") || is("tree-mount") || is("loose-tree"))
		mounts();
	programs();
	others();
	return 0;
}
