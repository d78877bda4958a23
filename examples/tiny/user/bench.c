/*
 * bench.c: another program: how many instructions each thing takes, as a program sees it, so what
 * the machine and the kernel need to get in and out is in it. What copying or zeroing the page
 * takes is not: that is string.c's. Only in QEMU with -icount does this say anything.
 */
#include "user.h"

#define PAGES  512ul
#define BYTES  (PAGES * PAGE_BYTES)
#define ROUNDS 32

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

/* What one of `n` takes, if all take `sum`. */
static void report(const char *name, unsigned long sum, unsigned long n)
{
	print("bench: %s %lu\n", name, sum / n);
}

static unsigned long read_pages(const volatile long *p, size_t pages)
{
	unsigned long start = instructions();

	for (size_t i = 0; i < pages; i++)
		(void)p[i * PER_PAGE];
	return instructions() - start;
}

static unsigned long write_pages(volatile long *p, size_t pages)
{
	unsigned long start = instructions();

	for (size_t i = 0; i < pages; i++)
		p[i * PER_PAGE] = 1;
	return instructions() - start;
}

static unsigned long clear_pages(long *p)
{
	unsigned long start = instructions();

	for (size_t i = 0; i < PAGES; i++)
		memset(p + i * PER_PAGE, 0, PAGE_BYTES);
	return instructions() - start;
}

static unsigned long copy_pages(long *p)
{
	unsigned long start = instructions();

	for (size_t i = 1; i < PAGES; i++)
		memcpy(p, p + i * PER_PAGE, PAGE_BYTES);
	return instructions() - start;
}

/* A child that is there until the parent says so; how long the fork took. */
static unsigned long start_child(volatile long *wait_for)
{
	unsigned long start = instructions();

	if (!fork()) {
		while (!*wait_for)
			yield();
		leave(0);
	}
	return instructions() - start;
}

static void end_child(volatile long *wait_for)
{
	*wait_for = 1;
	wait();
	*wait_for = 0;
}

static void bench_calls(void)
{
	unsigned long start = instructions();

	for (int i = 0; i < 256; i++)
		call(CALL_DISK, 0, 0, 0);
	report("call", instructions() - start, 256);
}

static void bench_faults(void)
{
	long *p = get(BYTES);
	unsigned long start, clear;

	report("zero_fault", read_pages(p, PAGES), PAGES);
	unmap(p, BYTES);
	p = get(BYTES);
	start = write_pages(p, PAGES);
	clear = clear_pages(p);
	report("anon_fault", start - clear, PAGES);
	start = instructions();
	unmap(p, BYTES);
	report("munmap_page", instructions() - start, PAGES);
}

static void bench_fork(volatile long *shared)
{
	unsigned long empty = start_child(shared), copy, full;
	long *p;

	end_child(shared);
	p = get(BYTES);
	write_pages(p, PAGES);
	copy = copy_pages(p);
	full = start_child(shared);
	report("fork_page", full - empty, PAGES);
	report("cow_fault", write_pages(p, PAGES) - copy, PAGES);
	end_child(shared);
	start_child(shared);
	end_child(shared);
	report("cow_reuse", write_pages(p, PAGES), PAGES);
	unmap(p, BYTES);
}

static void bench_swap(void)
{
	long *p = get(BYTES);
	unsigned long start, copy;

	write_pages(p, PAGES);
	copy = copy_pages(p);
	start = instructions();
	check(!advise(p, BYTES, OM_MADV_PAGEOUT));
	report("swap_out_page", instructions() - start - copy, PAGES);
	report("swap_in_page", read_pages(p, PAGES) - copy, PAGES);
	unmap(p, BYTES);
}

static void bench_file(void)
{
	const size_t pages = FILE_BYTES / PAGE_BYTES;
	unsigned long sum = 0;

	for (int round = 0; round <= ROUNDS; round++) {
		long *p = map_file(pages * PAGE_BYTES, OM_PROT_READ, OM_MAP_SHARED, 0);
		unsigned long n = read_pages(p, pages);

		if (round) /* the first one reads the file */
			sum += n;
		unmap(p, pages * PAGE_BYTES);
	}
	report("file_read_fault", sum, ROUNDS * pages);
}

__attribute__((section(".start"))) void start(void)
{
	long *shared = map(NULL, PAGE_BYTES, PROT_RW, OM_MAP_SHARED);

	*shared = 0;
	bench_calls();
	bench_faults();
	bench_fork(shared);
	bench_swap();
	bench_file();
	finish(true);
}
