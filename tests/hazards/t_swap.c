/*
 * t_swap.c: swap slots, their cache, MADV_FREE, swapoff: rows 49, 50, 57, and swapoff against all
 * others.
 */
#include "hazards.h"

/* ---------------------------------------------------------------- 49, 50: swap-in ----------- */

static void swapped(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
}

static void swapped_family(struct play *p)
{
	play_family(p, 8);
	rig_reclaim(p->r);
	rig_equal(rig_info(p->mm, p->a).kind, OM_PAGE_SWAP);
}

static void task_read(struct play *p)
{
	unsigned long word;

	for (unsigned n = 0; n < 3; n++) {
		rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
		rig_check(word == 100 || word == 901 || word == 902);
	}
}

/* The page comes in, is changed, and goes out again, to the slot it came from: there is no other.
 */
static void task_change_and_out(struct play *p)
{
	for (unsigned long n = 1; n <= 2; n++) {
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 900 + n), OM_FAULT_MINOR);
		(void)om_madvise(p->mm, p->a, PAGES(8), OM_MADV_PAGEOUT);
	}
}

static void check_changed(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 1, 902);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 7, 101);
}

static void test_h49_slot_comes_back(void **state)
{
	(void)state;
	EXPLORE({.name = "h49",
	         .slots = 8,
	         .setup = swapped,
	         .task = {task_read, task_change_and_out},
	         .check = check_changed},
	        {.name = "h49_three",
	         .slots = 8,
	         .setup = swapped,
	         .task = {task_read, task_change_and_out, task_read},
	         .check = check_changed});
}

static void task_parent_sets(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 901), OM_FAULT_MINOR);
}

static void task_child_sets(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->child, p->a, 902), OM_FAULT_MINOR);
}

static void task_child_reads(struct play *p)
{
	rig_equal(get_tag(p, p->child, p->a), 100);
}

static void task_parent_reads(struct play *p)
{
	rig_equal(get_tag(p, p->mm, p->a), 100);
}

static void check_two(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 1, 901);
	rig_expect(p->r, p->child, p->a, 1, 902);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 7, 101);
	rig_expect(p->r, p->child, p->a + PAGES(1), 7, 101);
}

static void check_parent_set(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 1, 901);
	rig_expect(p->r, p->child, p->a, 1, 100);
}

static void check_none_set(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
	rig_expect(p->r, p->child, p->a, 8, 100);
}

/* Neighbours of the page that is read go away meanwhile. */
static void task_child_drops(struct play *p)
{
	rig_ok(om_munmap(p->child, p->a, PAGES(4)));
}

static void task_child_last(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->child, p->a + PAGES(7), 907), OM_FAULT_MINOR);
}

static void check_dropped(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 1, 901);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 7, 101);
	rig_expect(p->r, p->child, p->a + PAGES(4), 3, 104);
	rig_expect(p->r, p->child, p->a + PAGES(7), 1, 907);
}

/* Parent and child, and two threads of one process, bring the same page back. */
static void test_h50_swapin_x_swapin(void **state)
{
	(void)state;
	EXPLORE({.name = "h50_read",
	         .setup = swapped_family,
	         .task = {task_parent_reads, task_child_reads},
	         .check = check_none_set},
	        {.name = "h50_write",
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_sets},
	         .check = check_two},
	        {.name = "h50_both",
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_reads},
	         .check = check_parent_set},
	        {.name = "h50_reclaim",
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_sets, task_reclaim},
	         .check = check_two},
	        {.name = "h50_ahead",
	         .cluster = 3,
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_sets, task_reclaim},
	         .check = check_two},
	        {.name = "h50_neighbours",
	         .cluster = 3,
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_drops, task_child_last},
	         .check = check_dropped},
	        {.name = "h50_threads",
	         .setup = swapped_family,
	         .task = {task_parent_sets, task_child_sets, task_parent_sets},
	         .check = check_two});
}

/* The parent has the page, alone as it seems; the child has the slot. */
static void half_swapped(struct play *p)
{
	swapped_family(p);
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

static void test_h50_reuse_x_swapin_of_sibling(void **state)
{
	(void)state;
	EXPLORE({.name = "h50_reuse",
	         .setup = half_swapped,
	         .task = {task_parent_sets, task_child_reads},
	         .check = check_parent_set},
	        {.name = "h50_reuse2",
	         .setup = half_swapped,
	         .task = {task_parent_sets, task_child_sets},
	         .check = check_two},
	        {.name = "h50_walk",
	         .setup = half_swapped,
	         .task = {task_reclaim, task_child_reads},
	         .check = check_none_set},
	        {.name = "h50_walk2",
	         .setup = half_swapped,
	         .task = {task_reclaim, task_parent_sets, task_child_sets},
	         .check = check_two});
}

/* ---------------------------------------------------------------- 57: MADV_FREE ------------- */

static void freed(struct play *p)
{
	play_anon(p, 8);
	play_warm(p, p->mm, p->a, 8, true);
	rig_ok(om_madvise(p->mm, p->a, PAGES(8), OM_MADV_FREE));
}

static void task_store(struct play *p)
{
	for (unsigned long n = 1; n <= 3; n++)
		rig_equal(set_word(p, p->mm, p->a, 900 + n), OM_FAULT_MINOR);
}

/* What was written after MADV_FREE is there; what was not is old or zero. */
static void check_stored(struct play *p)
{
	unsigned long word;

	rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	rig_equal(word, 903);
	for (unsigned i = 1; i < 8; i++) {
		unsigned long tag = get_tag(p, p->mm, p->a + PAGES(i));

		rig_check(tag == 0 || tag == 100 + i);
		rig_equal(get_tag(p, p->mm, p->a + PAGES(i)), tag);
	}
}

/* A device writes, through a pin. */
static void task_device(struct play *p)
{
	rig_ok(om_pin(p->mm, p->a, OM_WRITE, &p->pfn));
	sched_step();
	rig_set_tag(sim_frame(p->r->sim, p->pfn), 903);
	sched_step();
	om_unpin(p->r->sys, p->pfn, true);
}

static void task_free(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, PAGES(8), OM_MADV_FREE));
}

static void warm(struct play *p)
{
	play_anon(p, 8);
	play_warm(p, p->mm, p->a, 8, true);
}

/* A device and MADV_FREE at once: the page may go only if the device came first. */
static void check_device(struct play *p)
{
	unsigned long tag = get_tag(p, p->mm, p->a);

	rig_check(tag == 0 || tag == 903);
	rig_reclaim(p->r);
	rig_check(get_tag(p, p->mm, p->a) == tag || get_tag(p, p->mm, p->a) == 0);
}

static void test_h57_free_x_write(void **state)
{
	(void)state;
	EXPLORE({.name = "h57_store",
	         .setup = freed,
	         .task = {task_store, task_reclaim},
	         .check = check_stored},
	        {.name = "h57_device",
	         .setup = freed,
	         .task = {task_device, task_reclaim},
	         .check = check_stored},
	        {.name = "h57_free",
	         .setup = warm,
	         .task = {task_device, task_free, task_pageout},
	         .check = check_device});
}

static void check_child_or_zero(struct play *p)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned long tag = get_tag(p, p->mm, p->a + PAGES(i));

		rig_check(tag == 0 || tag == 100 + i);
		/* Fork has shared the page of that moment. */
		tag = get_tag(p, p->other, p->a + PAGES(i));
		rig_check(tag == 0 || tag == 100 + i);
	}
}

/* Freed, and written again, while others look at the page, fork it, or take it. */
static void task_free_and_store(struct play *p)
{
	task_free(p);
	rig_equal(set_word(p, p->mm, p->a, 903), OM_FAULT_MINOR);
}

static void task_pin_for_reading(struct play *p)
{
	om_pfn_t pfn;

	rig_ok(om_pin(p->mm, p->a, OM_READ, &pfn));
	sched_step();
	om_unpin(p->r->sys, pfn, false);
}

/* In memory, and still in its slots. */
static void read_back(struct play *p)
{
	swapped(p);
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

/* The child has what was there at some moment, or zeros. */
static void check_stored_and_forked(struct play *p)
{
	unsigned long word;

	check_stored(p);
	for (unsigned i = 0; i < 8; i++) {
		rig_equal(get_word(p, p->other, p->a + PAGES(i), &word), OM_FAULT_MINOR);
		rig_check(word == 0 || word == 100 + i || (word == 903 && i == 0));
	}
}

static void test_h57_free_x_fork(void **state)
{
	(void)state;
	EXPLORE({.name = "h57_fork",
	         .setup = freed,
	         .task = {task_fork, task_reclaim},
	         .check = check_child_or_zero},
	        {.name = "h57_fork_reclaim",
	         .setup = warm,
	         .task = {task_free_and_store, task_fork, task_reclaim},
	         .check = check_stored_and_forked});
}

static void test_h57_free_and_store(void **state)
{
	(void)state;
	EXPLORE({.name = "h57_pin",
	         .setup = warm,
	         .task = {task_free_and_store, task_pin_for_reading, task_reclaim},
	         .check = check_stored},
	        {.name = "h57_slots",
	         .setup = read_back,
	         .task = {task_free_and_store, task_pageout, task_reclaim},
	         .check = check_stored});
}

/* ---------------------------------------------------------------- swapoff ------------------- */

/* A second area, so that there is room for what the first one had to give back. */
static void two_areas(struct play *p)
{
	swapped_family(p);
	rig_check(rig_swapon(p->r, 256) == 1);
}

static void task_write_all(struct play *p)
{
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->child, p->a + PAGES(i), 300 + i),
		          OM_FAULT_MINOR);
}

static void check_written(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
	rig_expect(p->r, p->child, p->a, 8, 300);
}

static void check_forked(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
	rig_expect(p->r, p->child, p->a, 8, 100);
	rig_expect(p->r, p->other, p->a, 8, 100);
}

static void swapped_shmem(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->file = rig_shmem(p->r, 8, 600);
	p->a = rig_map(p->r, p->mm, HERE, 8, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_reclaim(p->r);
	rig_check(rig_swapon(p->r, 256) == 1);
}

static void task_write_shmem(struct play *p)
{
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(i), 900 + i), OM_FAULT_MINOR);
}

static void task_truncate4(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(4)));
}

static void check_shmem(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 900);
	rig_expect(p->r, p->mm, p->a + PAGES(4), 4, 604);
}

static void check_shmem4(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 600);
}

static void cold_anon(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
	rig_check(rig_swapon(p->r, 256) == 1);
}

static void check_anon(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

static void test_swapoff_x_others(void **state)
{
	(void)state;
	EXPLORE({.name = "swapoff_fault",
	         .setup = two_areas,
	         .task = {task_swapoff, task_write_all},
	         .check = check_written},
	        {.name = "swapoff_ahead",
	         .cluster = 3,
	         .setup = two_areas,
	         .task = {task_swapoff, task_write_all, task_reclaim},
	         .check = check_written},
	        {.name = "swapoff_fork",
	         .setup = two_areas,
	         .task = {task_swapoff, task_fork},
	         .check = check_forked},
	        {.name = "swapoff_reclaim",
	         .setup = cold_anon,
	         .task = {task_swapoff, task_pageout},
	         .check = check_anon},
	        {.name = "swapoff_shmem",
	         .setup = swapped_shmem,
	         .task = {task_swapoff, task_write_shmem},
	         .check = check_shmem},
	        {.name = "swapoff_truncate",
	         .setup = swapped_shmem,
	         .task = {task_swapoff, task_truncate4},
	         .check = check_shmem4});
}

/* So much in one address space that it takes hundreds of rounds of reclaim to bring it back. */
static void test_swapoff_of_more_than_memory(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 128, .cpus = 1, .slots = 6000});
	struct om_mm *mm = rig_mm(r);
	const unsigned pages = 5000;
	uintptr_t a = rig_map(r, mm, HERE, pages, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, pages, 100);
	rig_check(rig_swapon(r, 6000) == 1);
	rig_ok(rig_swapoff(r, 0));
	rig_verify(r);
	rig_expect(r, mm, a, pages, 100);
	/* Without room for it the area stays, and all that is in it. */
	rig_equal(rig_swapoff(r, 1), -OM_ENOMEM);
	rig_verify(r);
	rig_expect(r, mm, a, pages, 100);
	rig_destroy(r);
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h49_slot_comes_back),
    cmocka_unit_test(test_h50_swapin_x_swapin),
    cmocka_unit_test(test_h50_reuse_x_swapin_of_sibling),
    cmocka_unit_test(test_h57_free_x_write),
    cmocka_unit_test(test_h57_free_x_fork),
    cmocka_unit_test(test_h57_free_and_store),
    cmocka_unit_test(test_swapoff_x_others),
    cmocka_unit_test(test_swapoff_of_more_than_memory),
};
TESTS(swap_tests, list);
