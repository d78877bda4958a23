/*
 * test_sweep.c: the hand that goes round over nonlinear areas: what it takes, what it spares, and how
 * far it comes.
 */
#include "reclaim/sweep.h"

#include "calls.h"
#include "page/put.h"
#include "space.h"
#include "store/mapping.h"
#include "page/age.h"

#define N 1000 /* pages of the area: two windows */

/* N pages of shared memory, nonlinear, the first `shown` of them in use. */
struct scene {
	struct space s;
	struct om_mapping *file;
};

static struct scene start(size_t shown)
{
	struct scene c = {.s = space_start(2 * N, 2 * N)};

	assert_int_equal(om_mapping_create(c.s.sys, NULL, NULL, N << OM_PAGE_SHIFT, &c.file), 0);
	space_map_file(&c.s, 0, N, RW, 0, c.file, 0);
	assert_int_equal(om_remap_file_pages(c.s.mm, at(0), N << OM_PAGE_SHIFT, 0, 0, 0), 0);
	for (uintptr_t i = 0; i < shown; i++)
		space_put(&c.s, c.s.mm, i, 'a');
	return c;
}

static void finish(struct scene *c)
{
	space_check(&c->s);
	om_mapping_put(c->file);
	space_finish(&c->s);
}

static void sweep(struct scene *c)
{
	struct om_page *page = om_mapping_lookup(c->file, 0);

	om_page_lock(c->s.sys, page);
	om_sweep_nonlinear(c->file);
	om_page_unlock(c->s.sys, page);
	om_page_put(c->s.sys, page);
	space_check(&c->s);
}

static size_t present(struct scene *c, uintptr_t first, uintptr_t end)
{
	size_t n = 0;

	for (uintptr_t i = first; i < end; i++)
		n += space_kind(c->s.mm, i) == OM_PAGE_FILE;
	return n;
}

/* First it forgets that pages were used, and tells them; then it takes them. */
static void test_used_once(void **state)
{
	struct scene c = start(8);
	struct om_page *page = space_page(c.s.mm, 5, NULL, NULL);

	(void)state;
	om_page_set_old(c.s.sys, page);
	sweep(&c);
	assert_int_equal(present(&c, 0, 8), 8);
	assert_int_equal(om_age_of(om_page_flags(page)), 0);
	sweep(&c); /* the other half of the area */
	space_flushes.calls = 0;
	sweep(&c);
	assert_int_equal(present(&c, 0, 8), 0);
	assert_int_equal(space_kind(c.s.mm, 5), OM_PAGE_OFFSET);
	assert_int_equal(space_flushes.calls, 1);
	assert_int_equal(page->mapcount, 0);
	assert_int_equal(atomic_load(&c.s.mm->own.rss_file), 0);
	assert_int_equal(space_get(&c.s, c.s.mm, 5), 'a');
	finish(&c);
}

static void test_spared(void **state)
{
	struct scene c = start(8);
	om_pfn_t pfn;

	(void)state;
	assert_int_equal(om_pin(c.s.mm, at(2), OM_WRITE, &pfn), 0);
	assert_int_equal(om_mlock(c.s.mm, at(4), 2 << OM_PAGE_SHIFT, 0), 0);
	for (unsigned i = 0; i < 6; i++)
		sweep(&c);
	assert_int_equal(present(&c, 0, 8), 3);
	assert_int_equal(present(&c, 2, 3), 1);
	assert_int_equal(present(&c, 4, 6), 2);
	om_unpin(c.s.sys, pfn, true);
	finish(&c);
}

/* A window is so many entries and areas; the hand goes on behind it, and round. */
static void test_hand(void **state)
{
	struct scene c = start(N);
	size_t before, steps = 0;

	(void)state;
	/* Used, all of them; the bits go in the first round. */
	do {
		before = present(&c, 0, N);
		sweep(&c);
		assert_true(before - present(&c, 0, N) <= OM_WINDOW);
		steps++;
	} while (present(&c, 0, N) && steps < 20);
	assert_in_range(steps, 2 * N / OM_WINDOW, 2 * N / OM_WINDOW + 4);
	if (OM_DEBUG)
		assert_in_range(atomic_load(&c.s.sys->longest_hold), 1, OM_HOLD);
	finish(&c);
}

/* Several areas, cut and moved and gone; a forked one, whose pages are shared, too. */
static void test_areas(void **state)
{
	struct scene c = start(100);
	struct om_mm *child;
	uintptr_t to;

	(void)state;
	assert_int_equal(om_fork(c.s.mm, NULL, &child), 0);
	assert_int_equal(om_munmap(c.s.mm, at(10), OM_PAGE_SIZE), 0);
	sweep(&c);
	assert_int_equal(om_mprotect(c.s.mm, at(20), 10 << OM_PAGE_SHIFT, OM_PROT_READ), 0);
	sweep(&c);
	assert_int_equal(do_mremap(c.s.mm, at(40), 50 << OM_PAGE_SHIFT, 50 << OM_PAGE_SHIFT,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, at(4000), &to),
	                 0);
	for (unsigned i = 0; i < 12; i++)
		sweep(&c);
	assert_int_equal(present(&c, 0, 100), 0);
	assert_int_equal(present(&c, 4000, 4050), 0);
	assert_int_equal(space_kind(child, 50), OM_PAGE_OFFSET);
	assert_int_equal(space_get(&c.s, c.s.mm, 4005), 'a');
	assert_int_equal(space_get(&c.s, child, 10), 'a');
	om_mm_destroy(child);
	assert_int_equal(om_munmap(c.s.mm, at(0), 5000 << OM_PAGE_SHIFT), 0);
	assert_int_equal(om_mapping_truncate(c.file, OM_PAGE_SIZE), 0);
	space_map_file(&c.s, 0, 1, RW, 0, c.file, 0);
	assert_int_equal(space_get(&c.s, c.s.mm, 0), 'a');
	sweep(&c); /* none is left, and the hand points to where one was */
	assert_int_equal(present(&c, 0, 1), 1);
	finish(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_used_once),
	    cmocka_unit_test(test_spared),
	    cmocka_unit_test(test_hand),
	    cmocka_unit_test(test_areas),
	};

	return unit_run(tests);
}
