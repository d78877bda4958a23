/*
 * crowd.c: a family that needs more memory than there is. Many of its pages are in swap at any
 * time, those that fork has shared no less than others. Each member finds what it wrote.
 */
#include "user.h"

#define PAGES    2048l
#define SIZE     (PAGES * PAGE)
#define CHILDREN 2
#define SHARE    8 /* of so many pages, a child writes one */

/* Of the members, 0 is the parent. Each writes something else to each page. */
static void write_pages(long *memory, long first, long step, long who)
{
	for (long i = first; i < PAGES; i += step) {
		memory[i * 512] = i * 10 + who;
		yield();
	}
}

static void check_pages(const long *memory, long who)
{
	long wrong = 0;

	for (long i = 0; i < PAGES; i++) {
		wrong += memory[i * 512] != i * 10 + (i % SHARE == who ? who : 0);
		yield();
	}
	print("crowd: member %lu finds %lu of %lu pages wrong\n", who, wrong, PAGES);
}

long main(void)
{
	long *memory = mmap(SIZE), who = CHILDREN;

	write_pages(memory, 0, 1, 0);
	if (in_memory(memory, SIZE) < PAGES)
		print("crowd: %lu pages written, more than fit into memory\n", PAGES);
	while (who > 0 && fork())
		who--;
	if (who)
		write_pages(memory, who, SHARE, who);
	for (int i = 0; !who && i < CHILDREN; i++)
		wait();
	check_pages(memory, who);
	munmap(memory, SIZE);
	return 0;
}
