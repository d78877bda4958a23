/*
 * patterns.c: programs whose memory does not fit, each with one pattern of access. All pages hold
 * their numbers, and every look checks that.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages.h"

/* Written once, then read in order, a byte of each cache line, `passes` times. */
int sequential(long mib, long passes)
{
	size_t n = (size_t)mib * MIB / PAGE;
	char *memory = pages_map(n * PAGE);
	unsigned long sum = 0;

	pages_number(memory, n);
	for (long k = 0; k < passes; k++)
		for (size_t i = 0; i < n; i++) {
			volatile char *page = (volatile char *)page_at(memory, i);

			for (size_t j = 0; j < PAGE; j += 64)
				sum += (unsigned char)page[j];
		}
	return sum == 1;
}

/* 0 to n - 1 in random order. */
static uint32_t *permutation(size_t n)
{
	uint32_t *p = malloc(n * sizeof(*p));

	if (!p)
		exit(1);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint32_t)i;
	for (size_t i = n - 1; i > 0; i--) {
		size_t j = random_next() % (i + 1);
		uint32_t t = p[i];

		p[i] = p[j];
		p[j] = t;
	}
	return p;
}

/*
 * Single pages that lie anywhere, a quarter of the accesses writes. `hot_percent` of them go to a
 * fifth of the pages; 100: any page is as likely as another.
 */
int scattered(long mib, long accesses, long hot_percent)
{
	size_t n = (size_t)mib * MIB / PAGE;
	char *memory = pages_map(n * PAGE);
	uint32_t *place = permutation(n);

	pages_number(memory, n);
	for (long k = 0; k < accesses; k++) {
		size_t i = hot_percent == 100 ? random_next() % n
		                              : random_skewed(n, (unsigned)hot_percent);
		size_t *page = page_at(memory, place[i]);

		if (random_next() % 4 == 0)
			page[1]++;
	}
	return 0;
}

static size_t nth_page(const char *order, size_t k, size_t n)
{
	if (!strcmp(order, "backwards"))
		return n - 1 - k;
	if (!strcmp(order, "stride"))
		return k * 16 % n + k * 16 / n;
	if (!strcmp(order, "random"))
		return random_next() % n;
	return k;
}

/*
 * Read-ahead of swap: memory is pushed out by a hog, which then leaves, and is read back while
 * there is room for all of it.
 */
int swapped_back(long mib, long hog_mib, const char *order)
{
	size_t n = (size_t)mib * MIB / PAGE, hog_bytes = (size_t)hog_mib * MIB;
	char *memory = pages_map(n * PAGE), *hog = pages_map(hog_bytes);

	pages_number(memory, n);
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < hog_bytes; i += PAGE)
			hog[i]++;
	munmap(hog, hog_bytes);
	for (size_t k = 0; k < n; k++)
		page_at(memory, nth_page(order, k, n));
	return 0;
}

/* Pages swapped out since the machine has started, by /proc/vmstat. */
static long long pages_out(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	char name[64];
	long long value, found = 0;

	if (!f)
		exit(1);
	while (fscanf(f, "%63s %lld", name, &value) == 2)
		if (!strcmp(name, "pswpout"))
			found = value;
	fclose(f);
	return found;
}

/* How much can a program write to before the first page goes out? Prints it in MiB. */
int room(long mib)
{
	char *memory = pages_map((size_t)mib * MIB);
	long long before = pages_out();

	for (size_t i = 0; i < (size_t)mib * MIB; i += PAGE) {
		memory[i] = 1;
		if (i % (64 * PAGE) == 0 && pages_out() != before) {
			printf("@count room_mib %.1f\n", (double)i / MIB);
			return 0;
		}
	}
	return 1;
}

/* ---------------------------------------------------------------- a family ------------------ */

enum { LOOKS = 300, OWN_WRITES = 10, COPIES = 2, OWN_PAGES = 64 };

/* One request to child `c`: looks at shared pages, writes to its own, takes copies. */
static void serve(char *shared, size_t n, char *own, long c)
{
	for (int k = 0; k < LOOKS; k++)
		page_at(shared, random_skewed(n, 80));
	for (int k = 0; k < OWN_WRITES; k++)
		own[random_next() % OWN_PAGES * PAGE]++;
	for (int k = 0; k < COPIES; k++)
		page_at(shared, (size_t)(c * 8 + k) % n)[1]++;
}

static void child(char *shared, size_t n, long c, int go, int done)
{
	char *own = pages_map(OWN_PAGES * PAGE), x;

	random_seed((uint64_t)c + 1);
	while (read(go, &x, 1) == 1) {
		serve(shared, n, own, c);
		if (write(done, &x, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

/* The children of a server share `mib`; requests come one by one and go to any child. */
int fork_server(long mib, long children, long rounds)
{
	size_t n = (size_t)mib * MIB / PAGE;
	char *shared = pages_map(n * PAGE), x = 'x';
	int go[2], done[2], status, bad = 0;

	pages_number(shared, n);
	if (pipe(go) || pipe(done))
		return 1;
	for (long c = 0; c < children; c++)
		if (!fork()) {
			close(go[1]);
			close(done[0]);
			child(shared, n, c, go[0], done[1]);
		}
	close(done[1]);
	for (long k = 0; k < rounds * children; k++)
		if (write(go[1], &x, 1) != 1 || read(done[0], &x, 1) != 1)
			return 1;
	close(go[1]);
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
