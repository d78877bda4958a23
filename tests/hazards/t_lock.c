/*
 * t_lock.c: locked memory and counts: rows 42-47.
 */
#include "hazards.h"

#include <stdlib.h>

static om_pfn_t unevictable(struct rig *r)
{
	struct om_sysinfo info;

	om_sysinfo(r->sys, &info);
	return info.unevictable;
}

static void locked_anon(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
	rig_ok(om_mlock(p->mm, p->a, PAGES(8), 0));
}

static void cold_anon(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
}

static void swapped_anon(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
}

static void task_mlock(struct play *p)
{
	rig_ok(om_mlock(p->mm, p->a, PAGES(8), 0));
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_info(p->mm, p->a + PAGES(i)).kind, OM_PAGE_DIRECT);
}

static void task_munlock(struct play *p)
{
	rig_ok(om_munlock(p->mm, p->a, PAGES(8)));
}

static void task_mlock_munlock(struct play *p)
{
	task_mlock(p);
	task_munlock(p);
}

static void task_munlock_mlock(struct play *p)
{
	task_munlock(p);
	task_mlock(p);
}

/* Locked pages are there, and counted; om_verify() has compared the pages with the areas. */
static void check_locked(struct play *p)
{
	rig_equal(unevictable(p->r), 8);
	rig_reclaim(p->r);
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_info(p->mm, p->a + PAGES(i)).kind, OM_PAGE_DIRECT);
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

/* None is left behind where reclaim does not look. */
static void check_unlocked(struct play *p)
{
	rig_equal(unevictable(p->r), 0);
	rig_pageout(p->r, p->mm, p->a, 8);
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

/* ---------------------------------------------------------------- 42: nonlinear ------------- */

static void locked_nonlinear(struct play *p)
{
	play_shmem(p, 8);
	rig_ok(om_remap_file_pages(p->mm, p->a, PAGES(4), 0, 4, 0));
	rig_expect(p->r, p->mm, p->a, 4, 204);
	rig_expect(p->r, p->mm, p->a + PAGES(4), 4, 204);
	rig_ok(om_mlock(p->mm, p->a, PAGES(8), 0));
}

static void task_munlock_half(struct play *p)
{
	rig_ok(om_munlock(p->mm, p->a, PAGES(4)));
}

/* Each page is still locked by its other entry. */
static void check_nonlinear(struct play *p)
{
	rig_equal(unevictable(p->r), 4);
	rig_reclaim(p->r);
	rig_equal(unevictable(p->r), 4);
	rig_expect(p->r, p->mm, p->a, 4, 204);
	rig_ok(om_munlock(p->mm, p->a, PAGES(8)));
	rig_equal(unevictable(p->r), 0);
}

static void test_h42_nonlinear_munlock(void **state)
{
	(void)state;
	EXPLORE({.name = "h42",
	         .setup = locked_nonlinear,
	         .task = {task_munlock_half, task_reclaim},
	         .check = check_nonlinear});
}

/* ---------------------------------------------------------------- 43, 44, 45 ---------------- */

static void test_h43_munlock_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h43_munlock",
	         .setup = locked_anon,
	         .task = {task_munlock, task_reclaim},
	         .check = check_unlocked},
	        {.name = "h43_mlock",
	         .setup = cold_anon,
	         .task = {task_mlock, task_reclaim},
	         .check = check_locked},
	        {.name = "h43_both",
	         .setup = cold_anon,
	         .task = {task_mlock_munlock, task_pageout},
	         .check = check_unlocked},
	        {.name = "h43_again",
	         .setup = locked_anon,
	         .task = {task_munlock_mlock, task_reclaim},
	         .check = check_locked},
	        {.name = "h43_swapped",
	         .setup = swapped_anon,
	         .task = {task_mlock, task_pageout},
	         .check = check_locked});
}

static void task_exit(struct play *p)
{
	rig_exit(p->r, p->mm);
	p->mm = NULL;
}

static void check_nothing_locked(struct play *p)
{
	rig_equal(unevictable(p->r), 0);
}

static void test_h44_exit_of_locked_memory(void **state)
{
	(void)state;
	EXPLORE({.name = "h44",
	         .setup = locked_anon,
	         .task = {task_exit, task_reclaim},
	         .check = check_nothing_locked});
}

/* Two mappers of the same pages, both locked. */
static void two_mappers(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->child = rig_mm(p->r);
	p->file = rig_shmem(p->r, 4, 600);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_map(p->r, p->child, HERE, 4, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_ok(om_mlock(p->mm, p->a, PAGES(4), 0));
	rig_ok(om_mlock(p->child, p->a, PAGES(4), 0));
}

static void task_munlock4(struct play *p)
{
	rig_ok(om_munlock(p->mm, p->a, PAGES(4)));
}

static void task_unmap_child(struct play *p)
{
	rig_ok(om_munmap(p->child, p->a, PAGES(4)));
}

static void check_one_left(struct play *p)
{
	rig_equal(unevictable(p->r), 4);
	rig_reclaim(p->r);
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_info(p->child, p->a + PAGES(i)).kind, OM_PAGE_FILE);
	task_unmap_child(p);
	rig_equal(unevictable(p->r), 0);
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, p->a, 4, 600);
}

static void check_none_left(struct play *p)
{
	rig_equal(unevictable(p->r), 0);
	rig_reclaim(p->r);
	rig_check(rig_info(p->mm, p->a).kind == OM_PAGE_NONE);
	rig_expect(p->r, p->mm, p->a, 4, 600);
}

static void task_truncate(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, 0));
}

static void test_h45_no_stranded_pages(void **state)
{
	(void)state;
	EXPLORE({.name = "h45_one",
	         .setup = two_mappers,
	         .task = {task_munlock4, task_reclaim},
	         .check = check_one_left},
	        {.name = "h45_both",
	         .setup = two_mappers,
	         .task = {task_munlock4, task_unmap_child, task_reclaim},
	         .check = check_none_left},
	        {.name = "h45_truncate",
	         .setup = two_mappers,
	         .task = {task_munlock4, task_unmap_child, task_truncate},
	         .check = check_nothing_locked});
}

/* ---------------------------------------------------------------- 46, 47 -------------------- */

/* Whatever is done in a shared mapping, its pages are the file's. */
static void test_h46_no_anonymous_page_in_shared_area(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	struct om_mapping *file[] = {rig_file(r, 6, 200), rig_shmem(r, 6, 600)};
	om_pfn_t pfn;

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		uintptr_t a =
		    rig_map(r, mm, HERE + n * PAGES(16), 6, RIG_RW, OM_MAP_SHARED, file[n], 0);

		rig_put(r, mm, a, 1, 900);
		rig_ok(write_tag(mm, a + PAGES(1), 901));
		rig_ok(rig_pin(r, mm, a + PAGES(2), OM_WRITE, &pfn));
		rig_ok(rig_pin(r, mm, a + PAGES(3), OM_READ, &pfn));
		rig_ok(om_madvise(mm, a + PAGES(4), PAGES(1), OM_MADV_POPULATE_WRITE));
		child = rig_fork(r, mm, NULL);
		rig_put(r, child, a + PAGES(5), 1, 905);
		rig_expect(r, mm, a + PAGES(5), 1, 905);
		for (unsigned i = 0; i < 6; i++) {
			enum om_pagekind kind = rig_info(mm, a + PAGES(i)).kind;

			rig_check(kind == OM_PAGE_FILE || kind == OM_PAGE_NONE);
			kind = rig_info(child, a + PAGES(i)).kind;
			rig_check(kind == OM_PAGE_FILE || kind == OM_PAGE_NONE);
		}
		rig_equal(rig_file_tag(file[n], 1), 901);
		rig_equal(rig_file_tag(file[n], 5), 905);
		rig_exit(r, child);
	}
	rig_verify(r);
	rig_destroy(r);
}

/* More pins than a page can count are refused; none is lost. */
static void test_h47_pins_do_not_overflow(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	unsigned long n = 0;
	om_pfn_t pfn = 0, again;
	int err;

	(void)state;
	rig_put(r, mm, a, 1, 100);
	while (!(err = om_pin(mm, a, n % 2 ? OM_READ : OM_WRITE, &again))) {
		rig_check(!n || again == pfn);
		pfn = again;
		rig_check(++n < 70000);
	}
	rig_equal(err, -OM_EAGAIN);
	rig_check(n > 1000);
	rig_fork(r, mm, NULL); /* gets a copy */
	rig_ok(om_munmap(mm, a, PAGES(1)));
	while (n--) {
		rig_equal(rig_tag(sim_frame(r->sim, pfn)), 100);
		om_unpin(r->sys, pfn, false);
	}
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- locked x truncation ------- */

/* A private file with pages of all kinds, locked, and a child that is not. */
static void locked_file(struct play *p)
{
	play_file(p, 4, OM_MAP_PRIVATE);
	rig_put(p->r, p->mm, p->a, 2, 300);
	p->child = rig_fork(p->r, p->mm, NULL);
	rig_ok(om_mlock(p->mm, p->a, PAGES(4), 0));
}

/* A shared one: the pages have two entries, one of them locked. */
static void locked_shared_file(struct play *p)
{
	play_file(p, 4, OM_MAP_SHARED);
	p->child = rig_fork(p->r, p->mm, NULL);
	rig_expect(p->r, p->child, p->a, 4, 200);
	rig_ok(om_mlock(p->mm, p->a, PAGES(4), 0));
}

/* Beyond the end of the file there is nothing to fill it with. */
static void task_child_locks(struct play *p)
{
	int err = om_mlock(p->child, p->a, PAGES(4), 0);

	rig_check(!err || err == -OM_ENOMEM);
}

static void task_munlock_file(struct play *p)
{
	rig_ok(om_munlock(p->mm, p->a, PAGES(4)));
}

static void task_punch3(struct play *p)
{
	rig_ok(om_mapping_punch(p->file, 0, PAGES(3)));
}

static void task_truncate1(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, RIG_PAGE));
}

/* om_verify() has counted (I12); and what nobody locks any more can go. */
static void check_can_go(struct play *p)
{
	rig_ok(om_munlock(p->child, p->a, PAGES(4)));
	rig_equal(unevictable(p->r), 0);
	rig_reclaim(p->r);
	for (unsigned i = 0; i < 4; i++) {
		enum om_pagekind kind = rig_info(p->mm, p->a + PAGES(i)).kind;

		rig_check(kind == OM_PAGE_SWAP || kind == OM_PAGE_NONE);
	}
}

static void test_locked_x_truncate(void **state)
{
	(void)state;
	EXPLORE({.name = "locked_truncate",
	         .setup = locked_file,
	         .task = {task_child_locks, task_munlock_file, task_truncate1},
	         .check = check_can_go},
	        {.name = "locked_punch",
	         .setup = locked_file,
	         .task = {task_child_locks, task_munlock_file, task_punch3},
	         .check = check_can_go},
	        {.name = "locked_shared",
	         .setup = locked_shared_file,
	         .task = {task_child_locks, task_munlock_file, task_truncate1},
	         .check = check_can_go},
	        {.name = "locked_reclaim",
	         .setup = locked_file,
	         .task = {task_munlock_file, task_truncate1, task_reclaim},
	         .check = check_can_go});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h42_nonlinear_munlock),
    cmocka_unit_test(test_h43_munlock_x_reclaim),
    cmocka_unit_test(test_h44_exit_of_locked_memory),
    cmocka_unit_test(test_h45_no_stranded_pages),
    cmocka_unit_test(test_h46_no_anonymous_page_in_shared_area),
    cmocka_unit_test(test_h47_pins_do_not_overflow),
    cmocka_unit_test(test_locked_x_truncate),
};
TESTS(lock_tests, list);
