/* sharing.c: tests of memory that several have: after a fork, of a file, in swap. */
#include "user.h"

/* ---- fork --------------------------------------------------------------------------------- */

/* A chain of children: each finds what its parent wrote, and nobody finds what it writes. */
static void chain(volatile long *p, size_t pages, long depth)
{
	for (size_t i = 0; i < pages; i++)
		check(p[i * PER_PAGE] == (long)i + depth);
	if (depth < 4 && !fork()) {
		for (size_t i = 0; i < pages; i++)
			p[i * PER_PAGE]++;
		chain(p, pages, depth + 1);
		leave(7);
	}
	if (depth < 4)
		check(wait() == 7);
	for (size_t i = 0; i < pages; i++)
		check(p[i * PER_PAGE] == (long)i + depth);
}

void test_fork(void)
{
	const size_t n = 32;
	long *p = get(n * PAGE_BYTES);

	for (size_t i = 0; i < n; i++)
		p[i * PER_PAGE] = (long)i;
	chain(p, n, 0);
	unmap(p, n * PAGE_BYTES);
}

/* Memory that parent and child both write. */
void test_shared(void)
{
	volatile long *p = map(NULL, 2 * PAGE_BYTES, PROT_RW, OM_MAP_SHARED);

	if (!fork()) {
		p[0] = 1;
		while (!p[PER_PAGE])
			yield();
		leave(p[PER_PAGE]);
	}
	while (!p[0])
		yield();
	check(!advise(p, 2 * PAGE_BYTES, OM_MADV_PAGEOUT));
	p[PER_PAGE] = 5;
	check(wait() == 5 && p[0] == 1);
	unmap(p, 2 * PAGE_BYTES);
}

/* ---- a file ------------------------------------------------------------------------------- */

static bool is_file(const uint8_t *p, size_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != file_byte(offset + i))
			return false;
	return true;
}

static long on_disk(size_t offset)
{
	return call(CALL_DISK, offset, 0, 0);
}

#define FILE_PAGES 11 /* the last one is behind its end */

void test_file_private(void)
{
	const size_t end = (FILE_BYTES + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	uint8_t *p = map_file(FILE_PAGES * PAGE_BYTES, PROT_RW, OM_MAP_PRIVATE, 0);
	uint8_t *q = map_file(PAGE_BYTES, OM_PROT_READ, OM_MAP_PRIVATE, 2 * PAGE_BYTES);

	check(is_file(p, 0, FILE_BYTES) && is_file(q, 2 * PAGE_BYTES, PAGE_BYTES));
	for (size_t i = FILE_BYTES; i < end; i++)
		check(p[i] == 0);
	if (!fork())
		leave(p[end]);
	check(wait() == BAD(OM_FAULT_BUS));
	p[2 * PAGE_BYTES] ^= 0xff;
	check(is_file(q, 2 * PAGE_BYTES, PAGE_BYTES));
	if (!fork()) {
		p[2 * PAGE_BYTES] ^= 0xff;
		leave(is_file(p, 0, FILE_BYTES));
	}
	check(wait() == 1 && !is_file(p, 0, FILE_BYTES));
	check(on_disk(2 * PAGE_BYTES) == file_byte(2 * PAGE_BYTES));
	unmap(p, FILE_PAGES * PAGE_BYTES);
	unmap(q, PAGE_BYTES);
}

/* What is written is seen by others at once, and on the disk after msync(): every time. */
void test_file_shared(void)
{
	uint8_t *p = map_file(4 * PAGE_BYTES, PROT_RW, OM_MAP_SHARED, 0);
	uint8_t *q = map_file(4 * PAGE_BYTES, OM_PROT_READ, OM_MAP_PRIVATE, 0);

	for (int round = 1; round < 4; round++) {
		if (!fork()) {
			p[PAGE_BYTES] = (uint8_t)(p[PAGE_BYTES] + round);
			leave(0);
		}
		check(wait() == 0);
		check(p[PAGE_BYTES] == q[PAGE_BYTES]);
		check(p[PAGE_BYTES] != on_disk(PAGE_BYTES));
		check(!call(CALL_MSYNC, p, 4 * PAGE_BYTES, 0));
		check(p[PAGE_BYTES] == on_disk(PAGE_BYTES));
	}
	p[PAGE_BYTES] = file_byte(PAGE_BYTES);
	check(!advise(p, 4 * PAGE_BYTES, OM_MADV_PAGEOUT));
	check(is_file(p, 0, 4 * PAGE_BYTES));
	check(!call(CALL_MSYNC, p, 4 * PAGE_BYTES, 0));
	unmap(p, 4 * PAGE_BYTES);
	unmap(q, 4 * PAGE_BYTES);
	check(on_disk(PAGE_BYTES) == file_byte(PAGE_BYTES));
}

/* ---- swap --------------------------------------------------------------------------------- */

#define PAGES    2048l /* more than there are frames */
#define CHILDREN 2
#define SHARE    8 /* of so many pages, a child writes one */

/* Of the family, 0 is the parent. Each writes something else to each page. */
static void write_pages(long *p, long first, long step, long who)
{
	for (long i = first; i < PAGES; i += step)
		p[i * PER_PAGE] = i * 10 + who;
}

static bool pages_are_right(const long *p, long who)
{
	for (long i = 0; i < PAGES; i++) {
		if (p[i * PER_PAGE] != i * 10 + (i % SHARE == who ? who : 0))
			return false;
		if (i % 64 == 0)
			yield();
	}
	return true;
}

void test_swap(void)
{
	long *p = get(PAGES * PAGE_BYTES);

	write_pages(p, 0, 1, 0);
	check(resident(p, PAGES * PAGE_BYTES) < PAGES);
	for (long who = 1; who <= CHILDREN; who++)
		if (!fork()) {
			write_pages(p, who, SHARE, who);
			leave(pages_are_right(p, who));
		}
	check(pages_are_right(p, 0));
	for (long who = 1; who <= CHILDREN; who++)
		check(wait() == 1);
	check(pages_are_right(p, 0));
	unmap(p, PAGES * PAGE_BYTES);
}
