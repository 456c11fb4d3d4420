// Does what a rule watches for. It is linked under the names of well-known programs, since rules look at names.
// Usage: NAME [VERB ARGUMENT...]...; verbs run in order, and the first word that is no verb ends the program silently.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_SECONDS = 25 };

// What must work before the watched act.
static void stage(int succeeded, const char *what)
{
	if (succeeded)
		return;
	fprintf(stderr, "actor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- Where the act takes place ---- */

static void detach(char **a) // leaves its ancestors, at whose names rules look; who waits sees its output end
{
	pid_t parent = getpid();

	if (fork())
		_exit(0);
	while (getppid() == parent)
		usleep(100);
	stage(setsid() > 0, "setsid"); // and their terminal
	int login = open("/proc/self/loginuid", O_WRONLY);
	write(login, "4294967295", 10); // nor a login, where that can be left
	close(login);
}

static void join_cgroup(char **a)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/cgroup.procs", a[0]);
	int fd = open(path, O_WRONLY);
	stage(fd >= 0 && write(fd, "0", 1) == 1, path);
	close(fd);
}

static void private_folder(char **a) // an empty folder in place of the machine's own, for this process tree only
{
	static int separate;

	if (!separate++) {
		stage(unshare(CLONE_NEWNS) == 0, "unshare");
		stage(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0, "private mounts");
	}
	stage(mount("tmpfs", a[0], "tmpfs", 0, "mode=755") == 0, a[0]);
}

static void add_address(char **a) // to the loopback interface of the network namespace
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_in *address = (void *)&request.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	stage(ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo up");
	strcpy(request.ifr_name, "lo:1");
	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, a[0], &address->sin_addr);
	stage(ioctl(fd, SIOCSIFADDR, &request) == 0, a[0]);
	close(fd);
}

static void network(char **a)
{
	stage(unshare(CLONE_NEWNET) == 0, "unshare");
	add_address(a);
}

static void become(char **a)
{
	stage(setgroups(0, 0) == 0 && setresuid(atoi(a[0]), atoi(a[0]), atoi(a[0])) == 0, "become");
}

static void terminal(char **a) // for the leader of a session without one
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	stage(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0, "pty");
	stage(open(ptsname(master), O_RDWR) >= 0, "tty");
}

static void pid_namespace(char **a)
{
	stage(unshare(CLONE_NEWPID) == 0, "unshare");
}

static void folder(char **a)
{
	stage(chdir(a[0]) == 0, a[0]);
}

static void environment(char **a)
{
	putenv(a[0]);
}

static void pause_ms(char **a)
{
	usleep(atoi(a[0]) * 1000);
}

/* ---- Programs ---- */

static void execute(char **a)
{
	execv(a[0], a);
}

static void spawn(char **a)
{
	pid_t child = fork();

	if (child == 0) {
		execv(a[0], a);
		_exit(127);
	}
	waitpid(child, 0, 0);
}

static void execute_from_memory(char **a)
{
	char buffer[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("dropped", MFD_CLOEXEC);

	for (ssize_t size; (size = read(from, buffer, sizeof(buffer))) > 0;)
		stage(write(to, buffer, size) == size, "memfd");
	fexecve(to, a, environ);
}

static void execute_copy(char **a) // a[0] becomes a copy of this very program
{
	char buffer[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = open(a[0], O_WRONLY | O_CREAT | O_TRUNC, 0755);

	for (ssize_t size; (size = read(from, buffer, sizeof(buffer))) > 0;)
		stage(write(to, buffer, size) == size, a[0]);
	close(to);
	execv(a[0], a);
}

/* ---- Files ---- */

static void file_read(char **a)
{
	open(a[0], O_RDONLY);
}

static void file_list(char **a)
{
	open(a[0], O_RDONLY | O_DIRECTORY);
}

static void file_read2(char **a)
{
	struct open_how how = { .flags = O_RDONLY };

	syscall(SYS_openat2, AT_FDCWD, a[0], &how, sizeof(how));
}

static void file_create(char **a)
{
	creat(a[0], 0755);
}

static void file_touch(char **a)
{
	open(a[0], O_WRONLY | O_CREAT, 0644);
}

static void file_append(char **a)
{
	open(a[0], O_WRONLY | O_CREAT | O_APPEND, 0644);
}

static void file_truncate(char **a)
{
	open(a[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
}

static void file_program(char **a)
{
	open(a[0], O_WRONLY | O_CREAT, 0755);
}

static void file_chmod(char **a)
{
	chmod(a[1], strtol(a[0], 0, 8));
}

static void file_fchmod(char **a)
{
	fchmod(open(a[1], O_RDONLY), strtol(a[0], 0, 8));
}

static void file_fchmodat(char **a)
{
	fchmodat(AT_FDCWD, a[1], strtol(a[0], 0, 8), 0);
}

static void file_symlinkat(char **a)
{
	symlinkat(a[0], open(a[1], O_PATH | O_DIRECTORY), a[2]);
}

static void file_linkat(char **a)
{
	linkat(open(a[0], O_PATH | O_DIRECTORY), a[1], AT_FDCWD, a[2], 0);
}

static void file_renameat(char **a)
{
	int directory = open(a[0], O_PATH | O_DIRECTORY);

	syscall(SYS_renameat2, directory, a[1], directory, a[2], 0);
}

static void file_mkdirat(char **a)
{
	mkdirat(open(a[0], O_PATH | O_DIRECTORY), a[1], 0755);
}

static void file_symlink(char **a)
{
	symlink(a[0], a[1]);
}

static void file_link(char **a)
{
	link(a[0], a[1]);
}

static void file_rename(char **a)
{
	rename(a[0], a[1]);
}

static void file_remove(char **a)
{
	unlinkat(AT_FDCWD, a[0], 0);
}

static void file_unlink(char **a)
{
	unlink(a[0]);
}

static void file_rmdir(char **a)
{
	rmdir(a[0]);
}

static void file_mkdir(char **a)
{
	mkdir(a[0], 0755);
}

/* ---- Sockets ---- */

static struct sockaddr_in address_of(char **a)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(a[1])) };

	inet_pton(AF_INET, a[0], &address.sin_addr);
	return address;
}

static void udp_connect(char **a)
{
	struct sockaddr_in to = address_of(a);

	connect(socket(AF_INET, SOCK_DGRAM, 0), (void *)&to, sizeof(to));
}

static void tcp_connect(char **a)
{
	struct sockaddr_in to = address_of(a);

	connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&to, sizeof(to));
}

static int listener;

static void tcp_listen(char **a)
{
	struct sockaddr_in at = address_of(a);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	stage(bind(listener, (void *)&at, sizeof(at)) == 0, "bind");
	listen(listener, 1);
}

static void tcp_accept(char **a)
{
	accept(listener, 0, 0);
}

static void receive_class(char **a) // both ends in one process: the backlog lets connect finish first
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	char data[16];

	bind(server, (void *)&at, size);
	listen(server, 1);
	getsockname(server, (void *)&at, &size);
	connect(client, (void *)&at, size);
	stage(send(accept(server, 0, 0), "\xca\xfe\xba\xbe\0\0\0\x41", 8, 0) == 8, "send");
	recv(client, data, sizeof(data), 0);
}

static void tcp6_loopback(char **a) // connects to itself
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int server = socket(AF_INET6, SOCK_STREAM, 0);

	at.sin6_port = htons(atoi(a[0]));
	stage(bind(server, (void *)&at, sizeof(at)) == 0, "bind");
	listen(server, 1);
	connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&at, sizeof(at));
}

static void tcp_shell(char **a) // a connection in place of the standard input
{
	struct sockaddr_in to = address_of(a);
	int connection = socket(AF_INET, SOCK_STREAM, 0);

	stage(connect(connection, (void *)&to, sizeof(to)) == 0, "connect");
	dup3(connection, 0, 0);
}

static void packet_socket(char **a)
{
	socket(AF_PACKET, SOCK_RAW, 0);
}

static void redirect_input(char **a)
{
	dup2(socket(AF_INET, SOCK_STREAM, 0), 0);
}

/* ---- Other calls ---- */

static void call_setuid(char **a)
{
	setuid(atoi(a[0]));
}

static void call_setns(char **a)
{
	setns(-1, 0);
}

static void call_unshare(char **a)
{
	unshare(CLONE_NEWNET);
}

static void call_finit_module(char **a)
{
	syscall(SYS_finit_module, -1, "", 0);
}

static void call_init_module(char **a)
{
	syscall(SYS_init_module, "", 0, "");
}

static void call_bpf(char **a)
{
	syscall(SYS_bpf, atoi(a[0]), 0, 0);
}

static void call_userfaultfd(char **a)
{
	syscall(SYS_userfaultfd, 1); // UFFD_USER_MODE_ONLY, open to everyone
}

static void trace_me(char **a)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static void trace_child(char **a)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	ptrace(PTRACE_SEIZE, child, 0, 0);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
}

static const struct verb {
	const char *name;
	void (*act)(char **);
	int arguments; // -1 takes all that follow
} VERBS[] = {
	{ "detach", detach, 0 },
	{ "join", join_cgroup, 1 },
	{ "private", private_folder, 1 },
	{ "network", network, 1 },
	{ "address", add_address, 1 },
	{ "become", become, 1 },
	{ "terminal", terminal, 0 },
	{ "pid-namespace", pid_namespace, 0 },
	{ "cd", folder, 1 },
	{ "environment", environment, 1 },
	{ "pause", pause_ms, 1 },
	{ "exec", execute, -1 },
	{ "spawn", spawn, -1 },
	{ "exec-memory", execute_from_memory, -1 },
	{ "exec-copy", execute_copy, -1 },
	{ "read", file_read, 1 },
	{ "list", file_list, 1 },
	{ "read-openat2", file_read2, 1 },
	{ "creat", file_create, 1 },
	{ "touch", file_touch, 1 },
	{ "append", file_append, 1 },
	{ "truncate", file_truncate, 1 },
	{ "program", file_program, 1 },
	{ "chmod", file_chmod, 2 },
	{ "fchmod", file_fchmod, 2 },
	{ "fchmodat", file_fchmodat, 2 },
	{ "symlinkat", file_symlinkat, 3 },
	{ "linkat", file_linkat, 3 },
	{ "renameat", file_renameat, 3 },
	{ "mkdirat", file_mkdirat, 2 },
	{ "unlink", file_unlink, 1 },
	{ "rmdir", file_rmdir, 1 },
	{ "symlink", file_symlink, 2 },
	{ "link", file_link, 2 },
	{ "rename", file_rename, 2 },
	{ "remove", file_remove, 1 },
	{ "mkdir", file_mkdir, 1 },
	{ "udp", udp_connect, 2 },
	{ "tcp", tcp_connect, 2 },
	{ "listen", tcp_listen, 2 },
	{ "accept", tcp_accept, 0 },
	{ "receive-class", receive_class, 0 },
	{ "tcp6", tcp6_loopback, 1 },
	{ "shell", tcp_shell, 2 },
	{ "packet-socket", packet_socket, 0 },
	{ "redirect-input", redirect_input, 0 },
	{ "setuid", call_setuid, 1 },
	{ "setns", call_setns, 0 },
	{ "unshare", call_unshare, 0 },
	{ "finit-module", call_finit_module, 0 },
	{ "init-module", call_init_module, 0 },
	{ "bpf", call_bpf, 1 },
	{ "userfaultfd", call_userfaultfd, 0 },
	{ "trace-me", trace_me, 0 },
	{ "trace-child", trace_child, 0 },
	{ 0 },
};

int main(int count, char **words)
{
	alarm(LIMIT_SECONDS);
	for (int at = 1; at < count;) {
		const struct verb *verb = VERBS;
		while (verb->name && strcmp(verb->name, words[at]))
			verb++;
		if (!verb->name || at + verb->arguments >= count)
			return 0;
		verb->act(words + at + 1);
		if (verb->arguments < 0)
			return 0;
		at += 1 + verb->arguments;
	}
	return 0;
}
