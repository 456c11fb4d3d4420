/* Starts PROGRAM N times, one after the other. Usage: spawn N PROGRAM */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	for (long i = argc > 2 ? atol(argv[1]) : 0; i > 0; i--) {
		pid_t child;

		if (posix_spawn(&child, argv[2], 0, 0, argv + 2, environ))
			return 1;
		waitpid(child, 0, 0);
	}
	return 0;
}
