/*
 * test_vma.c: areas: finding, placing, splitting, merging, counting.
 *
 * Never-forked areas always merge where they can, so their layout follows from what each page is:
 * the random test keeps a plain array of pages and compares after every step. What fork does to
 * merging is tested case by case, with layouts as tables.
 */
#include "calls.h"
#include "design.h"
#include "space.h"

#include <string.h>

#include "store/mapping.h"
#include "rmap/rmap.h"
#include "page/table.h"

/* ---------------------------------------------------------------- splitting and merging ------ */

/* An area of a mapping, or anonymous, by hand. mmap_lock held for writing. */
static struct om_vma *link_area(struct om_mm *mm, uintptr_t first, uintptr_t end, unsigned flags,
                                struct om_mapping *mapping, uintptr_t pgoff)
{
	struct om_vma *vma =
	    om_vma_new(mm, at(first), at(end), pgoff, flags | OM_VM_MAYWRITE, mapping);

	assert_non_null(vma);
	om_vma_link(vma);
	return vma;
}

static void unlink_area(struct om_vma *vma)
{
	om_vma_unlink(vma);
	om_vma_free(vma);
}

static void test_split(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mapping *file = space_file(&s, 20);
	struct om_vma *vma, *upper;

	(void)state;
	om_mm_write_lock(s.mm);
	vma = link_area(s.mm, 0, 8, RW | SH, file, 10);
	assert_int_equal(om_vma_cut_out(s.mm, at(3), at(8)), 0);
	upper = om_vma_after(vma);
	assert_int_equal(vma->end, at(3));
	assert_int_equal(upper->start, at(3));
	assert_int_equal(upper->end, at(8));
	assert_int_equal(upper->pgoff, 13);
	assert_ptr_equal(upper->mapping, file);
	assert_int_equal(om_vma_flags(upper), om_vma_flags(vma));
	assert_int_equal(s.mm->nr_vmas, 2);
	assert_int_equal(s.mm->total_vm, 8);
	assert_ptr_equal(om_vma_merge(upper), vma);
	assert_int_equal(vma->end, at(8));
	assert_int_equal(s.mm->nr_vmas, 1);
	unlink_area(vma);
	om_mm_write_unlock(s.mm);
	om_mapping_put(file);
	space_finish(&s);
}

static void test_cut_out(void **state)
{
	struct space s = space_start(64, 0);

	(void)state;
	space_map(&s, 0, 10, RW, 0);
	om_mm_write_lock(s.mm);
	assert_int_equal(om_vma_cut_out(s.mm, at(0), at(10)), 0); /* nothing to do */
	assert_int_equal(om_vma_cut_out(s.mm, at(20), at(30)), 0);
	assert_int_equal(s.mm->nr_vmas, 1);
	assert_int_equal(om_vma_cut_out(s.mm, at(3), at(6)), 0);
	om_mm_write_unlock(s.mm);
	expect_layout(s.mm, {0, 3, RW}, {3, 6, RW}, {6, 10, RW});
	om_mm_write_lock(s.mm);
	assert_int_equal(om_vma_cut_out(s.mm, at(1), at(8)), 0); /* over several */
	om_mm_write_unlock(s.mm);
	expect_layout(s.mm, {0, 1, RW}, {1, 3, RW}, {3, 6, RW}, {6, 8, RW}, {8, 10, RW});
	om_mm_write_lock(s.mm);
	om_vma_merge_range(s.mm, at(0), at(10));
	om_mm_write_unlock(s.mm);
	expect_layout(s.mm, {0, 10, RW});
	space_finish(&s);
}

/* What is going to be another kind of area: only those count that there will be. */
static void test_cut_for(void **state)
{
	struct space s = space_start(64, 0);
	struct om_vma *low, *high;

	(void)state;
	space_map(&s, 0, 10, R, 0);
	space_map(&s, 10, 10, RW, 0);
	om_set_limit(s.mm, OM_LIMIT_VMAS, 2);
	om_mm_write_lock(s.mm);
	low = om_vma_at(s.mm, at(0));
	high = om_vma_at(s.mm, at(10));
	assert_int_equal(om_vma_cut_for(low, at(0), at(10), 0), 0); /* nothing to cut */
	assert_int_equal(om_vma_cut_for(low, at(0), at(3), RW), -OM_ENOMEM);
	assert_int_equal(om_vma_cut_for(low, at(7), at(10), 0), -OM_ENOMEM);
	assert_int_equal(om_vma_cut_for(high, at(10), at(12), RW), -OM_ENOMEM);
	assert_int_equal(s.mm->nr_vmas, 2);

	/* It will join the neighbour. */
	assert_int_equal(om_vma_cut_for(low, at(7), at(10), om_vma_flags(high)), 0);
	om_vma_change_flags(om_vma_at(s.mm, at(7)), om_vma_flags(high));
	om_vma_merge(high);
	high = om_vma_at(s.mm, at(7));
	assert_int_equal(om_vma_cut_for(high, at(7), at(8), om_vma_flags(low)), 0);
	om_vma_change_flags(om_vma_at(s.mm, at(7)), om_vma_flags(low));
	om_vma_merge(low);
	om_mm_write_unlock(s.mm);
	expect_layout(s.mm, {0, 8, R}, {8, 20, RW});
	space_finish(&s);
}

/* At the limit of areas, and without a frame: nothing has changed (I10). */
static void test_cut_out_fails(void **state)
{
	struct space s = space_start(64, 0);
	unsigned n;

	(void)state;
	space_map(&s, 0, 10, RW, 0);
	om_set_limit(s.mm, OM_LIMIT_VMAS, 1);
	om_mm_write_lock(s.mm);
	assert_int_equal(om_vma_cut_out(s.mm, at(3), at(6)), -OM_ENOMEM);
	assert_int_equal(om_vma_cut_out(s.mm, at(3), at(10)), 0);
	om_vma_merge_range(s.mm, at(0), at(10));
	om_set_limit(s.mm, OM_LIMIT_VMAS, OM_UNLIMITED);

	/* Fill the frame of areas up to one free object: the first cut works, the second does not.
	 */
	n = (unsigned)(OM_PAGE_SIZE / om_slab(s.sys, OM_CACHE_VMA, 0)->size);
	for (uintptr_t i = 2; i < n; i++)
		link_area(s.mm, 10 * i, 10 * i + 1, RW, NULL, 0);
	space_hog(s.sys, 0);
	assert_int_equal(om_vma_cut_out(s.mm, at(3), at(6)), -OM_ENOFRAME);
	space_unhog(s.sys);
	assert_int_equal(s.mm->nr_vmas, n - 1);
	assert_int_equal(om_vma_find(s.mm, 0)->start, at(0));
	assert_int_equal(om_vma_find(s.mm, 0)->end, at(10));
	om_mm_write_unlock(s.mm);
	space_check(&s);
	space_finish(&s);
}

static void test_resize(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mapping *file = space_file(&s, 20);
	struct om_vma *vma;

	(void)state;
	om_mm_write_lock(s.mm);
	vma = link_area(s.mm, 4, 8, RW | SH, file, 10);
	om_vma_resize(vma, at(2), at(8));
	assert_int_equal(vma->pgoff, 8);
	assert_int_equal(s.mm->total_vm, 6);
	om_vma_resize(vma, at(3), at(5));
	assert_int_equal(vma->pgoff, 9);
	assert_int_equal(s.mm->total_vm, 2);
	assert_ptr_equal(om_vma_at(s.mm, at(3)), vma);
	assert_null(om_vma_at(s.mm, at(5)));
	assert_null(om_vma_at(s.mm, at(2)));
	unlink_area(vma);
	om_mm_write_unlock(s.mm);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- who merges ---------------- */

/*
 * Both faulted, in separate places, then joined: one area, though Linux keeps two, and so does a
 * design that makes an object for each in its first fault.
 */
static void test_merge_faulted(void **state)
{
	struct space s = space_start(64, 0);

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_map(&s, 4, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	space_fill(&s, s.mm, 4, 2, 'e');
	expect_layout(s.mm, {0, 2, RW}, {4, 6, RW});
	space_map(&s, 2, 2, RW, 0);
	if (faults_name_areas())
		expect_layout(s.mm, {0, 4, RW}, {4, 6, RW});
	else
		expect_layout(s.mm, {0, 6, RW});
	space_expect(&s, s.mm, 0, 2, 'a');
	space_expect(&s, s.mm, 4, 2, 'e');
	space_finish(&s);
}

static void test_merge_flags(void **state)
{
	struct space s = space_start(64, 0);

	(void)state;
	space_map(&s, 0, 6, RW, 0);
	space_fill(&s, s.mm, 0, 6, 'a');
	assert_int_equal(om_mprotect(s.mm, at(2), 2 * OM_PAGE_SIZE, OM_PROT_READ), 0);
	expect_layout(s.mm, {0, 2, RW}, {2, 4, R}, {4, 6, RW});
	space_expect(&s, s.mm, 0, 6, 'a');
	assert_int_equal(om_mprotect(s.mm, at(2), OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE), 0);
	expect_layout(s.mm, {0, 3, RW}, {3, 4, R}, {4, 6, RW});
	assert_int_equal(om_mprotect(s.mm, at(3), OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE), 0);
	expect_layout(s.mm, {0, 6, RW});
	space_check(&s);
	space_finish(&s);
}

static void test_merge_files(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mapping *file = space_file(&s, 10), *shm;

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, NULL, NULL, 10 * OM_PAGE_SIZE, &shm), 0);
	space_map_file(&s, 0, 2, R, 0, file, 0);
	space_map_file(&s, 2, 2, R, 0, file, 2);              /* continues */
	space_map_file(&s, 4, 2, R, 0, file, 5);              /* does not */
	space_map_file(&s, 6, 2, R, OM_MAP_PRIVATE, file, 7); /* is another kind */
	space_map_file(&s, 8, 2, R, 0, shm, 9);
	expect_layout(s.mm, {0, 4, R | SH, 0}, {4, 6, R | SH, 5}, {6, 8, R, 7}, {8, 10, R | SH, 9});
	om_mapping_put(file);
	om_mapping_put(shm);
	space_finish(&s);
}

/*
 * After a fork an area with shared pages has an anon_vma and keeps its numbers; a neighbour without
 * one takes numbers that fit, before it or behind it.
 */
static void test_merge_after_fork(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mm *child;
	struct om_vma *vma;

	(void)state;
	space_map(&s, 10, 4, RW, 0);
	space_fill(&s, s.mm, 10, 4, 'k');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_map(&s, 14, 2, RW, 0);
	space_map(&s, 8, 2, RW, 0);
	expect_layout(s.mm, {8, 16, RW});
	space_fill(&s, s.mm, 8, 2, 'i');
	space_fill(&s, s.mm, 14, 2, 'o');
	vma = s.mm->vmas ? om_vma_find(s.mm, 0) : NULL;
	assert_true(vma->anon_vma || !space_is_default());
	/* Elsewhere pages may be found without numbers. */
	if (om_rmap_has_numbers(vma))
		assert_int_equal(om_vma_index(vma, at(10)),
		                 om_vma_index(om_vma_find(child, 0), at(10)));
	space_check(&s);
	space_expect(&s, s.mm, 8, 8, 'i');
	space_expect(&s, child, 10, 4, 'k');
	om_mm_destroy(child);
	space_finish(&s);
}

/* An area that keeps its old numbers at a new place: the neighbours take numbers that fit these. */
static void test_renumber(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mm *child;
	struct om_vma *vma;
	uintptr_t to;

	(void)state;
	space_map(&s, 20, 4, RW, 0);
	space_fill(&s, s.mm, 20, 4, 'k');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(do_mremap(s.mm, at(20), 4 * OM_PAGE_SIZE, 4 * OM_PAGE_SIZE,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, at(40), &to),
	                 0);
	space_map(&s, 30, 2, RW, 0);
	space_fill(&s, s.mm, 30, 2, 'i'); /* direct pages, whose numbers do not matter */
	assert_int_equal(do_mremap(s.mm, at(30), 2 * OM_PAGE_SIZE, 2 * OM_PAGE_SIZE,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, at(38), &to),
	                 0);
	space_map(&s, 44, 2, RW, 0);
	vma = om_vma_find(s.mm, 0);
	if (space_is_default()) { /* others give other numbers, or none */
		expect_layout(s.mm, {38, 46, RW});
		assert_int_equal(om_vma_index(vma, at(40)), at(20) >> OM_PAGE_SHIFT);
		assert_int_equal(vma->pgoff, at(18) >> OM_PAGE_SHIFT);
	}
	space_check(&s);
	space_expect(&s, s.mm, 38, 6, 'i');
	space_expect(&s, child, 20, 4, 'k');
	om_mm_destroy(child);
	space_finish(&s);
}

/* Two lineages do not mix, nor do parts of one that are numbered otherwise. */
static void test_no_merge_after_fork(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mm *child;
	uintptr_t to;

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_map(&s, 4, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	space_fill(&s, s.mm, 4, 2, 'e');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_map(&s, 2, 2, RW, 0); /* joins one of them, but not both */
	if (space_is_default()) /* what others do without anon_vma, or with more of them, is theirs */
		expect_layout(s.mm, {0, 4, RW}, {4, 6, RW});

	/* Half of it moves behind the other half: same anon_vma, wrong numbers. */
	space_map(&s, 20, 4, RW, 0);
	space_fill(&s, s.mm, 20, 4, 'u');
	om_mm_destroy(child);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(do_mremap(s.mm, at(20), 2 * OM_PAGE_SIZE, 2 * OM_PAGE_SIZE,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, at(24), &to),
	                 0);
	if (space_is_default())
		expect_layout(s.mm, {0, 4, RW}, {4, 6, RW}, {22, 24, RW}, {24, 26, RW});
	/* And back again: one area. */
	assert_int_equal(do_mremap(s.mm, at(24), 2 * OM_PAGE_SIZE, 2 * OM_PAGE_SIZE,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, at(20), &to),
	                 0);
	if (space_is_default())
		expect_layout(s.mm, {0, 4, RW}, {4, 6, RW}, {20, 24, RW});
	space_expect(&s, s.mm, 20, 4, 'u');
	space_check(&s);
	om_mm_destroy(child);
	space_finish(&s);
}

/* Numbers of an anonymous area cannot fall below zero: then the two stay apart. */
static void test_merge_wraps(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mm *mm = s.mm;
	struct om_vma *a, *b;

	(void)state;
	om_mm_write_lock(mm);
	a = link_area(mm, 0, 4, RW, NULL, 100);
	b = link_area(mm, 4, 6, RW, NULL, 2);        /* a would have to begin at -2 */
	assert_int_equal(om_rmap_vma_fork(a, a), 0); /* no pages: no anon_vma */
	assert_null(a->anon_vma);
	assert_ptr_equal(om_vma_merge(b), a); /* b takes a's numbers instead */
	assert_int_equal(a->pgoff, 100);
	unlink_area(a);
	om_mm_write_unlock(mm);
	space_finish(&s);
}

/* ---------------------------------------------------------------- counters ------------------ */

static void test_counters(void **state)
{
	struct space s = space_start(64, 0);

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 10, 2, R, 0);
	space_map(&s, 20, 3, RW, OM_MAP_SHARED);
	space_map(&s, 40, 5, RW, OM_MAP_GROWSDOWN);
	assert_int_equal(s.mm->total_vm, 14);
	assert_int_equal(s.mm->data_vm, 4); /* neither the stack nor what is shared */
	assert_int_equal(s.mm->locked_vm, 0);
	assert_int_equal(om_mlock(s.mm, at(1), 2 * OM_PAGE_SIZE, 0), 0);
	assert_int_equal(s.mm->locked_vm, 2);
	expect_layout(s.mm, {0, 1, RW}, {1, 3, RW | LK}, {3, 4, RW}, {10, 12, R}, {20, 23, RW | SH},
	              {40, 45, RW | GD});
	assert_int_equal(om_mprotect(s.mm, at(0), 4 * OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(s.mm->data_vm, 0);
	assert_int_equal(om_munmap(s.mm, at(0), 4 * OM_PAGE_SIZE), 0);
	assert_int_equal(s.mm->locked_vm, 0);
	assert_int_equal(s.mm->total_vm, 10);
	space_finish(&s);
}

/* ---------------------------------------------------------------- places -------------------- */

#define PAGES(n) ((size_t)(n) << OM_PAGE_SHIFT)

static void test_places(void **state)
{
	static const struct om_layout layout = {.lowest = SPACE_BASE,
	                                        .highest = SPACE_BASE + PAGES(64),
	                                        .mmap_base = SPACE_BASE + PAGES(48),
	                                        .guard_gap = PAGES(4)};
	const struct {
		uintptr_t hint;
		unsigned n;
		uintptr_t below, want; /* want: 0 for ENOMEM */
	} rows[] = {
	    {0, 2, 0, at(46)}, /* the highest gap below mmap_base */
	    {at(12), 2, 0, at(12)},
	    {at(12) + 5, 2, 0, at(12)}, /* a hint is rounded down, */
	    {5, 2, 0, at(46)},          /* to nothing at times, */
	    {PAGES(1), 2, 0, at(0)},    /* and raised to the lowest place; */
	    {at(19), 2, 0, at(46)},     /* it need not be free, */
	    {at(29), 2, 0, at(46)},     /* nor respect a stack's gap */
	    {at(62), 2, 0, at(62)},     /* above mmap_base */
	    {at(63), 2, 0, at(46)},     /* beyond the end */
	    {0, 21, 0, at(43)},         /* too much for what is below mmap_base */
	    {0, 30, 0, 0},
	    {0, 2, at(20), at(18)}, /* below: all of it lies there */
	    {0, 2, at(21), at(18)},
	    {0, 2, at(20) - 1, at(17)}, /* whole pages */
	    {at(12), 2, at(14), at(12)},
	    {at(13), 2, at(14), at(12)}, /* a hint that ends beyond it */
	    {at(40), 2, at(20), at(18)},
	    {0, 2, at(34), at(24)}, /* a stack and its gap */
	    {0, 17, at(60), at(3)},
	    {0, 21, at(64), at(43)},
	    {0, 21, at(60), 0},
	    {0, 2, at(60), at(46)},
	    {0, 2, UINTPTR_MAX, at(46)},
	    {0, 20, at(19), 0},
	    {0, 2, at(1), 0},
	    {0, 2, at(0), 0},
	    {0, 2, PAGES(1), 0},
	    {0, 2, 1, 0},
	};
	struct space s = space_start(256, 0);

	(void)state;
	om_mm_destroy(s.mm);
	assert_int_equal(om_mm_create(s.sys, &layout, NULL, &s.mm), 0);
	space_map(&s, 20, 2, RW, 0);
	space_map(&s, 30, 3, RW, OM_MAP_GROWSDOWN);
	space_map(&s, 40, 3, RW, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct om_map_request r = {.addr = rows[i].hint,
		                           .len = PAGES(rows[i].n),
		                           .below = rows[i].below,
		                           .prot = OM_PROT_READ,
		                           .flags = OM_MAP_PRIVATE};
		int err = om_mmap(s.mm, &r);

		if (err != (rows[i].want ? 0 : -OM_ENOMEM) ||
		    r.addr != (err ? rows[i].hint : rows[i].want))
			fail_msg("row %u: %d, page %ld", i, err,
			         (long)(r.addr - SPACE_BASE) / (long)OM_PAGE_SIZE);
		if (!err)
			assert_int_equal(om_munmap(s.mm, r.addr, r.len), 0);
	}
	space_finish(&s);
}

/* The embedder lets programs have page 0: they can, if they name it, and it works as any other. */
static void test_page_zero(void **state)
{
	static const struct om_layout layout = {.highest = PAGES(16), .mmap_base = PAGES(8)};
	struct space s = space_start(256, 64);
	struct om_map_request fixed = {.len = PAGES(2),
	                               .prot = OM_PROT_READ | OM_PROT_WRITE,
	                               .flags = OM_MAP_PRIVATE | OM_MAP_FIXED};
	struct om_map_request any = {.len = PAGES(7),
	                             .prot = OM_PROT_READ | OM_PROT_WRITE,
	                             .flags = OM_MAP_PRIVATE};
	struct om_remap_request move = {.old_addr = PAGES(6),
	                                .old_len = PAGES(1),
	                                .new_len = PAGES(1),
	                                .flags = OM_MREMAP_MAYMOVE | OM_MREMAP_DONTUNMAP};
	struct om_mm *child;

	(void)state;
	om_mm_destroy(s.mm);
	assert_int_equal(om_mm_create(s.sys, &layout, NULL, &s.mm), 0);
	/* Not chosen, though it is free: neither for a new area nor for one that moves. */
	assert_int_equal(om_mmap(s.mm, &any), 0);
	assert_int_equal(any.addr, PAGES(1));
	any.addr = 0;
	assert_int_equal(om_mmap(s.mm, &any), 0);
	assert_int_equal(any.addr, PAGES(9));
	assert_int_equal(om_mremap(s.mm, &move), 0);
	assert_int_equal(move.new_addr, PAGES(8));
	move.new_addr = 0;
	assert_int_equal(om_mremap(s.mm, &move), -OM_ENOMEM);
	assert_int_equal(om_munmap(s.mm, 0, PAGES(16)), 0);

	assert_int_equal(om_mmap(s.mm, &fixed), 0);
	assert_int_equal(fixed.addr, 0);
	sim_put(s.cpu, s.mm, 0, 5);
	assert_int_equal(sim_get(s.cpu, s.mm, 0), 5);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	sim_put(s.cpu, child, 0, 6);
	while (om_reclaim_step(s.sys, 32))
		;
	space_check(&s);
	assert_int_equal(sim_get(s.cpu, s.mm, 0), 5);
	assert_int_equal(sim_get(s.cpu, child, 0), 6);
	om_mm_destroy(child);
	assert_int_equal(om_mprotect(s.mm, 0, PAGES(1), OM_PROT_READ), 0);
	move.old_addr = 0;
	move.new_addr = PAGES(4);
	move.flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;
	assert_int_equal(om_mremap(s.mm, &move), 0);
	assert_int_equal(sim_get(s.cpu, s.mm, PAGES(4)), 5);
	move.old_addr = PAGES(4);
	move.new_addr = 0;
	assert_int_equal(om_mremap(s.mm, &move), 0);
	assert_int_equal(sim_get(s.cpu, s.mm, 0), 5);
	space_check(&s);
	assert_int_equal(om_munmap(s.mm, 0, PAGES(1)), 0);
	space_finish(&s);
}

/* A stack may grow down to address 0, and stays below nothing. */
static void test_stack_to_zero(void **state)
{
	static const struct om_layout layout = {.highest = PAGES(16),
	                                        .mmap_base = PAGES(8),
	                                        .guard_gap = PAGES(4)};
	struct space s = space_start(256, 0);
	struct om_map_request stack = {.addr = PAGES(2),
	                               .len = PAGES(1),
	                               .prot = OM_PROT_READ | OM_PROT_WRITE,
	                               .flags = OM_MAP_PRIVATE | OM_MAP_FIXED | OM_MAP_GROWSDOWN};

	(void)state;
	om_mm_destroy(s.mm);
	assert_int_equal(om_mm_create(s.sys, &layout, NULL, &s.mm), 0);
	assert_int_equal(om_mmap(s.mm, &stack), 0);
	sim_put(s.cpu, s.mm, 0, 7);
	assert_int_equal(sim_get(s.cpu, s.mm, 0), 7);
	assert_int_equal(s.mm->total_vm, 3);
	space_check(&s);
	space_finish(&s);
}

/* Each rule of a layout, broken alone, is named. */
static void test_layouts(void **state)
{
	const struct om_layout good = {.lowest = PAGES(1),
	                               .highest = OM_VA_LIMIT,
	                               .mmap_base = OM_VA_LIMIT,
	                               .brk_start = PAGES(1) + 1,
	                               .guard_gap = PAGES(1)};
	const char *const aligned = "lowest, highest, mmap_base and guard_gap are page aligned";
	const char *const base = "lowest < mmap_base <= highest";
	const char *const brk = "brk_start is 0, or lowest <= brk_start < highest";
	struct {
		struct om_layout l;
		const char *broken;
	} row[] = {{good, NULL},
	           {good, aligned},
	           {good, aligned},
	           {good, aligned},
	           {good, aligned},
	           {good, "lowest < highest"},
	           {good, base},
	           {good, base},
	           {good, brk},
	           {good, brk},
	           {good, "highest <= OM_VA_LIMIT"}};
	struct space s = space_start(64, 0);

	(void)state;
	row[1].l.lowest++;
	row[2].l.highest--;
	row[3].l.mmap_base--;
	row[4].l.guard_gap++;
	row[5].l.highest = PAGES(1);
	row[6].l.mmap_base = PAGES(1);
	row[7].l.highest -= PAGES(1);
	row[8].l.brk_start = 1;
	row[9].l.brk_start = OM_VA_LIMIT;
	row[10].l.highest = OM_VA_LIMIT + PAGES(1);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		const char *broken = om_check_layout(&row[i].l);
		struct om_mm *mm;

		if (!row[i].broken) {
			assert_null(broken);
			continue;
		}
		assert_non_null(broken);
		assert_string_equal(broken, row[i].broken);
		assert_int_equal(om_mm_create(s.sys, &row[i].l, NULL, &mm), -OM_EINVAL);
	}
	row[0].l.lowest = row[0].l.brk_start = row[0].l.guard_gap = 0;
	assert_null(om_check_layout(&row[0].l));
	space_finish(&s);
}

/* ---------------------------------------------------------------- the heap ------------------ */

/* exec says where it begins; what has been made of it stands in the way. */
static void test_brk_start(void **state)
{
	static const struct om_layout layout = {.lowest = PAGES(4),
	                                        .highest = PAGES(64),
	                                        .mmap_base = PAGES(48)};
	struct space s = space_start(256, 0);
	struct om_mm *child;

	(void)state;
	om_mm_destroy(s.mm);
	assert_int_equal(om_mm_create(s.sys, &layout, NULL, &s.mm), 0);
	assert_int_equal(om_brk(s.mm, PAGES(10)), 0);
	assert_int_equal(om_set_brk_start(s.mm, PAGES(4) - 1), -OM_EINVAL);
	assert_int_equal(om_set_brk_start(s.mm, PAGES(64)), -OM_EINVAL);
	assert_int_equal(om_brk(s.mm, 0), 0);
	assert_int_equal(om_set_brk_start(s.mm, PAGES(9) + 100), 0);
	assert_int_equal(om_brk(s.mm, 0), PAGES(9) + 100);
	assert_int_equal(om_brk(s.mm, PAGES(9)), PAGES(9) + 100); /* below the start */
	assert_int_equal(om_brk(s.mm, PAGES(11)), PAGES(11));
	sim_put(s.cpu, s.mm, PAGES(10), 1);
	assert_int_equal(om_set_brk_start(s.mm, PAGES(20)), -OM_EBUSY);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	om_mm_empty(s.mm);
	assert_int_equal(om_brk(s.mm, 0), PAGES(9) + 100);
	assert_int_equal(om_set_brk_start(s.mm, PAGES(20)), 0);
	assert_int_equal(om_brk(s.mm, PAGES(21)), PAGES(21));
	assert_int_equal(om_brk(child, 0), PAGES(11));
	assert_int_equal(om_brk(child, PAGES(9) + 100), PAGES(9) + 100);
	assert_int_equal(om_set_brk_start(child, 0), 0);
	assert_int_equal(om_brk(child, PAGES(11)), 0);
	om_mm_destroy(child);
	space_check(&s);
	space_finish(&s);
}

/* The child has the parent's limits. */
static void test_limits_fork(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mm *child;

	(void)state;
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		om_set_limit(s.mm, (enum om_limit)i, 1000 + i);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	om_set_limit(s.mm, OM_LIMIT_AS, 5);
	om_mm_empty(child);
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		assert_int_equal(om_get_limit(child, (enum om_limit)i), 1000 + i);
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- random -------------------- */

#define NPAGES 96
#define MW     ((unsigned)OM_VM_MAYWRITE)
#define GUARD  4

static const struct om_layout small = {.lowest = SPACE_BASE,
                                       .highest = SPACE_BASE + (NPAGES << OM_PAGE_SHIFT),
                                       .mmap_base = SPACE_BASE + (NPAGES << OM_PAGE_SHIFT),
                                       .guard_gap = GUARD << OM_PAGE_SHIFT};

/* What one page is. */
struct cell {
	bool mapped;
	unsigned flags;
	struct om_mapping *file;
	uintptr_t pgoff; /* of files */
};

struct model {
	struct om_mm *mm;
	struct cell cell[NPAGES];
	struct om_mapping *file[2];
	uint64_t seed;
};

static bool joined(const struct cell *a, const struct cell *b)
{
	return a->mapped && b->mapped && a->flags == b->flags && a->file == b->file &&
	       (!a->file || a->pgoff + 1 == b->pgoff);
}

/* The page after the last one of the area that begins at i. */
static unsigned run_end(const struct model *m, unsigned i)
{
	while (i + 1 < NPAGES && joined(&m->cell[i], &m->cell[i + 1]))
		i++;
	return i + 1;
}

static void check_areas(const struct model *m)
{
	struct om_vma *vma = om_vma_find(m->mm, 0);
	size_t total = 0, data = 0, locked = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < NPAGES; i++) {
		const struct cell *c = &m->cell[i];

		if (!c->mapped)
			continue;
		assert_non_null(vma);
		assert_int_equal(vma->start, at(i));
		assert_int_equal(om_vma_flags(vma), c->flags);
		assert_ptr_equal(vma->mapping, c->file);
		if (c->file)
			assert_int_equal(vma->pgoff, c->pgoff);
		total += run_end(m, i) - i;
		data += om_flags_are_data(c->flags) ? run_end(m, i) - i : 0;
		locked += c->flags & LK ? run_end(m, i) - i : 0;
		i = run_end(m, i) - 1;
		assert_int_equal(vma->end, at(i + 1));
		vma = om_vma_after(vma);
		n++;
	}
	assert_null(vma);
	assert_int_equal(m->mm->nr_vmas, n);
	assert_int_equal(m->mm->total_vm, total);
	assert_int_equal(m->mm->data_vm, data);
	assert_int_equal(m->mm->locked_vm, locked);
}

static void check_finding(struct model *m)
{
	unsigned p = unit_rand(&m->seed) % NPAGES, next = p, prev = p;
	uintptr_t addr = at(p) + unit_rand(&m->seed) % OM_PAGE_SIZE;
	struct om_vma *vma = om_vma_at(m->mm, addr);

	assert_int_equal(vma != NULL, m->cell[p].mapped);
	if (vma)
		assert_true(om_vma_covers(vma, addr));
	while (next < NPAGES && !m->cell[next].mapped)
		next++;
	vma = om_vma_find(m->mm, addr);
	assert_int_equal(vma != NULL, next < NPAGES);
	if (vma)
		assert_true(vma->end > addr && vma->start <= at(next) && at(next) < vma->end);
	/* The last area that starts below the page. */
	while (prev > 0 && !m->cell[prev - 1].mapped)
		prev--;
	vma = om_vma_before(m->mm, at(p));
	assert_int_equal(vma != NULL, prev > 0);
	if (vma)
		assert_true(vma->start < at(p) && vma->end >= at(prev));
}

/* Is the place free, and is what comes after it no stack that wants a gap? */
static bool is_free(const struct model *m, unsigned first, unsigned n)
{
	unsigned next = first;

	while (next < NPAGES && !m->cell[next].mapped)
		next++;
	if (next < NPAGES && (m->cell[next].flags & GD))
		next = next > GUARD ? next - GUARD : 0;
	return first + n <= next;
}

static void check_placing(struct model *m)
{
	unsigned n = 1 + unit_rand(&m->seed) % 12, limit = unit_rand(&m->seed) % (NPAGES + 1), i;
	uintptr_t found = om_gap_find(m->mm, n << OM_PAGE_SHIFT, at(limit));

	for (i = limit >= n ? limit - n + 1 : 0; i > 0 && !is_free(m, i - 1, n); i--)
		;
	assert_int_equal(found, i ? at(i - 1) : 0);
}

static void do_map(struct model *m, unsigned first, unsigned n, unsigned flags,
                   struct om_mapping *file, uintptr_t pgoff)
{
	uintptr_t start = at(first), end = at(first + n);
	struct om_vma *vma =
	    om_vma_new(m->mm, start, end, file ? pgoff : start >> OM_PAGE_SHIFT, flags, file);

	assert_non_null(vma);
	assert_int_equal(om_vma_cut_out(m->mm, start, end), 0);
	om_unmap_areas(m->mm, start, end, true);
	om_vma_link(vma);
	om_vma_merge(vma);
	for (unsigned i = 0; i < n; i++)
		m->cell[first + i] = (struct cell){true, flags, file, pgoff + i};
}

static void do_unmap(struct model *m, unsigned first, unsigned n)
{
	assert_int_equal(om_vma_cut_out(m->mm, at(first), at(first + n)), 0);
	om_unmap_areas(m->mm, at(first), at(first + n), false);
	memset(&m->cell[first], 0, n * sizeof(m->cell[0]));
}

static void do_flags(struct model *m, unsigned first, unsigned n, unsigned toggle)
{
	assert_int_equal(om_vma_cut_out(m->mm, at(first), at(first + n)), 0);
	om_for_each_vma (vma, m->mm, at(first), at(first + n))
		om_vma_change_flags(vma, om_vma_flags(vma) ^ toggle);
	om_vma_merge_range(m->mm, at(first), at(first + n));
	for (unsigned i = first; i < first + n; i++)
		m->cell[i].flags ^= m->cell[i].mapped ? toggle : 0;
}

/* The last page of an area goes away, or one more comes. */
static void do_resize(struct model *m, unsigned first)
{
	struct om_vma *vma = om_vma_at(m->mm, at(first));
	unsigned end;

	if (!vma)
		return;
	end = (unsigned)((vma->end - SPACE_BASE) >> OM_PAGE_SHIFT);
	if (end < NPAGES && !m->cell[end].mapped) {
		om_vma_resize(vma, vma->start, vma->end + OM_PAGE_SIZE);
		m->cell[end] = m->cell[end - 1];
		m->cell[end].pgoff++;
		om_vma_merge(vma);
	} else if (om_vma_pages(vma) > 1) {
		om_vma_resize(vma, vma->start, vma->end - OM_PAGE_SIZE);
		memset(&m->cell[end - 1], 0, sizeof(m->cell[0]));
	}
}

static void random_step(struct model *m)
{
	static const unsigned kinds[] = {RW | MW, RW | MW, R | MW, RW | MW | GD, RW | MW | LK};
	unsigned first = unit_rand(&m->seed) % NPAGES;
	unsigned n = 1 + unit_rand(&m->seed) % (NPAGES - first < 16 ? NPAGES - first : 16);
	unsigned flags = kinds[unit_rand(&m->seed) % 5];

	switch (unit_rand(&m->seed) % 8) {
	case 0:
	case 1:
		do_map(m, first, n, flags, NULL, 0);
		break;
	case 2:
	case 3: /* often such that it continues a neighbour */
		do_map(m, first, n, (flags & ~GD) | (flags & LK ? SH : 0),
		       m->file[unit_rand(&m->seed) % 2],
		       first + (unit_rand(&m->seed) % 4 ? 0 : 1000));
		break;
	case 4:
		do_flags(m, first, n, W);
		break;
	case 5:
		do_flags(m, first, n, LK);
		break;
	case 6:
		do_resize(m, first);
		break;
	default:
		do_unmap(m, first, n);
	}
}

static void test_random(void **state)
{
	struct space s = space_start(256, 0);
	struct model m = {.seed = 42};

	(void)state;
	om_mm_destroy(s.mm);
	assert_int_equal(om_mm_create(s.sys, &small, NULL, &s.mm), 0);
	m.mm = s.mm;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(om_mapping_create(s.sys, NULL, NULL, 2000 * OM_PAGE_SIZE,
		                                   &m.file[i]),
		                 0);
	for (unsigned step = 0; step < 20000; step++) {
		om_mm_write_lock(s.mm);
		random_step(&m);
		check_areas(&m);
		check_finding(&m);
		check_placing(&m);
		om_mm_write_unlock(s.mm);
		if (step % 256 == 0)
			space_check(&s);
	}
	om_mapping_put(m.file[0]);
	om_mapping_put(m.file[1]);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_cut_out),
	    cmocka_unit_test(test_cut_for),
	    cmocka_unit_test(test_cut_out_fails),
	    cmocka_unit_test(test_resize),
	    cmocka_unit_test(test_merge_faulted),
	    cmocka_unit_test(test_merge_flags),
	    cmocka_unit_test(test_merge_files),
	    cmocka_unit_test(test_merge_after_fork),
	    cmocka_unit_test(test_renumber),
	    cmocka_unit_test(test_no_merge_after_fork),
	    cmocka_unit_test(test_merge_wraps),
	    cmocka_unit_test(test_counters),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_page_zero),
	    cmocka_unit_test(test_stack_to_zero),
	    cmocka_unit_test(test_layouts),
	    cmocka_unit_test(test_brk_start),
	    cmocka_unit_test(test_limits_fork),
	    cmocka_unit_test(test_random),
	};

	return unit_run(tests);
}
