/*
 * t_write_back.c: stores, of programs and devices, while their page is written back: rows 84, 85;
 * and holes, which the store gets, too.
 */
#include "calls.h"
#include "hazards.h"

static void shared_file(struct play *p)
{
	play_file(p, 8, OM_MAP_SHARED);
	rig_put(p->r, p->mm, p->a, 8, 300);
}

/* ---------------------------------------------------------------- first stores -------------- */

static void clean_file(struct play *p)
{
	shared_file(p);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	play_warm(p, p->mm, p->a, 8, false);
}

static void task_store(struct play *p)
{
	for (unsigned n = 0; n < 6; n++)
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(n % 2), 900 + n),
		          OM_FAULT_MINOR);
}

static void task_sync_once(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
}

static void task_sync_often(struct play *p)
{
	for (unsigned n = 0; n < 3; n++)
		rig_ok(om_mapping_sync(p->file, 0, 0));
}

/* No page was written back that the store had not been asked for since it was written last. */
static void check_asked(struct play *p)
{
	struct sim_store_stats stats;

	rig_equal(get_tag(p, p->mm, p->a), 904);
	rig_equal(get_tag(p, p->mm, p->a + PAGES(1)), 905);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 1), 905);
	sim_store_stats(rig_store(p->r, p->file), &stats);
	rig_equal(stats.unasked, 0);
}

static void test_first_store_x_write_back(void **state)
{
	(void)state;
	EXPLORE({.name = "mkwrite_sync",
	         .setup = clean_file,
	         .task = {task_store, task_sync_often},
	         .check = check_asked},
	        {.name = "mkwrite_reclaim",
	         .setup = clean_file,
	         .task = {task_store, task_reclaim, task_sync_often},
	         .check = check_asked},
	        {.name = "mkwrite_pageout",
	         .setup = clean_file,
	         .task = {task_store, task_pageout, task_pageout},
	         .check = check_asked});
}

/* ---------------------------------------------------------------- 84, 85 -------------------- */

static void one_page(struct play *p)
{
	play_file(p, 1, OM_MAP_SHARED);
	rig_put(p->r, p->mm, p->a, 1, 300);
	p->other = rig_mm(p->r);
}

static void task_sync_twice(struct play *p)
{
	for (unsigned n = 0; n < 2; n++)
		rig_ok(om_mapping_sync(p->file, 0, 0));
}

static void task_new_mapping(struct play *p)
{
	uintptr_t addr = THERE;

	rig_ok(
	    do_mmap(p->other, &addr, RIG_PAGE, RIG_RW, OM_MAP_SHARED | OM_MAP_FIXED, p->file, 0));
	rig_equal(set_word(p, p->other, addr + 1000, 777), OM_FAULT_MINOR);
}

static void task_old_mapping(struct play *p)
{
	rig_equal(set_word(p, p->mm, p->a + 3000, 888), OM_FAULT_MINOR);
}

static void check_both(struct play *p)
{
	unsigned long word[2];

	rig_ok(om_mapping_sync(p->file, 0, 0));
	sim_store_peek(rig_store(p->r, p->file), 1000, &word[0], sizeof(long));
	sim_store_peek(rig_store(p->r, p->file), 3000, &word[1], sizeof(long));
	rig_equal(word[0], 777);
	rig_equal(word[1], 888);
}

/* Nobody has mapped the page: it is dirty because of write(), and its write-back begins. */
static void unmapped_page(struct play *p)
{
	unsigned char page[RIG_PAGE] = {0};

	p->mm = rig_mm(p->r);
	p->other = rig_mm(p->r);
	p->file = rig_file(p->r, 1, 200);
	rig_set_tag(page, 300);
	rig_ok(om_mapping_write(p->file, 0, page, sizeof(page), NULL));
}

static void task_first_mapping(struct play *p)
{
	p->a = rig_map(p->r, p->mm, HERE, 1, RIG_RW, OM_MAP_SHARED, p->file, 0);
	task_old_mapping(p);
}

static void test_h84_write_back_x_new_mapping(void **state)
{
	(void)state;
	EXPLORE({.name = "h84_sync",
	         .setup = one_page,
	         .task = {task_sync_twice, task_new_mapping, task_old_mapping},
	         .check = check_both},
	        {.name = "h84_reclaim",
	         .setup = one_page,
	         .task = {task_reclaim, task_new_mapping, task_old_mapping},
	         .check = check_both},
	        {.name = "h84_first",
	         .setup = unmapped_page,
	         .task = {task_sync_twice, task_new_mapping, task_first_mapping},
	         .check = check_both},
	        {.name = "h84_first_reclaim",
	         .setup = unmapped_page,
	         .task = {task_reclaim, task_new_mapping, task_first_mapping},
	         .check = check_both});
}

static void test_h85_protected_and_back(void **state)
{
	struct play p = {.r = small_rig()};

	(void)state;
	shared_file(&p);
	rig_ok(om_msync(p.mm, p.a, PAGES(8), OM_MS_SYNC));
	rig_ok(om_mprotect(p.mm, p.a, PAGES(8), OM_PROT_READ));
	rig_ok(om_mprotect(p.mm, p.a, PAGES(8), RIG_RW));
	rig_check(!rig_info(p.mm, p.a).writable);
	rig_put(p.r, p.mm, p.a, 8, 700);
	rig_verify(p.r);
	rig_pageout(p.r, p.mm, p.a, 8);
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_store_tag(rig_store(p.r, p.file), i), 700 + i);
	rig_destroy(p.r);
}

/* ---------------------------------------------------------------- devices x write-back ------ */

/* Read back from swap: clean, writable, and still in its slot. */
static void read_back(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

static void shmem_read_back(struct play *p)
{
	play_shmem(p, 8);
	rig_put(p->r, p->mm, p->a, 8, 200);
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, p->a, 8, 200);
}

/* No store of a program makes the page dirty: that the device wrote is known from the unpin. */
static void task_device(struct play *p)
{
	om_pfn_t pfn;

	rig_ok(om_pin(p->mm, p->a, OM_WRITE, &pfn));
	sched_step();
	rig_set_tag(sim_frame(p->r->sim, pfn), 900);
	sched_step();
	om_unpin(p->r->sys, pfn, true);
}

static void check_device(struct play *p)
{
	rig_equal(get_tag(p, p->mm, p->a), 900);
	rig_reclaim(p->r);
	rig_equal(get_tag(p, p->mm, p->a), 900);
}

static void check_device_file(struct play *p)
{
	check_device(p);
	rig_equal(rig_file_tag(p->file, 0), 900);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 0), 900);
}

static void test_device_x_write_back(void **state)
{
	(void)state;
	EXPLORE({.name = "device_pageout",
	         .setup = read_back,
	         .task = {task_device, task_pageout},
	         .check = check_device},
	        {.name = "device_sync",
	         .setup = shared_file,
	         .task = {task_device, task_sync_once},
	         .check = check_device_file},
	        {.name = "device_sync_reclaim",
	         .setup = shared_file,
	         .task = {task_device, task_sync_once, task_reclaim},
	         .check = check_device_file},
	        {.name = "device_shmem",
	         .setup = shmem_read_back,
	         .task = {task_device, task_reclaim},
	         .check = check_device},
	        {.name = "device_swapoff",
	         .setup = shmem_read_back,
	         .task = {task_device, task_reclaim, task_swapoff},
	         .check = check_device});
}

/* ---------------------------------------------------------------- holes x write-back -------- */

static void task_hole(struct play *p)
{
	rig_ok(om_mapping_punch(p->file, PAGES(2), PAGES(2)));
}

/* Dirty, without a change of what is there. */
static void task_touch(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a + PAGES(2), PAGES(2), OM_MADV_POPULATE_WRITE));
}

/* What was there before the hole must not come back, neither from memory nor from the store. */
static void check_hole(struct play *p)
{
	for (unsigned n = 0; n < 2; n++) {
		rig_equal(rig_file_tag(p->file, 1), 301);
		rig_equal(rig_file_tag(p->file, 2), 0);
		rig_equal(rig_file_tag(p->file, 3), 0);
		rig_equal(rig_file_tag(p->file, 4), 304);
		rig_ok(om_mapping_sync(p->file, 0, 0));
		rig_pageout(p->r, p->mm, p->a, 8);
		rig_reclaim(p->r);
	}
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 3), 0);
}

static void task_fill(struct play *p)
{
	p->flag[0] = fill_hole(p, p->a + PAGES(2), 777);
}

static void check_filled(struct play *p)
{
	if (!p->flag[0])
		return;
	rig_equal(rig_file_tag(p->file, 2), 777);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 2), 777);
}

static void test_hole_x_write_back(void **state)
{
	(void)state;
	EXPLORE({.name = "hole_touch",
	         .setup = clean_file,
	         .task = {task_hole, task_touch, task_sync_often},
	         .check = check_hole},
	        {.name = "hole_reclaim",
	         .setup = clean_file,
	         .task = {task_hole, task_touch, task_reclaim},
	         .check = check_hole},
	        {.name = "hole_filled",
	         .setup = clean_file,
	         .task = {task_hole, task_fill, task_sync_often},
	         .check = check_filled},
	        {.name = "hole_two",
	         .setup = clean_file,
	         .task = {task_hole, task_hole, task_touch},
	         .check = check_hole});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_first_store_x_write_back),
    cmocka_unit_test(test_h84_write_back_x_new_mapping),
    cmocka_unit_test(test_h85_protected_and_back),
    cmocka_unit_test(test_device_x_write_back),
    cmocka_unit_test(test_hole_x_write_back),
};
TESTS(write_back_tests, list);
