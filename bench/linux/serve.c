/*
 * serve.c: how long a server waits for its memory. It has 256 MiB, changes a word somewhere in it
 * for each request, and forks once a second a child that sees it as it was then: so do key-value
 * stores that write themselves to disk. Here the requests are SECONDS times WRITES writes at
 * random.
 *
 * The child reads a part of the memory in each of the PAUSES that the server has in a second, and
 * ends after three quarters of them; so some requests find it there, and the last ones find it
 * gone. It runs in pauses only, so no write is held up by the child's turn on the only CPU; fork()
 * is measured as in large.c. A write is measured by the time stamp: its fault is in it, and now
 * and then an interrupt.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "measure.h"

#define BYTES   (256 * MIB)
#define SECONDS 12
#define WRITES  10000 /* in each */
#define PAUSES  16
#define LAST    (PAUSES * 3 / 4) /* the child ends in this one */
#define CHUNK   (WRITES / PAUSES)

_Static_assert(WRITES % PAUSES == 0, "as many writes between any two pauses");

/* In memory that fork() shares: a note of a result must not take a fault itself. */
static struct notes {
	uint32_t write[SECONDS * WRITES], fork[SECONDS];
	unsigned writes, forks;
} * notes;

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	memset(p, 0, bytes);
	return p;
}

static size_t at_random(size_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % n;
}

/* ---------------------------------------------------------------- the child ----------------- */

/* Each byte that comes through the pipe is a pause, so the child knows when to go on. */
static void child(const char *p, int fd)
{
	const size_t part = BYTES / PAGE / LAST;
	char byte;

	for (size_t i = 0; i < LAST && read(fd, &byte, 1) == 1; i++)
		read_pages((volatile char *)p + i * part * PAGE, part);
	syscall(SYS_exit_group, 0);
}

static long snapshot(const char *p, const int fd[2], double clock)
{
	double start = cpu_time();
	long pid = syscall(SYS_fork);

	if (pid < 0)
		fail("fork");
	if (!pid)
		child(p, fd[0]);
	notes->fork[notes->forks++] = cpu_time() - start - clock;
	return pid;
}

/* ---------------------------------------------------------------- the server ---------------- */

/* What two looks at the time find between them. */
static double empty(void)
{
	double least = 1e18;

	for (int i = 0; i < 10; i++) {
		uint64_t start = now();

		keep_least(&least, since(start));
	}
	return least;
}

static void some_requests(volatile char *p, double nothing)
{
	for (int i = 0; i < CHUNK; i++) {
		volatile char *word = p + at_random(BYTES / 8) * 8;
		uint64_t start = now();

		*(volatile uint64_t *)word = start;
		notes->write[notes->writes++] = since(start) - nothing;
	}
}

static void one_second(char *p, const int fd[2], double clock, double nothing)
{
	const struct timespec pause = {0, 1000000000 / PAUSES};
	long pid = snapshot(p, fd, clock);

	for (int i = 1; i <= PAUSES; i++) {
		some_requests(p, nothing);
		if (i <= LAST && write(fd[1], "", 1) != 1)
			fail("pipe");
		if (i == LAST && waitpid(pid, NULL, 0) != pid)
			fail("child");
		nanosleep(&pause, NULL);
	}
}

/* ---------------------------------------------------------------- rows ---------------------- */

static int order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of n sorted values the first that `percent` of them do not exceed. */
static double percentile(const uint32_t *sorted, size_t n, size_t percent)
{
	return sorted[(n * percent + 99) / 100 - 1];
}

void rows_serve(void)
{
	double clock = cpu_time_cost(), nothing = empty();
	char *p = map_folds(BYTES);
	int fd[2];

	notes = shared(sizeof(*notes));
	if (pipe(fd))
		fail("pipe");
	write_pages(p, BYTES / PAGE);
	for (int i = 0; i < SECONDS; i++)
		one_second(p, fd, clock, nothing);
	qsort(notes->write, notes->writes, sizeof(notes->write[0]), order);
	qsort(notes->fork, notes->forks, sizeof(notes->fork[0]), order);
	row("serve_fork_p50", percentile(notes->fork, notes->forks, 50));
	row("serve_fork_p99", percentile(notes->fork, notes->forks, 99));
	row("serve_write_p50", percentile(notes->write, notes->writes, 50));
	row("serve_write_p99", percentile(notes->write, notes->writes, 99));
	row("serve_write_max", notes->write[notes->writes - 1]);
	unmap(p, BYTES);
}
