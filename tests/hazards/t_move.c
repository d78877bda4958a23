/*
 * t_move.c: pages that change their place while others look for them: rows 27-30, 32, 33, 54.
 *
 * exec's shifted stack (27) is an mremap like any other here.
 */
#include "calls.h"
#include "hazards.h"
#include "rmap/rmap.h"

static void remap(struct play *p, struct om_mm *mm, uintptr_t from, uintptr_t to, size_t bytes)
{
	uintptr_t at = to;

	rig_ok(do_mremap(mm, from, bytes, bytes, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to, &at));
	if (mm == p->mm)
		p->b = at;
}

static void family_cold(struct play *p)
{
	play_family(p, 8);
	play_cold(p, p->mm, 8);
	play_cold(p, p->child, 8);
}

static void anon_cold(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
}

static void task_move_up(struct play *p)
{
	remap(p, p->mm, p->a, THERE, PAGES(8));
}

static void task_move_down(struct play *p)
{
	remap(p, p->mm, p->a, HERE - PAGES(64), PAGES(8));
}

/* Within one table, and the first half only. */
static void task_move_near(struct play *p)
{
	remap(p, p->mm, p->a, HERE + PAGES(32), PAGES(4));
}

static void task_move_back(struct play *p)
{
	task_move_up(p);
	remap(p, p->mm, THERE, p->a, PAGES(8));
}

/* Reclaim still finds every page where it is now. */
static void check_moved(struct play *p)
{
	rig_reclaim(p->r);
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_info(p->mm, p->b + PAGES(i)).kind, OM_PAGE_SWAP);
	rig_expect(p->r, p->mm, p->b, 4, 100);
	if (p->child)
		rig_expect(p->r, p->child, p->a, 8, 100);
}

static void test_h27_walk_x_moving_down(void **state)
{
	(void)state;
	EXPLORE({.name = "h27_down",
	         .setup = family_cold,
	         .task = {task_move_down, task_reclaim},
	         .check = check_moved},
	        {.name = "h27_near",
	         .setup = family_cold,
	         .task = {task_move_near, task_reclaim},
	         .check = check_moved});
}

/* Shared and dirty. It has moved once, so that the next move is towards the area that walks see
 * first. */
static void moved_file(struct play *p)
{
	play_file(p, 8, OM_MAP_SHARED);
	rig_put(p->r, p->mm, p->a, 8, 300);
	remap(p, p->mm, p->a, THERE, PAGES(8));
	p->c = p->a;
	p->a = THERE;
}

static void task_move_home(struct play *p)
{
	remap(p, p->mm, p->a, p->c, PAGES(8));
}

static void task_sync(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
}

/* The walk that cleans entries before a write has not missed one: the next store is noticed. */
static void check_clean(struct play *p)
{
	rig_put(p->r, p->mm, p->b, 8, 500);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_store_tag(rig_store(p->r, p->file), i), 500 + i);
}

static void test_h28_msync_x_mremap(void **state)
{
	(void)state;
	EXPLORE({.name = "h28_msync",
	         .setup = moved_file,
	         .task = {task_move_home, task_sync},
	         .check = check_clean});
}

static void test_h28_reclaim_x_mremap(void **state)
{
	(void)state;
	EXPLORE({.name = "h28_direct",
	         .setup = anon_cold,
	         .task = {task_move_up, task_reclaim},
	         .check = check_moved},
	        {.name = "h28_up",
	         .setup = family_cold,
	         .task = {task_move_up, task_reclaim},
	         .check = check_moved},
	        {.name = "h28_back",
	         .setup = family_cold,
	         .task = {task_move_back, task_reclaim},
	         .check = check_moved});
}

/* ---------------------------------------------------------------- 29, 30: whole tables ------ */

#define FROM ((uintptr_t)0x30000000) /* a multiple of SPAN everywhere */
#define TO   ((uintptr_t)0x50000000)

static void big_anon(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, FROM, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, FROM, 8, 100);
	play_cold(p, p->mm, 8);
}

static void big_family(struct play *p)
{
	big_anon(p);
	p->child = rig_fork(p->r, p->mm, NULL);
	play_cold(p, p->mm, 8);
	play_cold(p, p->child, 8);
}

/* At the new place there is a table already, with nothing in it. */
static void big_over_empty(struct play *p)
{
	big_family(p);
	rig_map(p->r, p->mm, TO, 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, TO, 2, 900);
}

static void task_move_table(struct play *p)
{
	remap(p, p->mm, FROM, TO, SPAN);
}

static void check_table(struct play *p)
{
	rig_check(rig_event(p->r, OM_EV_TABLE_MOVE) > 0 || !om_rmap_traits.moves_tables);
	check_moved(p);
	rig_expect(p->r, p->mm, p->b + PAGES(4), 4, 104);
}

static void test_h29_table_move_x_walk(void **state)
{
	(void)state;
	EXPLORE({.name = "h29_direct",
	         .setup = big_anon,
	         .task = {task_move_table, task_reclaim},
	         .check = check_table},
	        {.name = "h29_family",
	         .setup = big_family,
	         .task = {task_move_table, task_reclaim},
	         .check = check_table});
}

static void big_file(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, 8, 200);
	rig_ok(om_mapping_truncate(p->file, SPAN));
	p->a = rig_map(p->r, p->mm, FROM, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
	rig_expect(p->r, p->mm, FROM, 8, 200);
	rig_put(p->r, p->mm, FROM, 6, 300);
}

static void task_truncate4(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(4)));
}

static void check_truncated_table(struct play *p)
{
	unsigned long tag;

	rig_expect(p->r, p->mm, p->b, 4, 300);
	for (unsigned i = 4; i < 8; i++)
		rig_equal(rig_get(sched_cpu(p), p->mm, p->b + PAGES(i), &tag), OM_FAULT_BUS);
}

static void test_h30_table_move_x_freed_table(void **state)
{
	(void)state;
	EXPLORE({.name = "h30_empty",
	         .setup = big_over_empty,
	         .task = {task_move_table, task_reclaim},
	         .check = check_table},
	        {.name = "h30_truncate",
	         .setup = big_file,
	         .task = {task_move_table, task_truncate4},
	         .check = check_truncated_table});
}

/* ---------------------------------------------------------------- 32, 33: refusals ---------- */

/* At the limit of areas a move that needs a cut is refused, and nothing has happened. */
static void test_h32_mremap_at_the_limit(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0), at;

	(void)state;
	rig_put(r, mm, a, 8, 100);
	rig_map(r, mm, THERE, 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	for (unsigned limit = 0; limit < 12; limit++) {
		unsigned vmas = rig_vmas(mm);
		int err;

		om_set_limit(mm, OM_LIMIT_VMAS, limit);
		err = do_mremap(mm, a + PAGES(2), PAGES(3), PAGES(3),
		                OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, THERE + PAGES(1), &at);
		rig_verify(r);
		if (!err)
			break;
		rig_equal(err, -OM_ENOMEM);
		rig_equal(rig_vmas(mm), vmas);
		rig_expect(r, mm, a, 8, 100);
		rig_check(rig_info(mm, THERE + PAGES(1)).kind == OM_PAGE_NONE);
		if (limit == 11)
			rig_fail(__FILE__, __LINE__, "refused for ever");
	}
	rig_expect(r, mm, THERE + PAGES(1), 3, 102);
	rig_destroy(r);
}

static void test_h33_empty_areas(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0), at;
	const int fixed = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	rig_equal(do_mremap(mm, a, PAGES(4), 0, fixed, THERE, &at), -OM_EINVAL);
	rig_equal(do_mremap(mm, a, PAGES(4), 0, 0, 0, &at), -OM_EINVAL);
	rig_equal(do_mremap(mm, a, 0, PAGES(4), fixed, THERE, &at), -OM_EINVAL);
	rig_equal(do_mremap(mm, a, 0, 0, fixed, THERE, &at), -OM_EINVAL);
	at = THERE;
	rig_equal(do_mmap(mm, &at, 0, RIG_RW, OM_MAP_PRIVATE | OM_MAP_FIXED, NULL, 0), -OM_EINVAL);
	rig_equal(om_munmap(mm, a, 0), -OM_EINVAL);
	rig_equal(rig_vmas(mm), 1);
	rig_expect(r, mm, a, 4, 100);
	rig_verify(r);
	rig_destroy(r);
}

/* MREMAP_DONTUNMAP to the place beside: old and new area become one while the move is on. */
static void test_move_beside(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	const int flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP;
	uintptr_t at = 0;

	(void)state;
	for (int side = -1; side <= 1; side += 2) {
		uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

		rig_put(r, mm, a, 4, 100);
		rig_ok(do_mremap(mm, a, PAGES(4), PAGES(4), flags, a + (uintptr_t)side * PAGES(4),
		                 &at));
		rig_verify(r);
		rig_expect(r, mm, at, 4, 100);
		rig_check(rig_info(mm, a).kind == OM_PAGE_NONE);
		rig_ok(om_munmap(mm, HERE - PAGES(4), PAGES(12)));
		rig_verify(r);
	}
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 54: mremap x truncate ----- */

static void mixed_file(struct play *p)
{
	play_file(p, 8, OM_MAP_PRIVATE);
	rig_expect(p->r, p->mm, p->a, 8, 200);
	rig_put(p->r, p->mm, p->a, 2, 300);
	rig_put(p->r, p->mm, p->a + PAGES(6), 1, 306);
}

static void shared_file(struct play *p)
{
	play_file(p, 8, OM_MAP_SHARED);
	rig_put(p->r, p->mm, p->a, 8, 300);
}

static void task_truncate2(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(2)));
}

static void task_move_about(struct play *p)
{
	for (unsigned n = 0; n < 3; n++) {
		remap(p, p->mm, p->a, THERE, PAGES(8));
		remap(p, p->mm, THERE, p->a, PAGES(8));
	}
}

/* Beyond the end there is nothing, at the old place or the new one. */
static void check_truncated(struct play *p)
{
	unsigned long tag;

	rig_expect(p->r, p->mm, p->b, 2, 300);
	for (unsigned i = 2; i < 8; i++) {
		rig_equal(rig_get(sched_cpu(p), p->mm, p->b + PAGES(i), &tag), OM_FAULT_BUS);
		rig_check(rig_info(p->mm, p->b + PAGES(i)).kind == OM_PAGE_NONE);
	}
}

static void test_h54_mremap_x_truncate(void **state)
{
	(void)state;
	EXPLORE({.name = "h54_private",
	         .setup = mixed_file,
	         .task = {task_move_up, task_truncate2},
	         .check = check_truncated},
	        {.name = "h54_down",
	         .setup = mixed_file,
	         .task = {task_move_down, task_truncate2},
	         .check = check_truncated},
	        {.name = "h54_about",
	         .setup = mixed_file,
	         .task = {task_move_about, task_truncate2},
	         .check = check_truncated},
	        {.name = "h54_shared",
	         .setup = shared_file,
	         .task = {task_move_up, task_truncate2},
	         .check = check_truncated});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h27_walk_x_moving_down),
    cmocka_unit_test(test_h28_reclaim_x_mremap),
    cmocka_unit_test(test_h28_msync_x_mremap),
    cmocka_unit_test(test_h29_table_move_x_walk),
    cmocka_unit_test(test_h30_table_move_x_freed_table),
    cmocka_unit_test(test_h32_mremap_at_the_limit),
    cmocka_unit_test(test_move_beside),
    cmocka_unit_test(test_h33_empty_areas),
    cmocka_unit_test(test_h54_mremap_x_truncate),
};
TESTS(move_tests, list);
