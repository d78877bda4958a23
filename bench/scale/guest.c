/*
 * guest.c: operations of many CPUs at a time, as a program sees them. One static program that runs
 * under Debian's kernel and under the reference kernel alike (kernels.sh); plugin.c watches.
 *
 * There is a worker for each CPU, tied to it: a process, or a thread of one. Each does the
 * operation of a row many times, in a range of 2 MiB of its own, first without being counted; then
 * all wait for each other, and do it again between the marks of marker.h. What comes before and
 * after an operation is not counted.
 *
 * Output: "row: NAME SPACES CPUS OPERATIONS" for each row, in the order of the plugin's results,
 * then "done".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "marker.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGE    4096ul
#define SPAN    (512 * PAGE) /* what one table maps */
#define BASE    0x10000000000ul
#define PAGES   256u /* of a range that operations use */
#define AROUND  16u  /* pages that a read fault of a file maps, on both kernels */
#define WORKERS 64

struct worker {
	unsigned nr;
	bool leader;     /* it does what is done once for an address space */
	unsigned ranges; /* that the address space has, one for each worker, from the leader's on */
	char *p;
	pid_t child; /* 0: none */
};

struct row {
	const char *name;
	bool separate, one, file, together;
	unsigned operations;
	void (*ready)(struct worker *w);      /* before the operations begin; may be called again */
	void (*ready_once)(struct worker *w); /* after that, by leaders; or NULL */
	void (*before)(struct worker *w, unsigned i);
	void (*operation)(struct worker *w, unsigned i);
};

static unsigned nr_workers;
static const struct row *row;

/* Seen by all processes. */
static struct {
	_Atomic unsigned arrived, round;
} * meeting;

/* ---------------------------------------------------------------- helpers ------------------- */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	kill(0, SIGKILL); /* the others would wait for ever */
}

/* Wait until all are here. */
static void meet(void)
{
	unsigned round = atomic_load(&meeting->round);

	if (atomic_fetch_add(&meeting->arrived, 1) + 1 == nr_workers) {
		atomic_store(&meeting->arrived, 0);
		atomic_store(&meeting->round, round + 1);
	}
	while (atomic_load(&meeting->round) == round) {
		__builtin_ia32_pause(); /* here the emulator goes on with the next CPU */
		sched_yield();
	}
}

static char *page(const struct worker *w, unsigned i)
{
	return w->p + i * PAGE;
}

static void write_page(struct worker *w, unsigned i)
{
	*(volatile char *)page(w, i) = 1;
}

static void read_page(struct worker *w, unsigned i)
{
	(void)*(volatile char *)page(w, i);
}

static void drop(char *p, size_t bytes)
{
	must(!madvise(p, bytes, MADV_DONTNEED), "madvise");
}

static void touch(struct worker *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		write_page(w, i);
}

static void wait_for_disk(void)
{
	struct timespec time = {1, 0};

	nanosleep(&time, NULL);
}

/* ---------------------------------------------------------------- anonymous memory ---------- */

static void empty(struct worker *w)
{
	drop(w->p, PAGES * PAGE);
}

/* Side by side: each line of entries, eight pages, belongs to another CPU. */
static unsigned beside(const struct worker *w, unsigned i)
{
	return (i / 8 * nr_workers + w->nr) * 8 + i % 8;
}

static void empty_beside(struct worker *w)
{
	for (unsigned i = 0; i < PAGES; i += 8)
		drop(page(w, beside(w, i)), 8 * PAGE);
}

static void write_beside(struct worker *w, unsigned i)
{
	write_page(w, beside(w, i));
}

/* ---------------------------------------------------------------- copy on write ------------- */

static void end_child(struct worker *w)
{
	if (w->child)
		must(!kill(w->child, SIGKILL) && waitpid(w->child, NULL, 0) == w->child, "kill");
	w->child = 0;
}

static void present(struct worker *w)
{
	end_child(w);
	touch(w, PAGES);
}

static void fork_sleeper(struct worker *w)
{
	w->child = (pid_t)syscall(SYS_fork);
	must(w->child >= 0, "fork");
	while (!w->child)
		pause();
}

/* Something in each range is written meanwhile: else a fork that shares tables leaves no trace. */
static void fork_and_end(struct worker *w)
{
	fork_sleeper(w);
	for (unsigned k = 0; k < w->ranges; k++)
		*(volatile char *)(page(w, 511) + 2 * k * SPAN) = 1;
	end_child(w);
}

/* ---------------------------------------------------------------- files, areas, processes --- */

static void cached(struct worker *w)
{
	for (unsigned i = 0; i < 512; i++)
		read_page(w, i);
	drop(w->p, (512 - AROUND) * PAGE);
}

static void read_around(struct worker *w, unsigned i)
{
	read_page(w, i * AROUND);
}

/* An area of its own for what is mapped and unmapped: a hole behind it. */
static void separate_area(struct worker *w)
{
	must(!munmap(page(w, PAGES), (511 - PAGES) * PAGE), "munmap");
}

static void touch_few(struct worker *w, unsigned i)
{
	(void)i;
	touch(w, 8);
}

static void unmap_and_map(struct worker *w, unsigned i)
{
	(void)i;
	must(!munmap(w->p, PAGES * PAGE), "munmap");
	must(mmap(w->p, PAGES * PAGE, PROT_READ | PROT_WRITE,
	          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == w->p,
	     "mmap");
}

static void discard(struct worker *w, unsigned i)
{
	(void)i;
	drop(w->p, PAGES * PAGE);
}

static void touch_forked(struct worker *w)
{
	touch(w, 16);
}

static void fork_and_exit(struct worker *w, unsigned i)
{
	pid_t pid = (pid_t)syscall(SYS_fork);

	(void)w, (void)i;
	if (!pid)
		syscall(SYS_exit_group, 0);
	must(pid > 0 && syscall(SYS_wait4, pid, NULL, 0, NULL) == pid, "fork");
}

/* ---------------------------------------------------------------- swap ---------------------- */

static void page_out(struct worker *w, unsigned i)
{
	must(!madvise(page(w, i), PAGE, MADV_PAGEOUT), "madvise");
}

static void page_all_out(struct worker *w)
{
	must(!madvise(w->p, PAGES * PAGE, MADV_PAGEOUT), "madvise");
	wait_for_disk();
}

/*
 * Linux keeps pages until they are written; those that it reads again and that are not changed go
 * at once when it is told so again.
 */
static void swapped(struct worker *w)
{
	touch(w, PAGES);
	page_all_out(w);
	for (unsigned i = 0; i < PAGES; i++)
		read_page(w, i);
	page_all_out(w);
}

/* ---------------------------------------------------------------- the rows ------------------ */

static const struct row rows[] = {
    {"anon-write", .separate = true, .one = true, .operations = PAGES, .ready = empty,
     .operation = write_page},
    {"anon-write-one-table", .one = true, .together = true, .operations = PAGES,
     .ready = empty_beside, .operation = write_beside},
    {"zero-read", .separate = true, .one = true, .operations = PAGES, .ready = empty,
     .operation = read_page},
    {"cow-copy", .separate = true, .one = true, .operations = PAGES, .ready = present,
     .ready_once = fork_sleeper, .operation = write_page},
    {"cow-reuse", .separate = true, .one = true, .operations = PAGES, .ready = present,
     .ready_once = fork_and_end, .operation = write_page},
    {"file-read", .separate = true, .one = true, .file = true, .operations = 512 / AROUND - 1,
     .ready = cached, .operation = read_around},
    {"munmap-mmap", .separate = true, .one = true, .operations = 64, .ready = separate_area,
     .before = touch_few, .operation = unmap_and_map},
    {"discard", .separate = true, .one = true, .operations = 64, .ready = empty,
     .before = touch_few, .operation = discard},
    {"fork-exit", .separate = true, .operations = 32, .ready = touch_forked,
     .operation = fork_and_exit},
    {"swap-out", .separate = true, .operations = PAGES, .ready = present, .operation = page_out},
    {"swap-in", .separate = true, .operations = PAGES, .ready = swapped, .operation = read_page},
};

/* ---------------------------------------------------------------- playing ------------------- */

static void play(struct worker *w, bool count)
{
	row->ready(w);
	meet();
	if (row->ready_once && w->leader)
		row->ready_once(w);
	meet();
	if (count && !w->nr)
		MARK(MARK_ROW);
	meet();
	for (unsigned i = 0; i < row->operations; i++) {
		if (row->before)
			row->before(w, i);
		MARK(MARK_BEGIN);
		row->operation(w, i);
		MARK(MARK_END);
		__builtin_ia32_pause(); /* an operation of the next CPU comes next */
	}
	meet();
	if (count && !w->nr)
		MARK(MARK_ROW_END);
	meet();
}

static void map_range(struct worker *w, bool one)
{
	size_t spans = row->together ? nr_workers : 1, number = row->together || !one ? 0 : w->nr;
	int flags = row->file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	int fd = row->file ? open("/scale.dat", O_RDONLY) : -1;
	int prot = row->file ? PROT_READ : PROT_READ | PROT_WRITE;

	w->p = (char *)(BASE + 2 * number * SPAN);
	if (!row->together || w->leader)
		must(mmap(w->p, spans * SPAN, prot, flags | MAP_FIXED, fd, (off_t)(w->nr * SPAN)) ==
		         w->p,
		     "mmap");
	meet();
	if (row->file)
		read_page(w, 511);
	else
		for (size_t i = 0; i < spans; i++)
			w->p[(i + 1) * SPAN - 1] = 1;
}

static void work(unsigned nr, bool one)
{
	struct worker w = {.nr = nr, .leader = !one || !nr, .ranges = one ? nr_workers : 1};
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(nr, &cpu);
	must(!sched_setaffinity(0, sizeof(cpu), &cpu), "sched_setaffinity");
	map_range(&w, one);
	play(&w, false);
	play(&w, true);
	end_child(&w);
}

static void *thread(void *nr)
{
	work((unsigned)(uintptr_t)nr, true);
	return NULL;
}

/* All threads in a process of their own, so that no row finds what the last one has left. */
static void play_in_one(void)
{
	pthread_t threads[WORKERS];
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		for (uintptr_t k = 1; k < nr_workers; k++)
			must(!pthread_create(&threads[k], NULL, thread, (void *)k), "thread");
		thread(NULL);
		for (unsigned k = 1; k < nr_workers; k++)
			pthread_join(threads[k], NULL);
		_exit(0);
	}
	must(waitpid(pid, NULL, 0) == pid, "wait");
}

static void play_separately(void)
{
	for (unsigned k = 0; k < nr_workers; k++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid) {
			work(k, false);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void play_row(bool one)
{
	if (one)
		play_in_one();
	else
		play_separately();
	printf("row: %s %s %u %u\n", row->name, one ? "one" : "separate", nr_workers,
	       row->operations * nr_workers);
	fflush(stdout);
}

int main(void)
{
	cpu_set_t cpus;

	must(!sched_getaffinity(0, sizeof(cpus), &cpus), "sched_getaffinity");
	nr_workers = (unsigned)CPU_COUNT(&cpus);
	meeting = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(meeting != MAP_FAILED && nr_workers <= WORKERS, "start");
	for (row = rows; row < rows + sizeof(rows) / sizeof(*rows); row++) {
		if (row->separate)
			play_row(false);
		if (row->one)
			play_row(true);
	}
	printf("done\n");
	return 0;
}
