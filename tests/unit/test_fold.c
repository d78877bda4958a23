/*
 * test_fold.c: tables behind a big entry (I14): when a fault makes one, what leaves it folded, what
 * unfolds it, and where its frames go. tests/hazards/t_fold.c plays all of it against everything.
 */
#include "space.h"

#include <string.h>

#include "page/fold.h"
#include "page/frame.h"
#include "reclaim/reclaim.h"

#define T      OM_TABLE_ENTRIES
#define FRAMES (6 * T + 512)

static struct om_page *table_at(struct om_mm *mm, uintptr_t page)
{
	return om_table_find(mm, at(page));
}

static bool is_folded(struct om_mm *mm, uintptr_t page)
{
	struct om_page *table = table_at(mm, page);

	return table && om_table_is_folded(table);
}

/* Two tables' worth of memory, wanted big; and one page of it written. */
static struct space begin(void)
{
	struct space s = space_start(FRAMES, 4 * T);

	space_map(&s, 0, 2 * T, RW, 0);
	assert_int_equal(om_madvise(s.mm, at(0), 2 * T * OM_PAGE_SIZE, OM_MADV_HUGEPAGE), 0);
	space_put(&s, s.mm, 3, 'x');
	space_check(&s);
	return s;
}

/* What is left after it: nothing. */
static void finish(struct space *s)
{
	space_check(s);
	space_finish(s);
}

/* ---------------------------------------------------------------- folding ------------------- */

static void test_one_fault(void **state)
{
	struct space s = begin();
	struct sim_cpu_stats before, after;

	(void)state;
	assert_true(is_folded(s.mm, 0));
	assert_false(is_folded(s.mm, T));
	assert_int_equal(om_mm_rss(s.mm), T);
	sim_cpu_stats(s.cpu, &before);
	for (unsigned i = 0; i < T; i++)
		assert_int_equal(space_get(&s, s.mm, i), i == 3 ? 'x' : 0);
	space_fill(&s, s.mm, 0, T, 7);
	space_expect(&s, s.mm, 0, T, 7);
	sim_cpu_stats(s.cpu, &after);
	assert_int_equal(after.faults, before.faults);
	assert_true(is_folded(s.mm, 0));
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_FOLD), 1);
	finish(&s);
}

/* Who does not want it, or cannot have it, gets one page. */
static void test_not_folded(void **state)
{
	struct space s = space_start(FRAMES, 0);

	(void)state;
	space_map(&s, 0, T, RW, 0);
	space_put(&s, s.mm, 0, 1); /* no advice */
	assert_false(is_folded(s.mm, 0));
	om_set_huge(s.sys, OM_HUGE_ALWAYS);
	space_map(&s, T, T, RW, 0);
	assert_int_equal(om_madvise(s.mm, at(T), T * OM_PAGE_SIZE, OM_MADV_NOHUGEPAGE), 0);
	space_put(&s, s.mm, T, 1);
	assert_false(is_folded(s.mm, T));
	space_map(&s, 2 * T, T - 1, RW, 0); /* does not cover the table */
	space_put(&s, s.mm, 2 * T, 1);
	assert_false(is_folded(s.mm, 2 * T));
	space_map(&s, 3 * T, T, RW | X, 0);
	space_put(&s, s.mm, 3 * T, 1);
	assert_false(is_folded(s.mm, 3 * T));
	space_map(&s, 4 * T, T, RW, 0);
	assert_int_equal(om_mlock(s.mm, at(4 * T), T * OM_PAGE_SIZE, OM_MLOCK_ONFAULT), 0);
	space_put(&s, s.mm, 4 * T, 1);
	assert_false(is_folded(s.mm, 4 * T));
	space_map(&s, 5 * T, T, RW, 0);
	assert_int_equal(space_get(&s, s.mm, 5 * T), 0); /* reading brings zeros */
	assert_false(is_folded(s.mm, 5 * T));
	space_put(&s, s.mm, 5 * T, 1);
	assert_false(is_folded(s.mm, 5 * T));
	assert_int_equal(om_mm_rss(s.mm), 6);
	om_set_huge(s.sys, OM_HUGE_NEVER);
	space_map(&s, 6 * T, T, RW, 0);
	assert_int_equal(om_madvise(s.mm, at(6 * T), T * OM_PAGE_SIZE, OM_MADV_HUGEPAGE), 0);
	space_put(&s, s.mm, 6 * T, 1);
	assert_false(is_folded(s.mm, 6 * T));
	finish(&s);
}

/* Another CPU remembers where the table is, from a time when there was nothing in it. */
static void test_remembered(void **state)
{
	struct space s = space_start_cpus(FRAMES, 0, 2);
	char byte = 1;

	(void)state;
	space_map(&s, 0, T, RW, 0);
	space_put(&s, s.mm, 3, 1);
	assert_int_equal(om_madvise(s.mm, at(3), OM_PAGE_SIZE, OM_MADV_FREE), 0);
	assert_int_equal(om_madvise(s.mm, at(3), OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	assert_int_equal(om_mm_rss(s.mm), 0);
	assert_non_null(table_at(s.mm, 0));
	space_map(&s, 2 * T, 1, RW, 0);
	space_put(&s, s.mm, 2 * T, 1); /* faults remember another table */
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(sim_store(sim_cpu(s.sim, 1), s.mm, at(3), &byte, 1), OM_FAULT_ACCERR);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	sim_run_on(s.cpu);
	assert_int_equal(om_madvise(s.mm, at(0), T * OM_PAGE_SIZE, OM_MADV_HUGEPAGE), 0);
	space_put(&s, s.mm, 3, 2);
	space_check(&s);
	assert_true(is_folded(s.mm, 0));
	finish(&s);
}

/* Nothing is reclaimed for it, and what is not to be had does not matter. */
static void test_short_of_memory(void **state)
{
	struct space s = space_start(FRAMES, 0);

	(void)state;
	om_set_huge(s.sys, OM_HUGE_ALWAYS);
	space_map(&s, 0, T, RW, 0);
	space_hog(s.sys, T);
	space_put(&s, s.mm, 0, 1);
	assert_false(is_folded(s.mm, 0));
	assert_int_equal(om_mm_rss(s.mm), 1);
	space_unhog(s.sys);
	finish(&s);
}

/* ---------------------------------------------------------------- what it stays through ----- */

static void test_mprotect(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ), 0);
	space_check(&s);
	assert_true(is_folded(s.mm, 0));
	assert_int_equal(space_try(&s, s.mm, 5, true), OM_FAULT_ACCERR);
	space_expect(&s, s.mm, 0, T, 1);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_NONE), 0);
	space_check(&s);
	assert_int_equal(space_try(&s, s.mm, 5, false), OM_FAULT_ACCERR);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	space_check(&s);
	space_expect(&s, s.mm, 0, T, 1);
	space_fill(&s, s.mm, 0, T, 2); /* the first write gives the permission back */
	space_expect(&s, s.mm, 0, T, 2);
	space_check(&s);
	assert_true(is_folded(s.mm, 0));
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNFOLD), 0);
	/* A part of it, or execution: the entries say it. */
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(om_mprotect(s.mm, at(0), 3 * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_EXEC),
	                 0);
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	assert_int_equal(space_try(&s, s.mm, 5, true), OM_FAULT_ACCERR);
	space_expect(&s, s.mm, 0, T, 2);
	finish(&s);
}

static void test_exec(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_EXEC),
	                 0);
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	space_expect(&s, s.mm, 0, T, 1);
	finish(&s);
}

static void move(struct space *s, uintptr_t from, uintptr_t to)
{
	struct om_remap_request r = {.old_addr = at(from),
	                             .old_len = T * OM_PAGE_SIZE,
	                             .new_len = T * OM_PAGE_SIZE,
	                             .flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                             .new_addr = at(to)};

	assert_int_equal(om_mremap(s->mm, &r), 0);
	space_check(s);
}

static void test_mremap(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	move(&s, 0, 8 * T);
	assert_true(is_folded(s.mm, 8 * T));
	assert_null(table_at(s.mm, 0));
	space_expect(&s, s.mm, 8 * T, T, 1);
	move(&s, 8 * T, 4 * T + 1); /* by a distance that is no table's: entries move */
	space_expect(&s, s.mm, 4 * T + 1, T, 1);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNFOLD), 1);
	finish(&s);
}

/* The child has the table as it is; who writes first gets a copy, and both see single entries. */
static void test_fork(void **state)
{
	struct space s = begin();
	struct om_mm *child, *second;

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_check(&s);
	if (!s.sys->share_tables || !table_at(s.mm, 0) || table_at(s.mm, 0) != table_at(child, 0))
		fail();
	assert_true(is_folded(child, 0));
	space_expect(&s, child, 0, T, 1);
	om_mm_destroy(child);
	space_check(&s);
	space_fill(&s, s.mm, 0, T, 2); /* as if there had been no fork */
	assert_true(is_folded(s.mm, 0));
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNFOLD), 0);

	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(om_fork(child, NULL, &second), 0);
	space_put(&s, child, 5, 'c');
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	assert_false(is_folded(child, 0));
	assert_int_equal(space_get(&s, child, 5), 'c');
	space_expect(&s, s.mm, 0, T, 2);
	space_expect(&s, second, 0, T, 2);
	space_fill(&s, s.mm, 0, T, 3);
	space_expect(&s, second, 0, T, 2);
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(second);
	finish(&s);
}

/* What became read-only stays so, also for who is alone again. */
static void test_fork_read_only(void **state)
{
	struct space s = begin();
	struct om_mm *child;

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_mprotect(s.mm, at(0), T * OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_check(&s);
	/* Reclaim unfolds the table of both: what its entries say is what counts from now on. */
	for (unsigned i = 0; i < 50 && !space_event(s.sys, OM_EV_PGSTEAL_ANON); i++)
		om_reclaim_step(s.sys, 32);
	assert_false(is_folded(s.mm, 0));
	space_check(&s);
	om_mm_destroy(child);
	space_check(&s);
	assert_int_equal(space_try(&s, s.mm, 0, false), OM_FAULT_MINOR);
	assert_int_equal(space_try(&s, s.mm, 0, true), OM_FAULT_ACCERR);
	space_check(&s);
	finish(&s);
}

/* A child that leaves without a write in between has changed nothing. */
static void test_fork_twice(void **state)
{
	struct space s = begin();
	struct om_mm *child;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(om_fork(s.mm, NULL, &child), 0);
		om_mm_destroy(child);
		space_check(&s);
	}
	assert_true(is_folded(s.mm, 0));
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNFOLD), 0);
	finish(&s);
}

/* ---------------------------------------------------------------- what unfolds it ----------- */

static void test_part_goes(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_munmap(s.mm, at(2), OM_PAGE_SIZE), 0);
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	assert_int_equal(om_mm_rss(s.mm), T - 1);
	assert_int_equal(space_try(&s, s.mm, 2, false), OM_FAULT_MAPERR);
	space_expect(&s, s.mm, 3, T - 3, 4);
	finish(&s);
}

static void test_advice(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, 2 * T, 1);
	assert_true(is_folded(s.mm, T));
	assert_int_equal(om_madvise(s.mm, at(1), OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	assert_int_equal(space_get(&s, s.mm, 1), 0);
	assert_int_equal(om_madvise(s.mm, at(T), T * OM_PAGE_SIZE, OM_MADV_FREE), 0);
	space_check(&s);
	assert_false(is_folded(s.mm, T));
	space_put(&s, s.mm, T + 1, 9);
	assert_int_equal(space_get(&s, s.mm, T + 1), 9);
	finish(&s);
}

/* Reclaim takes pages one by one, and they come back. */
static void test_swap(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_madvise(s.mm, at(1), 2 * OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	space_check(&s);
	assert_false(is_folded(s.mm, 0));
	assert_int_equal(om_mm_rss(s.mm), T - 2);
	space_expect(&s, s.mm, 0, T, 1);
	for (unsigned i = 0; i < 100 && om_mm_rss(s.mm); i++)
		om_reclaim_step(s.sys, 32);
	space_check(&s);
	space_expect(&s, s.mm, 0, T, 1);
	finish(&s);
}

/* Use is noted in the big entry, and belongs to all pages. */
static void test_use(void **state)
{
	struct space s = begin();
	struct om_page *table = table_at(s.mm, 0);

	(void)state;
	om_table_lock(s.sys, table);
	om_table_spread_use(s.sys, table);
	for (unsigned i = 0; i < T; i++)
		assert_true(om_pte_young(om_entry_age(s.sys, table, i)));
	om_table_spread_use(s.sys, table);
	assert_false(om_pte_young(om_entry_get(s.sys, table, 7)));
	om_table_unlock(s.sys, table);
	assert_true(is_folded(s.mm, 0));
	om_tlb_flush(s.mm, at(0), at(T), OM_FLUSH_ALL);
	space_get(&s, s.mm, 7);
	om_table_lock_entries(s.sys, table); /* now the entries have it */
	assert_true(om_pte_young(om_entry_get(s.sys, table, 8)));
	om_table_unlock(s.sys, table);
	assert_false(is_folded(s.mm, 0));
	finish(&s);
}

/* ---------------------------------------------------------------- where frames go ----------- */

/* They came together and go together, so they can come again. */
static void test_munmap(void **state)
{
	struct space s = begin();

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		space_fill(&s, s.mm, 0, 2 * T, (int)i);
		assert_true(is_folded(s.mm, 0) && is_folded(s.mm, T));
		assert_int_equal(om_munmap(s.mm, at(0), 2 * T * OM_PAGE_SIZE), 0);
		space_check(&s);
		assert_int_equal(om_mm_rss(s.mm), 0);
		space_map(&s, 0, 2 * T, RW, 0);
		assert_int_equal(om_madvise(s.mm, at(0), 2 * T * OM_PAGE_SIZE, OM_MADV_HUGEPAGE),
		                 0);
	}
	finish(&s);
}

/* One that came back one by one is whole again, once it has been sorted. */
static void test_whole_again(void **state)
{
	struct space s = begin();

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		space_fill(&s, s.mm, 0, 2 * T, (int)i);
		assert_int_equal(om_munmap(s.mm, at(0), OM_PAGE_SIZE), 0);
		assert_int_equal(om_munmap(s.mm, at(0), 2 * T * OM_PAGE_SIZE), 0);
		space_map(&s, 0, 2 * T, RW, 0);
		assert_int_equal(om_madvise(s.mm, at(0), 2 * T * OM_PAGE_SIZE, OM_MADV_HUGEPAGE),
		                 0);
	}
	assert_true(space_event(s.sys, OM_EV_TABLE_FOLD) > 30);
	finish(&s);
}

/* A page that somebody holds stays when the others go. */
static void test_held(void **state)
{
	struct space s = begin();
	om_pfn_t pfn, free;

	(void)state;
	space_put(&s, s.mm, 3, 'x');
	assert_int_equal(om_pin(s.mm, at(3), OM_WRITE, &pfn), 0);
	assert_true(is_folded(s.mm, 3));
	free = om_frames_free(s.sys);
	assert_int_equal(om_munmap(s.mm, at(0), 2 * T * OM_PAGE_SIZE), 0);
	assert_int_equal(om_mm_rss(s.mm), 0);
	assert_true(om_frames_free(s.sys) >= free + T - 1);
	assert_int_equal(om_page_pins(om_page_of(s.sys, pfn)), 1);
	om_unpin(s.sys, pfn, true);
	finish(&s);
}

/* All of them are held in a way: each counts a locked entry. */
static void test_locked(void **state)
{
	struct space s = begin();

	(void)state;
	assert_int_equal(om_mlock(s.mm, at(0), T * OM_PAGE_SIZE, OM_MLOCK_ONFAULT), 0);
	assert_true(is_folded(s.mm, 0));
	space_check(&s);
	assert_int_equal(om_munmap(s.mm, at(0), T * OM_PAGE_SIZE), 0);
	assert_int_equal(om_mm_rss(s.mm), 0);
	finish(&s);
}

/* MADV_DONTNEED of all of it, while others may fault. */
static void test_discard(void **state)
{
	struct space s = begin();

	(void)state;
	space_fill(&s, s.mm, 0, T, 1);
	assert_int_equal(om_madvise(s.mm, at(0), T * OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	space_check(&s);
	assert_int_equal(om_mm_rss(s.mm), 0);
	assert_int_equal(space_get(&s, s.mm, 3), 0);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_fault),      cmocka_unit_test(test_not_folded),
	    cmocka_unit_test(test_remembered),     cmocka_unit_test(test_short_of_memory),
	    cmocka_unit_test(test_mprotect),       cmocka_unit_test(test_exec),
	    cmocka_unit_test(test_mremap),         cmocka_unit_test(test_fork),
	    cmocka_unit_test(test_fork_read_only), cmocka_unit_test(test_fork_twice),
	    cmocka_unit_test(test_part_goes),      cmocka_unit_test(test_advice),
	    cmocka_unit_test(test_swap),           cmocka_unit_test(test_use),
	    cmocka_unit_test(test_munmap),         cmocka_unit_test(test_whole_again),
	    cmocka_unit_test(test_held),           cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_discard),
	};

	if (!OM_BIG_ENTRIES || !om_rmap_traits.folds_tables)
		return 77; /* this design cannot */
	return unit_run(tests);
}
