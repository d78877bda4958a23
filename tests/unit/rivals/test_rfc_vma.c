/*
 * test_rfc_vma.c: a direct page names the area that it is in, whatever happens to areas.
 */
#include "rivals/rival.h"

#include "page/frame.h"
#include "page/table.h"

#define T OM_TABLE_ENTRIES

/* Each direct page of [first, first + n) names the area it is in, and is found by one look. */
static void expect_homes(struct space *s, uintptr_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(home_of(s->mm, first + i), area_at(s->mm, first + i));
		assert_int_equal(looks(s, s->mm, first + i, 1), 1);
	}
	space_check(s);
}

/* Cut in three, joined again from below and from above, and cut at an end. */
static void test_split_and_merge(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 12, RW, 0);
	space_fill(&s, s.mm, 0, 12, 'a');
	expect_homes(&s, 0, 12);
	assert_int_equal(om_mprotect(s.mm, at(4), 4 * OM_PAGE_SIZE, OM_PROT_READ), 0);
	expect_layout(s.mm, {0, 4, RW}, {4, 8, R}, {8, 12, RW});
	expect_homes(&s, 0, 12);
	assert_int_equal(om_munmap(s.mm, at(0), 2 * OM_PAGE_SIZE), 0);
	assert_int_equal(om_mprotect(s.mm, at(4), 4 * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	expect_layout(s.mm, {2, 12, RW});
	expect_homes(&s, 2, 10);
	assert_int_equal(objects(&s, 0), 0);
	space_finish(&s);
}

/* Over several tables, which are looked at one by one. */
static void test_large(void **state)
{
	struct space s = space_start((om_pfn_t)(3 * T + 100), 0);

	(void)state;
	space_map(&s, 0, 3 * T, RW, 0);
	for (uintptr_t i = 0; i < 3 * T; i += 5)
		space_put(&s, s.mm, i, (int)(i % 251));
	assert_int_equal(om_mprotect(s.mm, at(T / 2), OM_PAGE_SIZE, OM_PROT_READ), 0);
	space_check(&s);
	assert_int_equal(om_mprotect(s.mm, at(T / 2), OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	expect_layout(s.mm, {0, 3 * T, RW});
	space_check(&s);
	space_finish(&s);
}

/* mremap: to a place of its own, and to one where it becomes part of a neighbour. */
static void test_move(void **state)
{
	struct space s = space_start((om_pfn_t)(T + 200), 0);

	(void)state;
	space_map(&s, 0, T, RW, 0);
	space_map(&s, 8 * T + 4, 4, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	space_fill(&s, s.mm, 8 * T + 4, 4, 'z');
	for (unsigned i = 0; i < 2; i++) {
		uintptr_t to = i ? 9 * T : 4 * T, from = i ? 4 * T : 0;
		struct om_remap_request r = {.old_addr = at(from),
		                             .old_len = T * OM_PAGE_SIZE,
		                             .new_len = T * OM_PAGE_SIZE,
		                             .flags = (int)(OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED),
		                             .new_addr = at(to)};

		if (i)
			space_map(&s, 10 * T, 1, RW, 0);
		assert_int_equal(om_mremap(s.mm, &r), 0);
		assert_int_equal(space_event(s.sys, OM_EV_TABLE_MOVE), 0);
		expect_homes(&s, to, 8);
		space_expect(&s, s.mm, to, 8, 'a');
	}
	expect_layout(s.mm, {8 * T + 4, 8 * T + 8, RW}, {9 * T, 10 * T + 1, RW});
	expect_homes(&s, 8 * T + 4, 4);
	space_finish(&s);
}

/* Fork makes pages shared, in the one anon_vma of all; who is left alone names its area again. */
static void test_family(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mm *child, *grandchild;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	child = fork_of(s.mm);
	assert_ptr_equal(home_of(s.mm, 0), anon_vma_at(s.mm, 0));
	assert_ptr_equal(anon_vma_at(child, 0), anon_vma_at(s.mm, 0));
	assert_int_equal(looks(&s, s.mm, 0, 2), 2);
	space_put(&s, child, 0, 'X');
	assert_ptr_equal(home_of(child, 0), area_at(child, 0));
	assert_int_equal(looks(&s, child, 0, 1), 1);

	/* In one area for the family, and no other is looked into than those that cover the page. */
	assert_int_equal(om_munmap(child, at(1), OM_PAGE_SIZE), 0);
	grandchild = fork_of(child);
	assert_int_equal(objects(&s, 0), 1);
	assert_int_equal(looks(&s, s.mm, 1, 1), 1);
	assert_int_equal(looks(&s, s.mm, 2, 3), 3);
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(grandchild);
	space_put(&s, s.mm, 2, 'Y');
	assert_ptr_equal(home_of(s.mm, 2), area_at(s.mm, 2));
	space_check(&s);
	assert_int_equal(om_munmap(s.mm, at(0), 4 * OM_PAGE_SIZE), 0);
	assert_int_equal(objects(&s, 0), 0);
	space_finish(&s);
}

/* ---------------------------------------------------------------- retries ------------------- */

/*
 * Between the look at a direct page and the lock of its table another thread may move the entry: the
 * hook that each lock of a debug build calls does so by hand, at the k-th of the walk.
 */
struct mover {
	struct space *s;
	struct om_page *page, *from, *to;
	unsigned countdown;
};

static void move_back_and_forth(struct mover *m, struct om_page *from, struct om_page *to)
{
	const unsigned pos = om_table_pos(m->page->index << OM_PAGE_SHIFT);

	om_arch_pte_store(om_table_entry(to, pos), om_arch_pte_xchg(om_table_entry(from, pos), 0));
	from->mapcount--;
	to->mapcount++;
	m->page->index = to->index + pos;
}

/* Who holds the table's lock, or the page's, forbids it. */
static void move_at_lock(void *arg)
{
	struct mover *m = arg;

	if (m->countdown && !atomic_load(&m->from->lock.state) &&
	    !atomic_load(&m->page->lock.state) && --m->countdown == 0)
		move_back_and_forth(m, m->from, m->to);
}

static void test_retries(void **state)
{
	unsigned again = 0;

	(void)state;
	if (!OM_DEBUG)
		skip();
	for (unsigned k = 1; k < 20; k++) {
		struct space s = space_start(64, 0);
		struct mover m = {.s = &s};

		space_map(&s, 0, 2 * T, RW, 0);
		space_put(&s, s.mm, 3, 'a');
		space_put(&s, s.mm, T + 4, 'b');
		m.page = space_page(s.mm, 3, &m.from, NULL);
		space_page(s.mm, T + 4, &m.to, NULL);
		m.countdown = k;
		space_on_lock_arg = &m;
		space_on_lock = move_at_lock;
		assert_true(looks(&s, s.mm, 3, 1) <= 2);
		space_on_lock = NULL;
		again += space_event(s.sys, OM_EV_RMAP_RETRIES) == 1;
		if (m.page->index >= m.to->index)
			move_back_and_forth(&m, m.to, m.from);
		space_finish(&s);
	}
	assert_true(again > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split_and_merge),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_move),
	    cmocka_unit_test(test_family),
	    cmocka_unit_test(test_retries),
	};

	return unit_run(tests);
}
