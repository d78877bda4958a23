/*
 * measure.c: what both programs of this benchmark measure with, and the memory they work on.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "measure.h"

/* ---------------------------------------------------------------- measuring ----------------- */

double ticks_per_instruction;

void calibrate(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t start = now(), ticks;
		uint32_t n = 500000;

		__asm__ volatile("1: decl %0\n	jnz 1b" : "+r"(n)::"cc");
		ticks = now() - start;
		if (ticks < best)
			best = ticks;
	}
	ticks_per_instruction = best / 1e6;
}

/* One nanosecond is one instruction. */
double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

double cpu_time_cost(void)
{
	double least = 1e18;

	for (int i = 0; i < 10; i++) {
		double start = cpu_time();

		keep_least(&least, cpu_time() - start);
	}
	return least;
}

void row(const char *name, double cost)
{
	printf("row: %s %.0f\n", name, cost);
}

void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---------------------------------------------------------------- memory -------------------- */

char *map(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

void unmap(char *p, size_t bytes)
{
	if (munmap(p, bytes))
		fail("munmap");
}

char *map_folds(size_t bytes)
{
	char *room = map(bytes + FOLD), *p = (char *)(((uintptr_t)room + FOLD - 1) & -FOLD);

	if (p > room)
		unmap(room, p - room);
	if (p < room + FOLD)
		unmap(p + bytes, room + FOLD - p);
	return p;
}

__attribute__((noinline)) void read_pages(volatile char *p, size_t n)
{
	for (; n; n--, p += PAGE)
		(void)*p;
}

__attribute__((noinline)) void write_pages(volatile char *p, size_t n)
{
	for (; n; n--, p += PAGE)
		*p = 1;
}

double touch(char *p, size_t n, int write)
{
	void (*const pages)(volatile char *, size_t) = write ? write_pages : read_pages;
	uint64_t start = now();
	double first, again;

	pages(p, n);
	first = since(start);
	start = now();
	pages(p, n);
	again = since(start);
	return (first - again) / n;
}

char *map_touched(size_t bytes)
{
	char *p = map(bytes);

	write_pages(p, bytes / PAGE);
	return p;
}

/* ---------------------------------------------------------------- processes ----------------- */

/* The kernel's fork, without what the C library adds to it. */
void child_and_wait(int exec)
{
	static char *const argv[] = {"/bench", "exit", NULL}, *const env[] = {NULL};
	long pid = syscall(SYS_fork);
	int status;

	if (pid < 0)
		fail("fork");
	if (!pid) {
		if (exec)
			execve("/bench", argv, env);
		syscall(SYS_exit_group, exec);
	}
	if (syscall(SYS_wait4, pid, &status, 0, NULL) != pid || status)
		fail("child");
}
