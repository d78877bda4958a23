/*
 * large.c: the second program, for a machine with more memory. Its rows, and those of serve.c, are
 * about processes that are large: here 256 MiB or 1 GiB of private anonymous memory, all of it
 * written. They start at a multiple of 2 MiB, so that huge pages, where a kernel has them,
 * hold them all; the rows "folded" ask for huge pages (MADV_HUGEPAGE), the others leave it to the
 * kernel. Each value is for the whole range.
 *
 * There is one CPU, and whether the child runs before its parent comes back from fork() is the
 * scheduler's choice. So what fork() takes in the parent is the parent's own CPU time, less what
 * the clock takes: it stands still while the child runs. The child does nothing but look at the
 * time and end; until its parent knows, nothing else runs, so the time stamp measures its end.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "measure.h"

struct costs {
	double fault_in, fork, exit, rewrite, protect, unmap;
};

/* The child's last words, in memory that fork() does not copy. */
static uint64_t *shared_word(void)
{
	uint64_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	*p = 0;
	return p;
}

/* Its second write is sure to find the page there. */
static void child(volatile uint64_t *end)
{
	*end = 0;
	*end = now();
	syscall(SYS_exit_group, 0);
}

static void fork_and_exit(struct costs *least, double clock)
{
	uint64_t *end = shared_word();
	double start = cpu_time();
	long pid = syscall(SYS_fork);
	int status;

	if (!pid)
		child(end);
	keep_least(&least->fork, cpu_time() - start - clock);
	if (pid < 0 || syscall(SYS_wait4, pid, &status, 0, NULL) != pid || status)
		fail("child");
	keep_least(&least->exit, since(*end));
	munmap(end, PAGE);
}

static void protect(struct costs *least, char *p, size_t bytes)
{
	uint64_t start = now();

	if (mprotect(p, bytes, PROT_READ))
		fail("mprotect");
	keep_least(&least->protect, since(start));
	if (mprotect(p, bytes, PROT_READ | PROT_WRITE))
		fail("mprotect");
}

/* All that is done to such memory; each step finds it written, and nobody else's. */
static void measure(struct costs *least, size_t bytes, int folded)
{
	const size_t pages = bytes / PAGE;
	double clock = cpu_time_cost();
	char *p = map_folds(bytes);
	uint64_t start;

	if (folded)
		madvise(p, bytes, MADV_HUGEPAGE); /* a kernel without them may refuse */
	keep_least(&least->fault_in, touch(p, pages, 1) * pages);
	for (int i = 0; i < 2; i++) {
		fork_and_exit(least, clock);
		keep_least(&least->rewrite, touch(p, pages, 1) * pages);
	}
	protect(least, p, bytes);
	write_pages(p, pages);
	start = now();
	unmap(p, bytes);
	keep_least(&least->unmap, since(start));
}

static const struct costs most = {1e18, 1e18, 1e18, 1e18, 1e18, 1e18};

static void measure_1g(void)
{
	struct costs least = most;

	measure(&least, 1024 * MIB, 0);
	row("fork_1g_parent", least.fork);
	row("exit_1g_child", least.exit);
	row("rewrite_1g_after_child", least.rewrite);
	row("mprotect_1g", least.protect);
}

static void measure_256m(void)
{
	struct costs least = most, folded = most;

	measure(&least, 256 * MIB, 0);
	row("fork_256m_parent", least.fork);
	measure(&folded, 256 * MIB, 1);
	row("faultin_256m_folded", folded.fault_in);
	row("fork_256m_folded", folded.fork);
	row("mprotect_256m_folded", folded.protect);
	row("munmap_256m_folded", folded.unmap);
}

/* From the call of fork() to the parent's knowing that the new program has ended. */
static void fork_exec_exit(void)
{
	char *p = map_folds(256 * MIB);
	double least = 1e18;

	for (int i = 0; i < 3; i++) {
		uint64_t start;

		write_pages(p, 256 * MIB / PAGE);
		start = now();
		child_and_wait(1);
		keep_least(&least, since(start));
	}
	row("fork_exec_exit_256m", least);
	unmap(p, 256 * MIB);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	calibrate();
	measure_256m();
	measure_1g();
	fork_exec_exit();
	rows_serve();
	puts("done");
	return 0;
}
