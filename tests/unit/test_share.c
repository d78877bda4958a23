/*
 * test_share.c: fork gives the child whole leaf tables (I13): what it leaves alone, when it does
 * not, and what ends it. tests/hazards/t_share.c plays all of it against everything else.
 */
#include "space.h"

#include <string.h>

#include "page/table.h"
#include "store/slot.h"

#define T     OM_TABLE_ENTRIES
#define PAGES 5u

/* A table's worth of memory at page 0, of which the first pages are in use, and a child. */
static struct space begin(om_pfn_t frames, uint32_t slots, struct om_mm **child)
{
	struct space s = space_start(frames, slots);

	space_map(&s, 0, T, RW, 0);
	space_fill(&s, s.mm, 0, PAGES, 10);
	if (child)
		assert_int_equal(om_fork(s.mm, NULL, child), 0);
	return s;
}

static bool are_shared(struct om_mm *a, struct om_mm *b)
{
	return om_table_find(a, at(0)) == om_table_find(b, at(0));
}

static struct om_mminfo info_of(struct om_mm *mm)
{
	struct om_mminfo info;

	assert_int_equal(om_mminfo(mm, 0, UINTPTR_MAX, &info), 0);
	return info;
}

/* ---------------------------------------------------------------- what fork leaves alone ---- */

static void test_nothing_is_touched(void **state)
{
	struct space s = begin(64, 0, NULL);
	struct om_page page[PAGES], *table = om_table_find(s.mm, at(0));
	om_pte_t entry[PAGES];
	struct om_mm *child;

	(void)state;
	for (unsigned i = 0; i < PAGES; i++) {
		page[i] = *space_page(s.mm, i, NULL, NULL);
		entry[i] = om_arch_pte_load(om_table_entry(table, i));
	}
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_check(&s);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_memory_equal(&page[i], space_page(s.mm, i, NULL, NULL), sizeof(page[i]));
		assert_true(entry[i] == om_arch_pte_load(om_table_entry(table, i)));
	}
	assert_true(are_shared(s.mm, child));
	assert_int_equal(om_mm_rss(s.mm), PAGES);
	assert_int_equal(om_mm_rss(child), PAGES);
	assert_int_equal(info_of(child).pss, PAGES * 4096 / 2);
	assert_int_equal(info_of(child).shared_dirty, PAGES);
	assert_int_equal(space_kind(child, 0), OM_PAGE_SHARED);
	space_expect(&s, child, 0, PAGES, 10);
	assert_true(are_shared(s.mm, child));

	/* When the child has gone, the parent writes as before: no copy, no look at a page. */
	om_mm_destroy(child);
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_DIRECT);
	space_fill(&s, s.mm, 0, PAGES, 20);
	space_check(&s);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_SHARE), 1);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 0);
	assert_int_equal(space_event(s.sys, OM_EV_FAULT_COW), 0);
	assert_int_equal(space_event(s.sys, OM_EV_DIRECT_TO_SHARED), 0);
	space_finish(&s);
}

/* The first write of either gives the writer a table of its own; pages are copied as written. */
static void test_unshare(void **state)
{
	struct om_mm *child, *grandchild;
	struct space s = begin(64, 0, &child);

	(void)state;
	assert_int_equal(om_fork(child, NULL, &grandchild), 0);
	space_put(&s, child, 1, 'c');
	space_check(&s);
	assert_false(are_shared(s.mm, child));
	assert_true(are_shared(s.mm, grandchild));
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 1);
	assert_int_equal(space_event(s.sys, OM_EV_FAULT_COW), 1);
	assert_int_equal(om_mm_rss(child), PAGES);
	space_expect(&s, s.mm, 0, PAGES, 10);
	space_expect(&s, grandchild, 0, PAGES, 10);
	assert_int_equal(space_get(&s, child, 1), 'c');
	om_mm_destroy(s.mm);
	s.mm = NULL;
	space_put(&s, grandchild, 2, 'g');
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 1);
	space_check(&s);
	assert_int_equal(space_get(&s, child, 2), 12);
	om_mm_destroy(grandchild);
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- when it copies ------------ */

static void expect_fork(struct space *s, bool shares)
{
	struct om_mm *child;

	assert_int_equal(om_fork(s->mm, NULL, &child), 0);
	space_check(s);
	assert_int_equal(are_shared(s->mm, child), shares);
	om_mm_destroy(child);
	space_check(s);
}

static void test_pinned(void **state)
{
	struct space s = begin(64, 0, NULL);
	om_pfn_t pfn;

	(void)state;
	assert_int_equal(om_pin(s.mm, at(1), OM_WRITE, &pfn), 0);
	expect_fork(&s, false);
	expect_fork(&s, false);
	om_unpin(s.sys, pfn, false);
	/* That it is over, a fork sees that looks at all pages. */
	expect_fork(&s, false);
	expect_fork(&s, true);
	space_finish(&s);
}

static void test_freed(void **state)
{
	struct space s = begin(64, 0, NULL);

	(void)state;
	assert_int_equal(om_madvise(s.mm, at(1), OM_PAGE_SIZE, OM_MADV_FREE), 0);
	expect_fork(&s, false);
	expect_fork(&s, true);
	space_finish(&s);
}

static void test_locked(void **state)
{
	struct space s = begin(T + 64, 0, NULL);

	(void)state;
	assert_int_equal(om_mlock(s.mm, at(0), T * OM_PAGE_SIZE, OM_MLOCK_ONFAULT), 0);
	expect_fork(&s, false);
	assert_int_equal(om_munlock(s.mm, at(0), T * OM_PAGE_SIZE), 0);
	expect_fork(&s, true);
	space_finish(&s);
}

/* A part of a table may be shared with nobody: its other part is another area's. */
static void test_parts(void **state)
{
	struct space s = begin(64, 0, NULL);

	(void)state;
	assert_int_equal(om_munmap(s.mm, at(T - 1), OM_PAGE_SIZE), 0);
	expect_fork(&s, false);
	space_map(&s, T - 1, 1, R, 0);
	expect_fork(&s, false);
	space_finish(&s);
}

/* Zeros and slots are counted apart, for the child's figures. */
static void test_mixed(void **state)
{
	struct space s = begin(64, 64, NULL);
	struct om_mm *child;

	(void)state;
	assert_int_equal(space_get(&s, s.mm, 100), 0);
	assert_int_equal(om_madvise(s.mm, at(0), 2 * OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_true(are_shared(s.mm, child));
	assert_int_equal(om_mm_rss(child), PAGES - 2);
	assert_int_equal(info_of(child).swap, 2);
	assert_int_equal(info_of(child).zero, 1);
	space_check(&s);
	/* One slot count stands for both. */
	assert_int_equal(om_slot_count(s.sys, om_pte_slot(om_arch_pte_load(
	                                          om_table_entry(om_table_find(child, at(0)), 0)))),
	                 1);
	space_expect(&s, child, 0, 2, 10);
	assert_false(are_shared(s.mm, child));
	space_check(&s);
	space_expect(&s, s.mm, 0, PAGES, 10);
	om_mm_destroy(child);
	space_finish(&s);
}

/* Reclaim takes a page from all owners at once. */
static void test_reclaim(void **state)
{
	struct om_mm *child;
	struct space s = begin(64, 64, &child);

	(void)state;
	for (unsigned i = 0; i < 40 && om_mm_rss(s.mm); i++)
		om_reclaim_step(s.sys, 32);
	assert_true(are_shared(s.mm, child));
	assert_int_equal(om_mm_rss(s.mm), 0);
	assert_int_equal(om_mm_rss(child), 0);
	assert_int_equal(info_of(s.mm).swap, PAGES);
	space_check(&s);
	om_mm_destroy(child);
	space_check(&s);
	space_expect(&s, s.mm, 0, PAGES, 10);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 0);
	space_finish(&s);
}

/* ---------------------------------------------------------------- whole and part ------------ */

static void test_whole_goes_without_a_copy(void **state)
{
	struct om_mm *child;
	struct space s = begin(64, 0, &child);

	(void)state;
	assert_int_equal(om_madvise(child, at(0), T * OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	space_check(&s);
	assert_int_equal(om_mm_rss(child), 0);
	assert_int_equal(space_get(&s, child, 0), 0);
	om_mm_destroy(child);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(om_munmap(child, at(0), T * OM_PAGE_SIZE), 0);
	space_check(&s);
	assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 0);
	space_expect(&s, s.mm, 0, PAGES, 10);
	om_mm_destroy(child);
	space_finish(&s);
}

/* Where a table is to go whole, and another one shared by its owner lies: mremap over it. */
static void test_move_over(void **state)
{
	struct space s = begin(64, 0, NULL);
	struct om_remap_request r = {.old_addr = at(T),
	                             .old_len = T * OM_PAGE_SIZE,
	                             .new_len = T * OM_PAGE_SIZE,
	                             .flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                             .new_addr = at(0)};
	struct om_mm *child;

	(void)state;
	space_map(&s, T, T, RW, 0);
	space_fill(&s, s.mm, T, PAGES, 40);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(om_mremap(s.mm, &r), 0);
	space_check(&s);
	space_expect(&s, s.mm, 0, PAGES, 40);
	space_expect(&s, child, 0, PAGES, 10);
	space_expect(&s, child, T, PAGES, 40);
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- failing ------------------- */

/* No frame for a copy: nothing has changed, and the table is shared as before. */
static void test_no_frame(void **state)
{
	struct om_mm *child;
	struct space s = begin(64, 0, &child);

	(void)state;
	sim_fail_arm(s.sys, 1, true);
	assert_int_equal(om_mprotect(child, at(0), OM_PAGE_SIZE, OM_PROT_READ), -OM_ENOMEM);
	assert_int_equal(om_munmap(child, at(0), OM_PAGE_SIZE), -OM_ENOMEM);
	assert_int_equal(space_try(&s, child, 0, true), OM_FAULT_OOM);
	assert_int_equal(om_mlockall(child, OM_MCL_CURRENT), -OM_ENOMEM);
	assert_int_equal(om_madvise(child, at(0), OM_PAGE_SIZE, OM_MADV_DONTNEED), -OM_EAGAIN);
	sim_fail_disarm();
	space_check(&s);
	assert_true(are_shared(s.mm, child));
	expect_layout(child, {0, T, RW});
	space_expect(&s, child, 0, PAGES, 10);
	om_mm_destroy(child);
	space_finish(&s);
}

static om_slot_t *slot_entry(struct om_system *sys, struct om_mm *mm, unsigned page)
{
	struct om_page *table = om_table_find(mm, at(page));
	uint32_t slot = om_pte_slot(om_arch_pte_load(om_table_entry(table, page)));

	return om_slot_entry(sys, &sys->swap.device[slot >> OM_SWAP_DEVICE_SHIFT],
	                     slot & ((1u << OM_SWAP_DEVICE_SHIFT) - 1));
}

/* A slot has as many users as can be counted: the copy that was begun goes again. */
static void test_no_count(void **state)
{
	struct om_mm *child;
	struct space s = begin(64, 64, NULL);
	om_slot_t *entry;
	uint64_t v;

	(void)state;
	assert_int_equal(om_madvise(s.mm, at(PAGES - 1), OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	entry = slot_entry(s.sys, child, PAGES - 1);
	v = atomic_load(entry);
	atomic_store(entry, om_slot_value(INT32_MAX, om_slot_page(v)));
	assert_int_equal(om_mprotect(child, at(0), OM_PAGE_SIZE, OM_PROT_READ), -OM_ENOMEM);
	assert_true(are_shared(s.mm, child));
	assert_int_equal(om_mm_rss(child), PAGES - 1);
	atomic_store(entry, v);
	space_check(&s);
	space_put(&s, child, 0, 'c');
	space_check(&s);
	space_expect(&s, s.mm, 0, PAGES, 10);
	om_mm_destroy(child);
	space_finish(&s);
}

/* Fork runs out of frames at each of its requests in turn, and leaves no owner behind. */
static void test_fork_fails(void **state)
{
	struct space s = begin(64, 0, NULL);
	struct om_mm *child = NULL;
	unsigned long k = 0;
	int err;

	(void)state;
	do {
		sim_fail_arm(s.sys, ++k, true);
		err = om_fork(s.mm, NULL, &child);
		sim_fail_disarm();
		space_check(&s);
		assert_true(!err || err == -OM_ENOMEM);
	} while (err);
	assert_true(k > OM_LEVELS);
	assert_true(are_shared(s.mm, child));
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- families ------------------ */

/* The list of owners, whoever leaves first. */
static void test_owners_leave(void **state)
{
	enum { N = 5 };
	struct om_mm *mm[N];

	(void)state;
	for (unsigned order = 0; order < 120; order++) {
		struct space s = begin(64, 0, NULL);
		unsigned left = order;

		mm[0] = s.mm;
		for (unsigned i = 1; i < N; i++)
			assert_int_equal(om_fork(mm[(i - 1) / 2], NULL, &mm[i]), 0);
		assert_int_equal(info_of(mm[0]).pss, PAGES * (4096 / N));
		for (unsigned n = N; n > 1; n--) {
			unsigned i = left % n;

			left /= n;
			om_mm_destroy(mm[i]);
			mm[i] = mm[n - 1];
			space_check(&s);
		}
		space_fill(&s, mm[0], 0, PAGES, 30);
		assert_int_equal(space_event(s.sys, OM_EV_TABLE_UNSHARE), 0);
		s.mm = mm[0];
		space_finish(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_is_touched),
	    cmocka_unit_test(test_unshare),
	    cmocka_unit_test(test_pinned),
	    cmocka_unit_test(test_freed),
	    cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_mixed),
	    cmocka_unit_test(test_reclaim),
	    cmocka_unit_test(test_whole_goes_without_a_copy),
	    cmocka_unit_test(test_move_over),
	    cmocka_unit_test(test_no_frame),
	    cmocka_unit_test(test_no_count),
	    cmocka_unit_test(test_fork_fails),
	    cmocka_unit_test(test_owners_leave),
	};

	return unit_run(tests);
}
