/*
 * pages.c: what the workloads have in common (pages.h).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages.h"

char *pages_map(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

void pages_number(char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		*(size_t *)(memory + i * PAGE) = i;
}

size_t *page_at(char *memory, size_t i)
{
	size_t *page = (size_t *)(memory + i * PAGE);

	if (*(volatile size_t *)page != i) {
		printf("page %zu holds %zu\n", i, *page);
		exit(1);
	}
	return page;
}

/* ---------------------------------------------------------------- random numbers ------------ */

static uint64_t state = 0x9e3779b97f4a7c15;

void random_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 | 1;
}

uint64_t random_next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d >> 11;
}

size_t random_skewed(size_t n, unsigned percent)
{
	size_t hot = n / 5;

	return random_next() % 100 < percent ? random_next() % hot
	                                     : hot + random_next() % (n - hot);
}

/* ---------------------------------------------------------------- commands ------------------ */

int run_quietly(char **command)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
			_exit(126);
		execv(command[0], command);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) != pid)
		;
	return status;
}
