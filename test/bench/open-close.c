/*
 * Opens and closes PATH N times, at most RATE times a second if that is given; prints nanoseconds of CPU time per pair and
 * pairs a second. CPU time, because a shared machine gives other programs their turns meanwhile. Usage: open-close N PATH [RATE]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[1]) : 0;
	double rate = argc > 3 ? atof(argv[3]) : 0;

	if (count <= 0)
		return 2;
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);

	for (long i = 0; i < count; i++) {
		int fd = open(argv[2], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return 1;
		close(fd);
		if (rate > 0 && i % 1000 == 999)
			while (now(CLOCK_MONOTONIC) - wall < (i + 1) * 1e9 / rate)
				usleep(100);
	}
	wall = now(CLOCK_MONOTONIC) - wall;
	printf("%.1f %.0f\n", (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count, count * 1e9 / wall);
	return 0;
}
