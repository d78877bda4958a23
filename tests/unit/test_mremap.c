/*
 * test_mremap.c: growing, shrinking and moving areas: layouts before and after as tables, contents,
 * and what a move costs.
 */
#include "calls.h"
#include "design.h"
#include "space.h"

#include <string.h>

#include "store/mapping.h"
#include "page/slab.h"
#include "page/table.h"
#include "rmap/rmap.h"

#define MAYMOVE   ((int)OM_MREMAP_MAYMOVE)
#define FIXED     ((int)OM_MREMAP_FIXED | (int)OM_MREMAP_MAYMOVE)
#define DONTUNMAP ((int)OM_MREMAP_DONTUNMAP | (int)OM_MREMAP_MAYMOVE)
#define T         ((uintptr_t)OM_TABLE_ENTRIES) /* pages of a leaf table */

static int remap(struct space *s, uintptr_t old, size_t old_n, size_t new_n, int flags,
                 uintptr_t new, uintptr_t *to)
{
	uintptr_t result = 0;
	int err = do_mremap(s->mm, at(old), old_n << OM_PAGE_SHIFT, new_n << OM_PAGE_SHIFT, flags,
	                    at(new), &result);

	if (!err && to)
		*to = (result - SPACE_BASE) >> OM_PAGE_SHIFT;
	return err;
}

/* It works, and ends at page `new`. */
static void remap_to(struct space *s, uintptr_t old, size_t old_n, size_t new_n, int flags,
                     uintptr_t new)
{
	uintptr_t to = 0;

	assert_int_equal(remap(s, old, old_n, new_n, flags, new, &to), 0);
	assert_int_equal(to, new);
	space_check(s);
}

/* ---------------------------------------------------------------- in place ------------------ */

static void test_in_place(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 8, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	remap_to(&s, 0, 8, 8, 0, 0); /* nothing to do */
	remap_to(&s, 0, 8, 5, 0, 0); /* shrinks */
	expect_layout(s.mm, {0, 5, RW});
	remap_to(&s, 1, 2, 1, 0, 1); /* shrinks in the middle: a hole */
	expect_layout(s.mm, {0, 2, RW}, {3, 5, RW});
	remap_to(&s, 3, 2, 6, 0, 3); /* grows */
	expect_layout(s.mm, {0, 2, RW}, {3, 9, RW});
	space_expect(&s, s.mm, 3, 2, 'd');
	assert_int_equal(space_get(&s, s.mm, 5), 0); /* what was given up does not return */
	remap_to(&s, 0, 2, 3, 0, 0);                 /* fills the hole, and all is one again */
	expect_layout(s.mm, {0, 9, RW});
	space_expect(&s, s.mm, 0, 2, 'a');
	space_finish(&s);
}

static void test_grow_file(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 10);

	(void)state;
	space_map_file(&s, 0, 2, RW, 0, file, 3);
	remap_to(&s, 0, 2, 4, 0, 0);
	expect_layout(s.mm, {0, 4, RW | SH, 3});
	space_expect(&s, s.mm, 0, 4, 4);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- moving -------------------- */

static void test_blocked(void **state)
{
	struct space s = space_start(128, 0);
	uintptr_t to = 0;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 4, 1, R, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(remap(&s, 0, 4, 6, 0, 0, NULL), -OM_ENOMEM);
	expect_layout(s.mm, {0, 4, RW}, {4, 5, R});
	assert_int_equal(remap(&s, 0, 4, 6, MAYMOVE, 0, &to), 0);
	expect_layout(s.mm, {4, 5, R}, {to, to + 6, RW});
	space_expect(&s, s.mm, to, 4, 'a');
	assert_int_equal(space_try(&s, s.mm, 0, false), OM_FAULT_MAPERR);
	space_check(&s);
	space_finish(&s);
}

/* Inside an area, over others, to the side of itself; pages stay the same frames. */
static void test_fixed(void **state)
{
	struct space s = space_start(128, 0);
	struct om_page *page;

	(void)state;
	space_map(&s, 0, 8, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	space_map(&s, 20, 4, R, 0);
	page = space_page(s.mm, 2, NULL, NULL);
	remap_to(&s, 2, 3, 3, FIXED, 21);
	expect_layout(s.mm, {0, 2, RW}, {5, 8, RW}, {20, 21, R}, {21, 24, RW});
	space_expect(&s, s.mm, 21, 3, 'c');
	assert_ptr_equal(space_page(s.mm, 21, NULL, NULL), page);
	remap_to(&s, 21, 3, 1, FIXED, 2); /* smaller: the rest goes */
	expect_layout(s.mm, {0, 3, RW}, {5, 8, RW}, {20, 21, R});
	remap_to(&s, 5, 3, 5, FIXED, 30); /* and larger */
	expect_layout(s.mm, {0, 3, RW}, {20, 21, R}, {30, 35, RW});
	space_expect(&s, s.mm, 0, 3, 'a');
	space_expect(&s, s.mm, 30, 3, 'f');
	assert_int_equal(space_get(&s, s.mm, 33), 0);
	space_finish(&s);
}

/*
 * Never-forked memory merges at its new place, whatever its numbers were; but not where its pages
 * have numbers already.
 */
static void test_merges(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 50, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	space_fill(&s, s.mm, 50, 4, 'q');
	remap_to(&s, 50, 4, 4, FIXED, 4);
	if (moves_keep_numbers())
		expect_layout(s.mm, {0, 4, RW}, {4, 8, RW});
	else
		expect_layout(s.mm, {0, 8, RW});
	space_expect(&s, s.mm, 0, 4, 'a');
	space_expect(&s, s.mm, 4, 4, 'q');
	space_finish(&s);
}

/*
 * Pages shared with a child keep their number; the walk finds both entries at different places. Or
 * the design could not find them there, and each moved page is copied.
 */
static void test_shared(void **state)
{
	struct space s = space_start(256, 64);
	const bool shares = om_rmap_traits.moves_shared;
	struct om_mm *child;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_true(om_rmap_traits.moves_shared || !space_is_default());
	remap_to(&s, 0, 4, 4, FIXED, 100);
	assert_int_equal(space_page(s.mm, 100, NULL, NULL)->mapcount, shares ? 2 : 1);
	assert_int_equal(space_kind(s.mm, 100), shares ? OM_PAGE_SHARED : OM_PAGE_DIRECT);
	assert_int_equal(space_event(s.sys, OM_EV_RMAP_COPY), shares ? 0 : 4);
	space_expect(&s, s.mm, 100, 4, 'a');
	/* To swap, in both; then move the entry of a page that is not there. */
	assert_true(om_reclaim_step(s.sys, 100) >= 4);
	assert_int_equal(space_kind(s.mm, 101), OM_PAGE_SWAP);
	assert_int_equal(space_kind(child, 1), OM_PAGE_SWAP);
	remap_to(&s, 100, 4, 4, FIXED, 200);
	assert_int_equal(space_kind(s.mm, 201), OM_PAGE_SWAP);
	space_expect(&s, s.mm, 200, 4, 'a');
	space_expect(&s, child, 0, 4, 'a');
	space_check(&s);
	space_put(&s, s.mm, 200, 'z');
	assert_int_equal(space_get(&s, child, 0), 'a');
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- mixed entries ------------- */

#define MIXED 61u

/* Byte i + 1 in a page that is written; pages read only are zero; every 7th has never been touched. */
static void expect_mixed(struct space *s, uintptr_t first)
{
	static const enum om_pagekind cold[] = {OM_PAGE_SWAP, OM_PAGE_ZERO, OM_PAGE_DIRECT};

	for (uintptr_t i = 0; i < MIXED; i++) {
		enum om_pagekind want = i % 7 == 6 ? OM_PAGE_NONE : cold[i / 9 % 3];

		assert_int_equal(space_kind(s->mm, first + i), want);
	}
}

/* Runs of each kind of entry with holes in between move to places that begin anywhere in a line. */
static void test_mixed_entries(void **state)
{
	struct space s = space_start(160, 100);
	uintptr_t from = 0;

	(void)state;
	space_map(&s, 0, MIXED, RW, 0);
	for (uintptr_t i = 0; i < MIXED; i++)
		if (i % 7 != 6 && i / 9 % 3 == 0)
			space_put(&s, s.mm, i, (int)i + 1);
	assert_true(om_reclaim_step(s.sys, 100) > 0);
	for (uintptr_t i = 0; i < MIXED; i++)
		if (i % 7 != 6 && i / 9 % 3 == 1)
			assert_int_equal(space_get(&s, s.mm, i), 0);
		else if (i % 7 != 6 && i / 9 % 3 == 2)
			space_put(&s, s.mm, i, (int)i + 1);
	expect_mixed(&s, 0);
	for (uintptr_t to = 100; to < 3000; from = to, to += 100 + to % 97) {
		remap_to(&s, from, MIXED, MIXED, FIXED, to);
		expect_mixed(&s, to);
		expect_layout(s.mm, {to, to + MIXED, RW});
	}
	for (uintptr_t i = 0; i < MIXED; i++)
		assert_int_equal(space_get(&s, s.mm, from + i),
		                 i % 7 == 6 || i / 9 % 3 == 1 ? 0 : i + 1);
	space_finish(&s);
}

/*
 * The destination begins in the table where the source ends, which is not there: only the first
 * half of the source has pages. What the move makes there is no table of the source's.
 */
static void test_table_between(void **state)
{
	struct space s = space_start((om_pfn_t)(T + 200), 0);

	(void)state;
	space_map(&s, T / 2, T, RW, 0);
	for (uintptr_t i = T / 2; i < T; i++)
		space_put(&s, s.mm, i, (int)(i % 251));
	remap_to(&s, T / 2, T, T, FIXED, T + T / 2);
	expect_layout(s.mm, {T + T / 2, 2 * T + T / 2, RW});
	assert_null(om_table_find(s.mm, at(2 * T)));
	for (uintptr_t i = T / 2; i < T; i++)
		assert_int_equal(space_get(&s, s.mm, T + i), i % 251);
	space_finish(&s);
}

/* ---------------------------------------------------------------- whole tables -------------- */

/* The default design's direct pages name their table. */
static void expect_direct(const struct om_page *page, const struct om_page *table)
{
	if (space_is_default())
		assert_ptr_equal(page->object, table);
}

/*
 * A table moves as a whole where old and new place allow it: no page notices. If the design must
 * tell its pages, entries move.
 */
static void test_whole_tables(void **state)
{
	struct space s = space_start((om_pfn_t)(4 * T + 200), 0);
	const uintptr_t n = 3 * T;
	const bool whole = om_rmap_traits.moves_tables;
	struct om_page *page, *table, *edge;

	(void)state;
	space_map(&s, 0, n, RW, 0);
	for (uintptr_t i = 0; i < n; i++)
		space_put(&s, s.mm, i, (int)(i % 251));
	page = space_page(s.mm, T + 5, &table, NULL);
	expect_direct(page, table);
	assert_true(whole || !space_is_default());

	/* Two and a bit: the bit goes entry by entry. */
	remap_to(&s, 0, 2 * T + 7, 2 * T + 7, FIXED, 8 * T);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_MOVE), whole ? 2 : 0);
	assert_true((om_table_find(s.mm, at(9 * T)) == table) == whole);
	assert_ptr_equal(space_page(s.mm, 9 * T + 5, &table, NULL), page);
	expect_direct(page, table);
	assert_int_equal(om_table_addr(table, 0), at(9 * T));
	edge = space_page(s.mm, 10 * T + 3, &table, NULL);
	expect_direct(edge, table);
	expect_layout(s.mm, {2 * T + 7, n, RW}, {8 * T, 10 * T + 7, RW});

	/* To a place that is one page off: no table fits. */
	remap_to(&s, 8 * T, 2 * T + 7, 2 * T + 7, FIXED, 20 * T + 1);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_MOVE), whole ? 2 : 0);
	page = space_page(s.mm, 21 * T + 6, &table, NULL);
	expect_direct(page, table);

	/* Onto a table that is there and empty, and home again. */
	space_map(&s, 40 * T, T, RW, 0);
	space_put(&s, s.mm, 40 * T, 1);
	remap_to(&s, 20 * T + 1, 2 * T + 7, 2 * T + 7, FIXED, 40 * T);
	remap_to(&s, 40 * T, 2 * T + 7, 2 * T + 7, FIXED, 0);
	expect_layout(s.mm, {0, n, RW});
	for (uintptr_t i = 0; i < n; i++)
		assert_int_equal(space_get(&s, s.mm, i), i % 251);
	space_finish(&s);
}

/* Moving tables keeps the file's pages findable, and truncation reaches them at their new place. */
static void test_whole_file(void **state)
{
	struct space s = space_start((om_pfn_t)(T + 200), 0);
	struct om_mapping *file;

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, NULL, NULL, T << OM_PAGE_SHIFT, &file), 0);
	space_map_file(&s, 0, T, RW, 0, file, 0);
	for (uintptr_t i = 0; i < T; i += 3)
		space_put(&s, s.mm, i, (int)(i % 251));
	remap_to(&s, 0, T, T, FIXED, 8 * T);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_MOVE), om_rmap_traits.moves_tables);
	for (uintptr_t i = 0; i < T; i += 3)
		assert_int_equal(space_get(&s, s.mm, 8 * T + i), i % 251);
	assert_int_equal(om_mapping_truncate(file, 6 << OM_PAGE_SHIFT), 0);
	assert_int_equal(space_get(&s, s.mm, 8 * T + 3), 3);
	assert_int_equal(space_try(&s, s.mm, 8 * T + 6, false), OM_FAULT_BUS);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- other forms --------------- */

static void test_dontunmap(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 10);
	uintptr_t to;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(remap(&s, 0, 4, 4, DONTUNMAP | FIXED, 20, &to), 0);
	expect_layout(s.mm, {0, 4, RW}, {20, 24, RW});
	assert_int_equal(space_get(&s, s.mm, 0), 0);
	space_expect(&s, s.mm, 20, 4, 'a');
	space_check(&s);

	/* A private file: the copies move, at the old place the file shows again. */
	space_map_file(&s, 40, 4, RW, OM_MAP_PRIVATE, file, 0);
	space_put(&s, s.mm, 41, 'X');
	remap_to(&s, 40, 4, 4, DONTUNMAP | FIXED, 60);
	assert_int_equal(space_get(&s, s.mm, 61), 'X');
	assert_int_equal(space_get(&s, s.mm, 62), 3);
	assert_int_equal(space_get(&s, s.mm, 41), 2);
	assert_int_equal(remap(&s, 20, 4, 5, DONTUNMAP, 80, NULL), -OM_EINVAL);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

static void test_duplicate(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 4, RW, OM_MAP_SHARED);
	space_put(&s, s.mm, 2, 'x');
	remap_to(&s, 1, 0, 3, FIXED, 20);
	expect_layout(s.mm, {0, 4, RW | SH, 0}, {20, 23, RW | SH, 1});
	assert_int_equal(space_get(&s, s.mm, 21), 'x');
	space_put(&s, s.mm, 21, 'y');
	assert_int_equal(space_get(&s, s.mm, 2), 'y');
	assert_ptr_equal(space_page(s.mm, 2, NULL, NULL), space_page(s.mm, 21, NULL, NULL));
	space_check(&s);
	space_finish(&s);
}

/* Locked memory stays locked, counted and present, also what it grows by. */
static void test_locked(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	assert_int_equal(om_mlock(s.mm, at(0), 4 * OM_PAGE_SIZE, 0), 0);
	remap_to(&s, 0, 4, 6, 0, 0);
	assert_int_equal(space_page(s.mm, 5, NULL, NULL)->mlocked, 1);
	assert_int_equal(s.mm->locked_vm, 6);
	remap_to(&s, 0, 6, 8, FIXED, 20);
	expect_layout(s.mm, {20, 28, RW | LK});
	assert_int_equal(space_page(s.mm, 27, NULL, NULL)->mlocked, 1);
	remap_to(&s, 20, 8, 8, FIXED | DONTUNMAP, 40);
	expect_layout(s.mm, {20, 28, RW}, {40, 48, RW | LK});
	assert_int_equal(s.mm->locked_vm, 8);
	om_set_limit(s.mm, OM_LIMIT_MEMLOCK, 9 * OM_PAGE_SIZE);
	assert_int_equal(remap(&s, 40, 8, 10, 0, 0, NULL), -OM_EAGAIN);
	remap_to(&s, 40, 8, 9, 0, 40);
	space_finish(&s);
}

/* ---------------------------------------------------------------- errors -------------------- */

static void test_errors(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mm *mm = s.mm;
	const uintptr_t top = OM_VA_LIMIT;
	const size_t page = OM_PAGE_SIZE;
	uintptr_t to = 0;
	const struct {
		uintptr_t old;
		size_t old_len, new_len;
		int flags;
		uintptr_t new;
		int err;
	} row[] = {
	    {at(0) + 1, page, page, 0, 0, -OM_EINVAL},                /* unaligned */
	    {at(0), page, page, 8, 0, -OM_EINVAL},                    /* unknown flag */
	    {at(0), page, page, OM_MREMAP_FIXED, at(30), -OM_EINVAL}, /* without MAYMOVE */
	    {at(0), page, page, OM_MREMAP_DONTUNMAP, at(30), -OM_EINVAL},
	    {at(0), page, 0, MAYMOVE, 0, -OM_EINVAL}, /* nothing left */
	    {at(0), page, page, FIXED, at(30) + 1, -OM_EINVAL},
	    {at(0), page, page, FIXED, top, -OM_EINVAL},       /* too high */
	    {at(0), 2 * page, page, FIXED, at(1), -OM_EINVAL}, /* overlaps */
	    {at(1), page, 2 * page, FIXED, at(0), -OM_EINVAL},
	    {at(0), 0, page, MAYMOVE, 0, -OM_EINVAL}, /* private: no copy */
	    {at(0), page, SIZE_MAX, MAYMOVE, 0, -OM_EINVAL},
	    {at(20), page, page, 0, 0, -OM_EFAULT},              /* nothing there */
	    {at(0), 5 * page, 6 * page, MAYMOVE, 0, -OM_EFAULT}, /* not one area */
	    {at(0), 5 * page, 5 * page, FIXED, at(30), -OM_EFAULT},
	    {at(0), 2 * page, 3 * page, 0, 0, -OM_ENOMEM}, /* not its end */
	    {at(0), page, page, FIXED, 0, -OM_EPERM},      /* below `lowest` */
	};

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 4, 4, R, 0);
	space_fill(&s, mm, 0, 4, 'a');
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(do_mremap(mm, row[i].old, row[i].old_len, row[i].new_len,
		                           row[i].flags, row[i].new, &to),
		                 row[i].err);
		expect_layout(mm, {0, 4, RW}, {4, 8, R});
	}
	assert_int_equal(to, 0);
	om_set_limit(mm, OM_LIMIT_AS, 9 * page);
	assert_int_equal(remap(&s, 0, 4, 6, MAYMOVE, 0, NULL), -OM_ENOMEM);
	om_set_limit(mm, OM_LIMIT_AS, OM_UNLIMITED);
	om_set_limit(mm, OM_LIMIT_VMAS, 4);
	assert_int_equal(remap(&s, 1, 1, 1, FIXED, 30, NULL), -OM_ENOMEM);
	expect_layout(mm, {0, 4, RW}, {4, 8, R});
	space_expect(&s, mm, 0, 4, 'a');
	space_finish(&s);
}

/* Without a frame for tables or areas: nothing has happened, to the last merge (hazard 32). */
static void test_no_memory(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 8, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	space_map(&s, 4 * T, 8, R, 0);
	space_hog(s.sys, 0);
	assert_int_equal(remap(&s, 2, 4, 4, FIXED, 4 * T + 2, NULL), -OM_ENOMEM);
	expect_layout(s.mm, {0, 8, RW}, {4 * T, 4 * T + 8, R});
	space_unhog(s.sys);
	space_expect(&s, s.mm, 0, 8, 'a');
	remap_to(&s, 2, 4, 4, FIXED, 4 * T + 2);
	expect_layout(s.mm, {0, 2, RW}, {6, 8, RW}, {4 * T, 4 * T + 2, R},
	              {4 * T + 2, 4 * T + 6, RW}, {4 * T + 6, 4 * T + 8, R});
	space_finish(&s);
}

/*
 * A move of 32 tables that runs out of frames half way leaves none at its destination. If it did, a
 * later munmap nearby would free them, and the MMU would have to hear that they go.
 */
static void test_no_table_is_left(void **state)
{
	struct space s = space_start(256, 0);
	const uintptr_t to =
	    100 * T + 1; /* the places in the tables differ: the move needs leaves */
	struct om_mminfo before, after;

	(void)state;
	space_map(&s, 0, 32 * T, RW, 0);
	for (uintptr_t i = 0; i < 32; i++)
		space_put(&s, s.mm, i * T, 'a');
	om_mminfo(s.mm, 0, UINTPTR_MAX, &before);
	for (om_pfn_t leave = 0; leave < 32; leave += 3) {
		space_hog(s.sys, leave);
		assert_int_equal(remap(&s, 0, 32 * T, 32 * T, FIXED, to, NULL), -OM_ENOMEM);
		space_unhog(s.sys);
		om_mminfo(s.mm, 0, UINTPTR_MAX, &after);
		assert_int_equal(after.tables, before.tables);
		space_check(&s); /* I5: every table has an area */
	}
	remap_to(&s, 0, 32 * T, 32 * T, FIXED, to);
	for (uintptr_t i = 0; i < 32; i++)
		assert_int_equal(space_get(&s, s.mm, to + i * T), 'a');
	space_finish(&s);
}

/* Where nothing is, nothing moves, and no table is made. */
static void test_sparse_move(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mminfo before, after;

	(void)state;
	if (OM_LEVELS < 3) { /* there is no room for so many tables */
		space_finish(&s);
		skip();
	}
	space_map(&s, 0, 200 * T, RW, 0);
	space_put(&s, s.mm, 150 * T + 3, 'a');
	om_mminfo(s.mm, 0, UINTPTR_MAX, &before);
	remap_to(&s, 0, 200 * T, 200 * T, FIXED, 500 * T + 7);
	om_mminfo(s.mm, 0, UINTPTR_MAX, &after);
	assert_in_range(after.tables, before.tables, before.tables + 2);
	assert_int_equal(space_get(&s, s.mm, 650 * T + 10), 'a');
	space_finish(&s);
}

/* A stale translation would show the old page at the old address, or write to it (hazard 8). */
static void test_flushes(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a'); /* the TLB has both, writable */
	space_flushes.calls = 0;
	remap_to(&s, 0, 2, 2, FIXED | DONTUNMAP, 20);
	assert_true(space_flushes.calls >= 1);
	space_put(&s, s.mm, 0, '!');
	space_expect(&s, s.mm, 20, 2, 'a');
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_place),      cmocka_unit_test(test_grow_file),
	    cmocka_unit_test(test_blocked),       cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_merges),        cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_mixed_entries), cmocka_unit_test(test_whole_tables),
	    cmocka_unit_test(test_table_between), cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_dontunmap),     cmocka_unit_test(test_duplicate),
	    cmocka_unit_test(test_locked),        cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_no_table_is_left),
	    cmocka_unit_test(test_sparse_move),   cmocka_unit_test(test_flushes),
	};

	return unit_run(tests);
}
