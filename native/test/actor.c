// Does one thing to the kernel per run, so that a test knows which records must follow. Usage: actor WHAT [ARGUMENT...]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
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
#include <sys/uio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[4096]; // below 4 GiB in a static program, as 32-bit calls need

static int directory(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY);
}

static struct sockaddr_in inet4(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(atoi(port)),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void files(const char *what, char **a)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };

	if (!strcmp(what, "open"))
		syscall(SYS_openat, AT_FDCWD, a[0], O_RDONLY, 0);
	if (!strcmp(what, "open-mode"))
		syscall(SYS_openat, AT_FDCWD, a[0], O_WRONLY | O_CREAT | O_EXCL, 0640);
	if (!strcmp(what, "temporary"))
		syscall(SYS_openat, AT_FDCWD, a[0], O_TMPFILE | O_RDWR, 0600);
	if (!strcmp(what, "openat"))
		syscall(SYS_openat, directory(a[0]), a[1], O_RDONLY, 0);
	if (!strcmp(what, "openat2"))
		syscall(SYS_openat2, AT_FDCWD, a[0], &how, sizeof(how));
	if (!strcmp(what, "rename"))
		rename(a[0], a[1]);
	if (!strcmp(what, "renameat2"))
		syscall(SYS_renameat2, directory(a[0]), a[1], directory(a[2]), a[3], 1);
	if (!strcmp(what, "link"))
		link(a[0], a[1]);
	if (!strcmp(what, "symlink"))
		symlink(a[0], a[1]);
	if (!strcmp(what, "mkdir"))
		mkdir(a[0], 0750);
	if (!strcmp(what, "rmdir"))
		rmdir(a[0]);
	if (!strcmp(what, "unlinkat"))
		unlinkat(directory(a[0]), a[1], 0);
	if (!strcmp(what, "chmod"))
		chmod(a[0], 04755);
	if (!strcmp(what, "fchmod"))
		fchmod(open(a[0], O_RDONLY), 0600);
	if (!strcmp(what, "chown"))
		chown(a[0], 12, 34);
	if (!strcmp(what, "mknod"))
		mknod(a[0], S_IFIFO | 0600, 0);
	if (!strcmp(what, "chdir"))
		chdir(a[0]);
	if (!strcmp(what, "fchdir"))
		fchdir(directory(a[0]));
	if (!strcmp(what, "mount"))
		mount("nothing", a[0], "nosuchfs", MS_RDONLY, 0);
	if (!strcmp(what, "deep")) { // as many folders below each other as asked for, then a file
		for (int i = 0; i < atoi(a[0]); i++) {
			mkdir("deep", 0700);
			chdir("deep");
		}
		open("file", O_CREAT | O_WRONLY, 0600);
	}
	if (!strcmp(what, "fault"))
		syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY, 0);
	if (!strcmp(what, "long")) {
		char *path = malloc(8192);
		memset(path, '/', 8191);
		path[8191] = 0;
		syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	}
#ifdef __x86_64__
	if (!strcmp(what, "open-old"))
		syscall(SYS_open, a[0], O_RDONLY, 0);
	if (!strcmp(what, "creat"))
		syscall(SYS_creat, a[0], 0604);
	if (!strcmp(what, "open-int80")) {
		long result;
		strncpy(buffer, a[0], sizeof(buffer) - 1);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(buffer), "c"(O_RDONLY), "d"(0) : "memory");
	}
	if (!strcmp(what, "connect-int80")) { // socketcall(SYS_CONNECT, ...)
		static struct sockaddr_in address;
		static unsigned int arguments[3];
		long result;
		address = inet4(a[0]);
		arguments[0] = socket(AF_INET, SOCK_STREAM, 0);
		arguments[1] = (unsigned int)(unsigned long)&address;
		arguments[2] = sizeof(address);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(3), "c"(arguments) : "memory");
	}
#endif
}

static void network(const char *what, char **a)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in four;
	socklen_t size = sizeof(four);

	if (!strcmp(what, "connect4")) {
		four = inet4(a[0]);
		connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&four, sizeof(four));
	}
	if (!strcmp(what, "connect6")) {
		six.sin6_port = htons(atoi(a[0]));
		connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&six, sizeof(six));
	}
	if (!strcmp(what, "accept4")) { // both ends in one process: the backlog lets connect finish first
		int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
		four = inet4("0");
		bind(server, (void *)&four, sizeof(four));
		listen(server, 7);
		getsockname(server, (void *)&four, &size);
		connect(client, (void *)&four, sizeof(four));
		accept4(server, 0, 0, SOCK_CLOEXEC);
		dup2(client, 60);
	}
	if (!strcmp(what, "unix")) {
		int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
		strncpy(path.sun_path, a[0], sizeof(path.sun_path) - 1);
		if (path.sun_path[0] == '@')
			path.sun_path[0] = 0;
		size = offsetof(struct sockaddr_un, sun_path) + strlen(a[0]);
		bind(server, (void *)&path, size);
		listen(server, 1);
		connect(client, (void *)&path, size);
		accept(server, 0, 0);
	}
	if (!strcmp(what, "unix-refused")) {
		strncpy(path.sun_path, a[0], sizeof(path.sun_path) - 1);
		connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&path, sizeof(path));
	}
	if (!strcmp(what, "udp")) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		struct iovec parts[2] = { { "abc", 3 }, { "de", 2 } };
		struct msghdr message = { .msg_name = &four, .msg_namelen = sizeof(four), .msg_iov = parts, .msg_iovlen = 2 };
		four = inet4(a[0]);
		sendto(fd, "four", 4, MSG_NOSIGNAL, (void *)&four, sizeof(four));
		sendmsg(fd, &message, 0);
	}
	if (!strcmp(what, "pass")) { // to itself
		int pair[2];
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
		send(pair[0], a[0], strlen(a[0]), 0);
		recv(pair[1], buffer, sizeof(buffer), 0);
		recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
	}
}

static void calls(const char *what, char **a)
{
	if (!strcmp(what, "setuid"))
		setuid(atoi(a[0]));
	if (!strcmp(what, "ptrace"))
		ptrace(PTRACE_SEIZE, 0x7ffffff0, 0x11, 0x22);
	if (!strcmp(what, "prctl"))
		prctl(PR_SET_NAME, "renamed");
	if (!strcmp(what, "unshare"))
		unshare(CLONE_NEWUTS);
	if (!strcmp(what, "dup"))
		dup3(open(a[0], O_RDONLY), 40, 0);
	if (!strcmp(what, "memfd"))
		memfd_create("scratch", 0);
	if (!strcmp(what, "move-data")) {
		int fd = open(a[0], O_RDWR | O_CREAT, 0600);
		struct iovec parts[2] = { { "first", 5 }, { "second", 6 } };
		char text[200];

		memset(text, 'x', sizeof(text));
		if (write(fd, text, sizeof(text)) < 0 || writev(fd, parts, 2) < 0 || pread(fd, text, 3, 199) < 0)
			exit(1);
	}
	if (!strcmp(what, "delete-module"))
		syscall(SYS_delete_module, "no_such_module", O_NONBLOCK);
}

static pthread_t leader;

static void *leave_late(void *path)
{
	pthread_join(leader, 0); // the kernel tells of its end after it no longer counts as alive
	open(path, O_RDONLY);
	_exit(5);
}

static void processes(const char *what, char **a)
{
	char *const empty[] = { 0 };

	if (!strcmp(what, "exec"))
		execve(a[0], a, (char *const[]){ "COLOUR=blue", "SHAPE=round", 0 });
	if (!strcmp(what, "execveat"))
		syscall(SYS_execveat, directory(a[0]), a[1], a + 1, empty, 0);
	if (!strcmp(what, "vfork")) {
		pid_t child = vfork();
		if (child == 0) {
			execve(a[0], a, empty);
			_exit(1);
		}
		waitpid(child, 0, 0);
	}
	if (!strcmp(what, "memfd-exec")) {
		int from = open(a[0], O_RDONLY), to = memfd_create("evil", MFD_CLOEXEC);
		for (ssize_t size; (size = read(from, buffer, sizeof(buffer))) > 0;)
			if (write(to, buffer, size) != size)
				_exit(1);
		fexecve(to, a, empty);
	}
	if (!strcmp(what, "fork-open")) {
		pid_t child = fork();
		if (child == 0)
			execve("/proc/self/exe", (char *const[]){ "actor", "open", a[0], 0 }, empty);
		waitpid(child, 0, 0);
	}
	if (!strcmp(what, "leader-first")) { // the group leader goes, another thread opens a file and ends the process
		pthread_t thread;
		leader = pthread_self();
		pthread_create(&thread, 0, leave_late, a[0]);
		pthread_exit(0);
	}
	if (!strcmp(what, "killed"))
		raise(SIGKILL);
	if (!strcmp(what, "storm"))
		for (int i = atoi(a[0]); i > 0; i--)
			close(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0));
}

struct ring {
	int fd;
	char *queue, *answers;
	struct io_uring_sqe *entries;
	struct io_uring_params parameters;
};

static struct ring open_ring(void)
{
	struct ring ring = { 0 };
	struct io_uring_params *p = &ring.parameters;

	ring.fd = syscall(SYS_io_uring_setup, 8, p);
	ring.queue = mmap(0, p->sq_off.array + p->sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.answers = mmap(0, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring.fd, IORING_OFF_CQ_RING);
	ring.entries = mmap(0, 8 * sizeof(*ring.entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (ring.fd < 0 || ring.queue == MAP_FAILED || ring.answers == MAP_FAILED || ring.entries == MAP_FAILED)
		_exit(77);
	return ring;
}

// Submits one request; answers that are wanted are waited for.
static void submit(struct ring *ring, struct io_uring_sqe wanted)
{
	unsigned int *tail = (unsigned int *)(ring->queue + ring->parameters.sq_off.tail), at = *tail & 7;

	ring->entries[at] = wanted;
	((unsigned int *)(ring->queue + ring->parameters.sq_off.array))[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, 0, 0);
}

// Waits until there were so many answers in all; returns the last one's result.
static int answer(struct ring *ring, unsigned int count)
{
	unsigned int *tail = (unsigned int *)(ring->answers + ring->parameters.cq_off.tail);

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) < count)
		syscall(SYS_io_uring_enter, ring->fd, 0, count, IORING_ENTER_GETEVENTS, 0, 0);
	return ((struct io_uring_cqe *)(ring->answers + ring->parameters.cq_off.cqes))[count - 1].res;
}

static int connect_to(int listener)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	getsockname(listener, (void *)&address, &size);
	if (connect(fd, (void *)&address, size))
		_exit(1);
	return fd;
}

static void rings(const char *what, char **a)
{
	if (strncmp(what, "uring-", 6))
		return;
	struct ring ring = open_ring();

	if (!strcmp(what, "uring-open")) {
		submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)a[0],
						     .open_flags = O_WRONLY });
		answer(&ring, 1);
		return;
	}
	if (!strcmp(what, "uring-truncate")) { // IORING_OP_FTRUNCATE, of Linux 6.9
		submit(&ring, (struct io_uring_sqe){ .opcode = 55, .fd = open(a[0], O_WRONLY) });
		if (answer(&ring, 1) < 0)
			_exit(77);
		return;
	}
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (bind(listener, (void *)&any, sizeof(any)) || listen(listener, 7))
		_exit(1);
	struct io_uring_sqe wanted = { .opcode = IORING_OP_ACCEPT, .fd = listener, .accept_flags = SOCK_CLOEXEC };

	if (!strcmp(what, "uring-accept")) { // one that waits already, and one that comes later
		connect_to(listener);
		submit(&ring, wanted);
		answer(&ring, 1);
		submit(&ring, wanted);
		connect_to(listener);
		answer(&ring, 2);
	}
	if (!strcmp(what, "uring-accept-many")) {
		wanted.ioprio = IORING_ACCEPT_MULTISHOT;
		submit(&ring, wanted);
		for (int i = 1; i <= 3; i++) {
			connect_to(listener);
			if (answer(&ring, i) < 0)
				_exit(77);
		}
		shutdown(listener, SHUT_RDWR); // the last answer
		answer(&ring, 4);
	}
	if (!strcmp(what, "uring-own-numbers")) { // accept to a place in the ring, given and chosen, and send from there
		int none[4] = { -1, -1, -1, -1 };

		if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, none, 4))
			_exit(77);
		for (int i = 1; i <= 2; i++) {
			connect_to(listener);
			wanted.accept_flags = 0;
			wanted.file_index = i == 1 ? 3 : IORING_FILE_INDEX_ALLOC;
			submit(&ring, wanted);
			if (answer(&ring, i) < 0)
				_exit(77);
		}
		submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_SEND, .fd = 2, .flags = IOSQE_FIXED_FILE,
						     .addr = (unsigned long)"x", .len = 1 });
		answer(&ring, 3);
	}
	if (!strcmp(what, "uring-receive")) {
		char buffer[8];
		struct iovec part = { buffer, sizeof(buffer) };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		int client = connect_to(listener), server = accept4(listener, 0, 0, 0);

		send(client, "one", 3, 0);
		submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_RECV, .fd = server, .addr = (unsigned long)buffer,
						     .len = sizeof(buffer) });
		answer(&ring, 1);
		send(client, "two", 3, 0);
		submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_RECVMSG, .fd = server, .addr = (unsigned long)&message,
						     .len = 1 });
		answer(&ring, 2);
	}
}

static void *open_one(void *path)
{
	close(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
	return 0;
}

static void credentials(const char *what, char **a)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];

	if (!strcmp(what, "drop-capability")) { // CAP_NET_RAW
		syscall(SYS_capget, &header, sets);
		sets[0].effective &= ~(1u << 13);
		syscall(SYS_capset, &header, sets);
	}
	if (!strcmp(what, "become"))
		syscall(SYS_setresuid, 1000, 1000, 1000);
	if (!strcmp(what, "user-namespace")) {
		if (syscall(SYS_unshare, CLONE_NEWUSER))
			_exit(77);
	}
	if (!strcmp(what, "namespaced-thread")) {
		pthread_t thread;

		if (unshare(CLONE_NEWPID))
			_exit(77);
		pid_t child = fork();
		if (child == 0) {
			pthread_create(&thread, 0, open_one, a[0]);
			pthread_join(thread, 0);
			_exit(0);
		}
		waitpid(child, 0, 0);
	}
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 2;
	files(arguments[1], arguments + 2);
	network(arguments[1], arguments + 2);
	calls(arguments[1], arguments + 2);
	rings(arguments[1], arguments + 2);
	credentials(arguments[1], arguments + 2);
	processes(arguments[1], arguments + 2);
	return 0;
}
