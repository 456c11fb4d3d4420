// Gets into a state step by step, opens a file in it and waits there, so that a test can ask the system what the state is.
// Usage: truth STEP... Each process ends when its standard input does.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char **step;

static void must(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static int is(const char *name)
{
	if (strcmp(*step, name))
		return 0;
	step++;
	return 1;
}

static void wait_here(void)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
	exit(0);
}

// Goes on in a child; the parent stays until it has ended.
static void go_on_in_child(void)
{
	pid_t child = fork();

	must(child, "fork");
	if (child == 0)
		return;
	waitpid(child, 0, 0);
	exit(0);
}

static void terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	must(master, "posix_openpt");
	must(grantpt(master), "grantpt");
	must(unlockpt(master), "unlockpt");
	must(setsid(), "setsid");
	must(open(ptsname(master), O_RDWR), "pts");
}

// A program in the lower layer, and a copy of it in the upper.
static void overlay(const char *lower, const char *at)
{
	char options[1024], upper[512], work[512];

	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0), "private");
	must(mount("tmpfs", at, "tmpfs", 0, 0), "tmpfs");
	snprintf(upper, sizeof(upper), "%s/upper", at);
	snprintf(work, sizeof(work), "%s/work", at);
	must(mkdir(upper, 0700), "mkdir");
	must(mkdir(work, 0700), "mkdir");
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
	must(mount("overlay", at, "overlay", 0, options), "overlay");
}

static void copy(const char *from, const char *to)
{
	static char buffer[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0700);

	must(in, from);
	must(out, to);
	for (ssize_t size; (size = read(in, buffer, sizeof(buffer))) > 0;)
		must(write(out, buffer, size), "write");
	close(out);
}

// Starts a program with arguments as no shell gives them. What it opens is in its environment, so that they may be anything.
static void arguments(const char *kind, const char *program, const char *file)
{
	static char large[6000], variable[600];
	char *odd[] = { "\x1b[2Jname", "\xff\xfe", "two words", "line\nbreak", "", "\xe2\x80\xae", 0 };
	char *much[] = { "much", large, "last", 0 };
	char *none[] = { 0 };
	char *environment[] = { variable, 0 };

	memset(large, 'x', sizeof(large) - 1);
	snprintf(variable, sizeof(variable), "TRUTH_FILE=%s", file);
	must(execve(program, !strcmp(kind, "odd") ? odd : !strcmp(kind, "much") ? much : none, environment), "execve");
}

// Both ends in one process, so that the port of either is told by the event alone.
static void network(const char *kind)
{
	int family = !strcmp(kind, "tcp6") ? AF_INET6 : AF_INET;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = family == AF_INET6 ? (void *)&six : (void *)&four;
	socklen_t size = family == AF_INET6 ? sizeof(six) : sizeof(four);
	int server = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0);

	must(bind(server, address, size), "bind");
	must(listen(server, 1), "listen");
	must(getsockname(server, address, &size), "getsockname");
	must(connect(client, address, size), "connect");
	must(accept(server, 0, 0), "accept");
	must(getsockname(client, address, &size), "getsockname");
	int other = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
	getpeername(client, address, &size);
	printf("%d %d %d %d\n", getpid(), other, ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port), client);
	fflush(stdout);
}

static void local(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	must(bind(server, (void *)&address, sizeof(address)), "bind");
	must(listen(server, 1), "listen");
	must(connect(client, (void *)&address, sizeof(address)), "connect");
	printf("%d\n", getpid());
	fflush(stdout);
}

// What has no name: a pipe, and who sends from a socket that was never bound.
static void nameless(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX }, sender = { .sun_family = AF_UNIX, .sun_path = "stale" };
	socklen_t size = 2 + 1 + strlen(name);
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0), ends[2];
	char byte;

	must(pipe(ends), "pipe");
	must(dup2(ends[0], 20), "dup2");
	memcpy(address.sun_path + 1, name, strlen(name));
	must(bind(server, (void *)&address, size), "bind");
	must(sendto(client, "x", 1, 0, (void *)&address, size), "sendto");
	size = sizeof(sender);
	must(recvfrom(server, &byte, 1, 0, (void *)&sender, &size), "recvfrom");
	must(socket(AF_PACKET, SOCK_RAW, 0x300), "socket");
	printf("%d\n", getpid());
	fflush(stdout);
}

int main(int count, char **words)
{
	const char *file = getenv("TRUTH_FILE");

	if (file) {
		must(open(file, O_RDONLY), file);
		wait_here();
	}
	step = words + 1;
	while (*step) {
		if (is("session"))
			must(setsid(), "setsid");
		else if (is("group"))
			must(setpgid(0, 0), "setpgid");
		else if (is("terminal"))
			terminal();
		else if (is("child"))
			go_on_in_child();
		else if (is("pid-namespace")) {
			must(unshare(CLONE_NEWPID), "unshare");
			go_on_in_child();
		} else if (is("ids")) {
			must(setgroups(0, 0), "setgroups");
			must(setgid(atoi(step[0])), "setgid");
			must(setuid(atoi(step[1])), "setuid");
			step += 2;
		} else if (is("login")) { // where there is no audit there is no such file
			int fd = open("/proc/self/loginuid", O_WRONLY);

			if (fd >= 0)
				(void)!write(fd, *step, strlen(*step));
			step++;
		} else if (is("cd"))
			must(chdir(*step++), "chdir");
		else if (is("title")) { // the whole of its arguments and its environment, without any NUL
			static char *then[3] = { "open" };
			char *end = words[0];

			for (char **one = environ; *one; one++)
				end = *one + strlen(*one) + 1;
			then[1] = strdup(*step);
			step = then;
			memset(words[0], 'x', end - words[0]);
		} else if (is("name"))
			prctl(PR_SET_NAME, *step++);
		else if (is("overlay")) {
			overlay(step[0], step[1]);
			step += 2;
		} else if (is("copy")) {
			copy(step[0], step[1]);
			step += 2;
		} else if (is("exec")) { // the program, then its own steps, as its arguments
			char *program = *step;

			must(execv(program, step), program);
		} else if (is("arguments"))
			arguments(step[0], step[1], step[2]);
		else if (is("open"))
			must(open(*step++, O_RDONLY), "open");
		else if (is("connect"))
			network(*step++);
		else if (is("local"))
			local(*step++);
		else if (is("vfork")) {
			if (vfork() == 0)
				_exit(0);
		} else if (is("nameless"))
			nameless(*step++);
		else {
			fprintf(stderr, "no step %s\n", *step);
			exit(2);
		}
	}
	wait_here();
}
