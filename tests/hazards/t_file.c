/*
 * t_file.c: truncation, holes, nonlinear areas: rows 54-56, 58, 62, 64, 73.
 */
#include <string.h>

#include "calls.h"
#include "hazards.h"

#include "fail.h"

static void private_file(struct play *p)
{
	play_file(p, 8, OM_MAP_PRIVATE);
	rig_expect(p->r, p->mm, p->a, 4, 200);
	rig_put(p->r, p->mm, p->a, 2, 300);
	rig_put(p->r, p->mm, p->a + PAGES(6), 1, 306);
}

static void shared_file(struct play *p)
{
	play_file(p, 8, OM_MAP_SHARED);
	rig_put(p->r, p->mm, p->a, 8, 300);
}

static void shared_shmem(struct play *p)
{
	play_shmem(p, 8);
	rig_put(p->r, p->mm, p->a, 8, 300);
}

static void task_truncate2(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(2)));
}

/* ---------------------------------------------------------------- 54: truncate x fault ------ */

static void task_write_beyond(struct play *p)
{
	for (unsigned i = 2; i < 8; i++) {
		enum om_fault_result result = rig_set(sched_cpu(p), p->mm, p->a + PAGES(i), 900);

		rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_BUS);
	}
}

static void task_read_beyond(struct play *p)
{
	for (unsigned i = 2; i < 8; i++) {
		unsigned long tag;
		enum om_fault_result result = rig_get(sched_cpu(p), p->mm, p->a + PAGES(i), &tag);

		rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_BUS);
	}
}

static void expect_end(struct play *p, struct om_mm *mm)
{
	unsigned long tag;

	rig_expect(p->r, mm, p->a, 2, 300);
	for (unsigned i = 2; i < 8; i++) {
		rig_check(rig_info(mm, p->a + PAGES(i)).kind == OM_PAGE_NONE);
		rig_equal(rig_get(sched_cpu(p), mm, p->a + PAGES(i), &tag), OM_FAULT_BUS);
	}
}

static void check_end(struct play *p)
{
	expect_end(p, p->mm);
	/* What was cut off does not come back. */
	rig_ok(om_mapping_truncate(p->file, PAGES(8)));
	if (!rig_store(p->r, p->file))
		rig_expect(p->r, p->mm, p->a + PAGES(3), 1, 0);
}

static void test_h54_truncate_x_fault(void **state)
{
	(void)state;
	EXPLORE({.name = "h54_write",
	         .setup = private_file,
	         .task = {task_truncate2, task_write_beyond},
	         .check = check_end},
	        {.name = "h54_read",
	         .setup = shared_file,
	         .task = {task_truncate2, task_read_beyond},
	         .check = check_end},
	        {.name = "h54_shmem",
	         .setup = shared_shmem,
	         .task = {task_truncate2, task_write_beyond, task_reclaim},
	         .check = check_end});
}

/* ---------------------------------------------------------------- 55: holes ----------------- */

static void task_punch(struct play *p)
{
	rig_ok(om_mapping_punch(p->file, 0, PAGES(8)));
	p->flag[0] = true;
}

/*
 * Fills the hole again as fast as it can, until the other is done. That the run comes to an end
 * shows that the other makes progress.
 */
static void task_refill(struct play *p)
{
	for (unsigned n = 0; !p->flag[0]; n++) {
		sched_step();
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(n % 8), 900), OM_FAULT_MINOR);
	}
}

static void check_punched(struct play *p)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned long tag = get_tag(p, p->mm, p->a + PAGES(i));

		rig_check(tag == 0 || tag == 900);
	}
}

static void test_h55_punch_x_faults(void **state)
{
	(void)state;
	EXPLORE({.name = "h55",
	         .setup = shared_shmem,
	         .task = {task_punch, task_refill},
	         .check = check_punched},
	        {.name = "h55_two",
	         .setup = shared_shmem,
	         .task = {task_punch, task_refill, task_refill},
	         .check = check_punched});
}

/* ---------------------------------------------------------------- 73: written since --------- */

static void task_truncate0(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, 0));
}

/* Waits a while for the size to be 0: flag[0] says whether it was, so that we come after it. */
static bool saw_the_end(struct play *p)
{
	for (unsigned i = 0; i < 40 && om_mapping_size(p->file); i++)
		sched_step();
	return p->flag[0] = om_mapping_size(p->file) == 0;
}

static void task_write_after(struct play *p)
{
	unsigned char page[RIG_PAGE] = {0};

	if (!saw_the_end(p))
		return;
	rig_set_tag(page, 777);
	rig_ok(om_mapping_write(p->file, 0, page, sizeof(page), NULL));
}

static void task_store_after(struct play *p)
{
	if (!saw_the_end(p))
		return;
	rig_ok(om_mapping_truncate(p->file, RIG_PAGE));
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 777), OM_FAULT_MINOR);
}

static void check_written(struct play *p)
{
	if (!p->flag[0])
		return;
	rig_equal(om_mapping_size(p->file), RIG_PAGE);
	rig_equal(rig_file_tag(p->file, 0), 777);
}

static void task_fill_hole(struct play *p)
{
	p->flag[1] = fill_hole(p, p->a + PAGES(5), 777);
}

static void check_filled(struct play *p)
{
	if (p->flag[1])
		rig_equal(rig_file_tag(p->file, 5), 777);
}

static void test_h73_written_since(void **state)
{
	(void)state;
	EXPLORE({.name = "h73_write",
	         .setup = shared_file,
	         .task = {task_truncate0, task_write_after},
	         .check = check_written},
	        {.name = "h73_store",
	         .setup = shared_shmem,
	         .task = {task_truncate0, task_store_after},
	         .check = check_written},
	        {.name = "h73_reclaim",
	         .setup = shared_shmem,
	         .task = {task_truncate0, task_write_after, task_reclaim},
	         .check = check_written},
	        {.name = "h73_punch",
	         .setup = shared_shmem,
	         .task = {task_punch, task_fill_hole},
	         .check = check_filled},
	        {.name = "h73_punch_reclaim",
	         .setup = shared_shmem,
	         .task = {task_punch, task_fill_hole, task_reclaim},
	         .check = check_filled});
}

/* ---------------------------------------------------------------- 56, 58: nonlinear --------- */

/* The two halves change places. */
static void remap_halves(struct play *p)
{
	rig_ok(om_remap_file_pages(p->mm, p->a, PAGES(4), 0, 4, 0));
	rig_ok(om_remap_file_pages(p->mm, p->a + PAGES(4), PAGES(4), 0, 0, 0));
}

static void fill_halves(struct play *p)
{
	remap_halves(p);
	rig_put(p->r, p->mm, p->a, 4, 304);
	rig_put(p->r, p->mm, p->a + PAGES(4), 4, 300);
}

static void nonlinear(struct play *p)
{
	play_shmem(p, 8);
	fill_halves(p);
}

/* A file that is written back is cut into areas instead. */
static void linear(struct play *p)
{
	play_file(p, 8, OM_MAP_SHARED);
	fill_halves(p);
}

static void expect_halves(struct play *p, struct om_mm *mm, uintptr_t a)
{
	rig_expect(p->r, mm, a, 4, 304);
	rig_expect(p->r, mm, a + PAGES(4), 4, 300);
}

static void task_swap_halves(struct play *p)
{
	rig_ok(om_remap_file_pages(p->mm, p->a, PAGES(8), 0, 0, 0));
	remap_halves(p);
}

static void task_sync(struct play *p)
{
	rig_ok(om_msync(p->mm, p->a, PAGES(8), OM_MS_SYNC));
}

static void check_halves(struct play *p)
{
	expect_halves(p, p->mm, p->a);
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_file_tag(p->file, i), 300 + i);
}

static void check_nonlinear(struct play *p)
{
	rig_reclaim(p->r);
	rig_check(rig_info(p->mm, p->a).kind == OM_PAGE_OFFSET);
	check_halves(p);
}

static void test_h56_nonlinear_pages_are_found(void **state)
{
	(void)state;
	EXPLORE({.name = "h56",
	         .setup = nonlinear,
	         .task = {task_swap_halves, task_pageout},
	         .check = check_nonlinear},
	        {.name = "h56_step",
	         .setup = nonlinear,
	         .task = {task_swap_halves, task_reclaim},
	         .check = check_nonlinear},
	        {.name = "h56_file",
	         .setup = linear,
	         .task = {task_swap_halves, task_sync, task_reclaim},
	         .check = check_halves});
}

/* Offsets in entries go with the entries: split, moved, forked, unmapped; and never to other areas.
 */
static void test_h58_entries_that_are_offsets(void **state)
{
	struct play p = {.r = small_rig()};
	struct om_mm *child;
	uintptr_t at;

	(void)state;
	nonlinear(&p);
	rig_reclaim(p.r);
	rig_verify(p.r);
	rig_ok(om_mprotect(p.mm, p.a + PAGES(2), PAGES(2), OM_PROT_READ));
	rig_verify(p.r);
	child = rig_fork(p.r, p.mm, NULL);
	rig_verify(p.r);
	expect_halves(&p, child, p.a);
	rig_ok(do_mremap(child, p.a + PAGES(4), PAGES(4), PAGES(4),
	                 OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, THERE, &at));
	rig_verify(p.r);
	rig_reclaim(p.r);
	rig_expect(p.r, child, THERE, 4, 300);
	rig_map(p.r, p.mm, p.a + PAGES(4), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_expect(p.r, p.mm, p.a + PAGES(6), 2, 302);
	rig_put(p.r, p.mm, p.a + PAGES(4), 2, 800);
	rig_verify(p.r);
	rig_ok(om_mapping_truncate(p.file, PAGES(4)));
	rig_equal(rig_get(sim_cpu(p.r->sim, 0), p.mm, p.a, &(unsigned long){0}), OM_FAULT_BUS);
	rig_expect(p.r, p.mm, p.a + PAGES(6), 2, 302);
	rig_verify(p.r);
	rig_destroy(p.r);
}

/* ---------------------------------------------------------------- 62, 64 -------------------- */

static void check_fork_end(struct play *p)
{
	expect_end(p, p->other);
	expect_end(p, p->mm);
}

/* The child's areas are found by truncation before they have entries, and with them. */
static void test_h62_fork_x_truncate(void **state)
{
	(void)state;
	EXPLORE({.name = "h62",
	         .setup = private_file,
	         .task = {task_fork, task_truncate2},
	         .check = check_fork_end},
	        {.name = "h62_fault",
	         .setup = private_file,
	         .task = {task_fork, task_truncate2, task_write_beyond},
	         .check = check_fork_end});
}

static void test_h62_failing_fork(void **state)
{
	unsigned long asked = 1;
	int err = 1;

	(void)state;
	for (unsigned long k = 1; err; k++) {
		struct play p = {.r = small_rig()};
		struct om_mm *child;

		private_file(&p);
		rig_map(p.r, p.mm, THERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_put(p.r, p.mm, THERE, 8, 500);
		sim_fail_arm(p.r->sys, k, true);
		child = rig_fork(p.r, p.mm, &err);
		asked = sim_fail_disarm();
		rig_verify(p.r);
		rig_expect(p.r, p.mm, p.a, 2, 300);
		rig_expect(p.r, p.mm, THERE, 8, 500);
		rig_ok(om_mapping_truncate(p.file, PAGES(2)));
		rig_verify(p.r);
		expect_end(&p, p.mm);
		if (child)
			expect_end(&p, child);
		if (!err && asked >= k && k > 1)
			rig_fail(__FILE__, __LINE__, "failure %lu was not noticed", k);
		rig_destroy(p.r);
	}
}

static void dirty_pages(struct play *p)
{
	shared_file(p);
	play_cold(p, p->mm, 8);
}

static void dirty_shmem(struct play *p)
{
	shared_shmem(p);
	play_cold(p, p->mm, 8);
}

/* Reclaim writes a page whose file has just become shorter. */
static void test_h64_reclaim_x_truncate(void **state)
{
	(void)state;
	EXPLORE({.name = "h64_file",
	         .setup = dirty_pages,
	         .task = {task_truncate2, task_reclaim},
	         .check = check_end},
	        {.name = "h64_pageout",
	         .setup = dirty_pages,
	         .task = {task_truncate2, task_pageout},
	         .check = check_end},
	        {.name = "h64_shmem",
	         .setup = dirty_shmem,
	         .task = {task_truncate2, task_reclaim},
	         .check = check_end});
}

/* ---------------------------------------------------------------- holes --------------------- */

/* A private area reads holes of shared memory that another thread fills. */
static void hollow(struct play *p)
{
	rig_ok(om_mapping_create(p->r->sys, NULL, NULL, PAGES(8), &p->file));
	p->r->file[0].mapping = p->file;
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 8, OM_PROT_READ, OM_MAP_PRIVATE, p->file, 0);
	p->b = rig_map(p->r, p->mm, THERE, 8, RIG_RW, OM_MAP_SHARED, p->file, 0);
}

static void task_fill(struct play *p)
{
	for (unsigned i = 0; i < 4; i++) {
		rig_equal(rig_set(sched_cpu(p), p->mm, p->b + PAGES(i), 700 + i), OM_FAULT_MINOR);
		p->seen[0] = i + 1;
	}
}

/* What was filled before we look is seen. */
static void task_look(struct play *p)
{
	for (unsigned n = 0; n < 12; n++) {
		unsigned filled = (unsigned)p->seen[0];
		unsigned long tag = get_tag(p, p->mm, p->a + PAGES(n % 4));

		rig_check(tag == 700 + n % 4 || (tag == 0 && n % 4 >= filled));
	}
}

static void check_full(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 700);
	if (p->other)
		rig_expect(p->r, p->other, p->a, 4, 700);
}

static void test_filled_hole(void **state)
{
	(void)state;
	EXPLORE({.name = "hole_look",
	         .setup = hollow,
	         .task = {task_fill, task_look, task_look},
	         .check = check_full},
	        {.name = "hole_fork",
	         .setup = hollow,
	         .task = {task_fill, task_look, task_fork},
	         .check = check_full},
	        {.name = "hole_reclaim",
	         .setup = hollow,
	         .task = {task_fill, task_look, task_reclaim},
	         .check = check_full});
}

/* ---------------------------------------------------------------- read-ahead ---------------- */

/* A file of 8 pages, none in memory, but for page 3, which is newer than the store. */
static void cold_file(struct play *p)
{
	unsigned char page[PAGES(1)];

	play_file(p, 8, OM_MAP_SHARED);
	memset(page, 0, sizeof(page));
	rig_set_tag(page, 303);
	rig_ok(om_mapping_write(p->file, PAGES(3), page, sizeof(page), NULL));
}

/* Reads the page that was cut off, or what it has been all the time. */
static void task_read_all(struct play *p)
{
	unsigned char page[PAGES(1)];
	size_t n;

	for (unsigned i = 0; i < 8; i++) {
		rig_ok(om_mapping_read(p->file, PAGES(i), page, sizeof(page), &n));
		rig_check(!n || rig_tag(page) == (i == 3 ? 303 : 200 + i));
	}
}

static void task_fault_last(struct play *p)
{
	unsigned long tag;
	enum om_fault_result result = rig_get(sched_cpu(p), p->mm, p->a + PAGES(7), &tag);

	rig_check(result == OM_FAULT_BUS || tag == 207);
}

static void task_sync_file(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
}

static void check_all(struct play *p)
{
	for (unsigned i = 0; i < 8; i++)
		rig_equal(get_tag(p, p->mm, p->a + PAGES(i)), i == 3 ? 303 : 200 + i);
}

static void check_synced(struct play *p)
{
	check_all(p);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 3), 303);
}

static void check_cut(struct play *p)
{
	unsigned long tag;

	for (unsigned i = 0; i < 8; i++) {
		enum om_fault_result result = rig_get(sched_cpu(p), p->mm, p->a + PAGES(i), &tag);

		rig_check(i < 2 ? result == OM_FAULT_MINOR || result == OM_FAULT_MAJOR
		                : result == OM_FAULT_BUS);
	}
}

/* Windows meet each other, and whatever else can happen to a page that is in one, or left out. */
static void test_read_ahead_x_others(void **state)
{
	(void)state;
	EXPLORE({.name = "ahead_readers",
	         .setup = cold_file,
	         .task = {task_read_all, task_fault_last, task_read_all},
	         .check = check_all},
	        {.name = "ahead_sync",
	         .setup = cold_file,
	         .task = {task_fault_last, task_sync_file, task_read_all},
	         .check = check_synced},
	        {.name = "ahead_reclaim",
	         .setup = cold_file,
	         .task = {task_read_all, task_reclaim, task_fault_last},
	         .check = check_synced},
	        {.name = "ahead_truncate",
	         .setup = cold_file,
	         .task = {task_truncate2, task_read_all, task_fault_last},
	         .check = check_cut});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h54_truncate_x_fault),
    cmocka_unit_test(test_h55_punch_x_faults),
    cmocka_unit_test(test_h73_written_since),
    cmocka_unit_test(test_h56_nonlinear_pages_are_found),
    cmocka_unit_test(test_h58_entries_that_are_offsets),
    cmocka_unit_test(test_h62_fork_x_truncate),
    cmocka_unit_test(test_h62_failing_fork),
    cmocka_unit_test(test_h64_reclaim_x_truncate),
    cmocka_unit_test(test_filled_hole),
    cmocka_unit_test(test_read_ahead_x_others),
};
TESTS(file_tests, list);
