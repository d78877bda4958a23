/*
 * t_pin.c: pins, and who may write to a page in place: rows 4-7, 48, 74.
 */
#include "hazards.h"

/* ---------------------------------------------------------------- 4-7: pins and reuse ------- */

static void family4(struct play *p)
{
	play_family(p, 4);
}

/* The child takes a reference for reading and drops its entry: the vmsplice attack. */
static void task_child_pins(struct play *p)
{
	rig_ok(rig_pin(p->r, p->child, p->a, OM_READ, &p->pfn));
	rig_ok(om_munmap(p->child, p->a, PAGES(4)));
}

static void task_parent_writes(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 900), OM_FAULT_MINOR);
}

static void check_no_secret(struct play *p)
{
	rig_equal(rig_tag(sim_frame(p->r->sim, p->pfn)), 100);
	rig_equal(get_tag(p, p->mm, p->a), 900);
}

static void test_h04_pin_sees_no_secret(void **state)
{
	(void)state;
	EXPLORE({.name = "h04",
	         .setup = family4,
	         .task = {task_child_pins, task_parent_writes},
	         .check = check_no_secret});
}

/* A page that is in the swap cache as well, and pinned, is still written in place. */
static void test_h05_pinned_page_stays_mapped(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	om_pfn_t pfn;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	rig_pageout(r, mm, a, 4);
	rig_expect(r, mm, a, 4, 100);
	rig_ok(rig_pin(r, mm, a, OM_READ, &pfn));
	rig_put(r, mm, a, 1, 900);
	rig_equal(rig_info(mm, a).value, pfn);
	rig_equal(rig_tag(sim_frame(r->sim, pfn)), 900);
	rig_reclaim(r);
	(void)rig_fork(r, mm, NULL);
	rig_put(r, mm, a, 1, 901);
	rig_equal(rig_info(mm, a).value, pfn);
	rig_equal(rig_tag(sim_frame(r->sim, pfn)), 901);
	rig_verify(r);
	rig_destroy(r);
}

static void cold_anon(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
}

/* The device writes; the pin stays until the check. */
static void task_pin(struct play *p)
{
	rig_ok(rig_pin(p->r, p->mm, p->a, OM_WRITE, &p->pfn));
	sched_step();
	rig_set_tag(sim_frame(p->r->sim, p->pfn), 900);
}

static void check_pinned(struct play *p)
{
	rig_equal(rig_info(p->mm, p->a).value, p->pfn);
	rig_equal(get_tag(p, p->mm, p->a), 900);
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 901), OM_FAULT_MINOR);
	rig_equal(rig_tag(sim_frame(p->r->sim, p->pfn)), 901);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 7, 101);
}

static void swapped_anon(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
}

static void test_h05_pin_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h05_step",
	         .setup = cold_anon,
	         .task = {task_pin, task_reclaim},
	         .check = check_pinned},
	        {.name = "h05_pageout",
	         .setup = cold_anon,
	         .task = {task_pin, task_pageout},
	         .check = check_pinned},
	        {.name = "h05_swapped",
	         .setup = swapped_anon,
	         .task = {task_pin, task_pageout},
	         .check = check_pinned});
}

static void anon4(struct play *p)
{
	play_anon(p, 4);
	play_warm(p, p->mm, p->a, 4, true);
}

static void check_fork_pin(struct play *p)
{
	unsigned long tag = get_tag(p, p->other, p->a);

	check_pinned(p);
	rig_check(tag == 100 || tag == 900);
	rig_equal(get_tag(p, p->other, p->a), tag);
	rig_expect(p->r, p->other, p->a + PAGES(1), 3, 101);
}

static void check_fork_pin4(struct play *p)
{
	unsigned long tag = get_tag(p, p->other, p->a);

	rig_check(tag == 100 || tag == 900);
	rig_equal(rig_info(p->mm, p->a).value, p->pfn);
	rig_equal(get_tag(p, p->mm, p->a), 900);
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 901), OM_FAULT_MINOR);
	rig_equal(rig_tag(sim_frame(p->r->sim, p->pfn)), 901);
	rig_equal(get_tag(p, p->other, p->a), tag);
}

static void test_h06_fork_x_pin(void **state)
{
	(void)state;
	EXPLORE({.name = "h06",
	         .setup = anon4,
	         .task = {task_fork, task_pin},
	         .check = check_fork_pin4},
	        {.name = "h06_reclaim",
	         .setup = cold_anon,
	         .task = {task_fork, task_pin, task_pageout},
	         .check = check_fork_pin});
}

static void task_child_exits(struct play *p)
{
	rig_exit(p->r, p->child);
}

static void task_child_writes(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->child, p->a, 901), OM_FAULT_MINOR);
}

static void check_parent(struct play *p)
{
	rig_equal(get_tag(p, p->mm, p->a), 900);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 3, 101);
}

static void check_both(struct play *p)
{
	check_parent(p);
	rig_equal(get_tag(p, p->child, p->a), 901);
}

static void check_three(struct play *p)
{
	check_both(p);
	rig_expect(p->r, p->other, p->a, 4, 100);
}

static void family_of_three(struct play *p)
{
	play_family(p, 4);
	p->other = rig_fork(p->r, p->child, NULL);
}

static void task_third_reads(struct play *p)
{
	rig_equal(get_tag(p, p->other, p->a), 100);
}

/* The decision to reuse looks at one count, once, under the page's lock. */
static void test_h07_reuse_x_exit(void **state)
{
	(void)state;
	EXPLORE({.name = "h07_exit",
	         .setup = family4,
	         .task = {task_parent_writes, task_child_exits},
	         .check = check_parent},
	        {.name = "h07_write",
	         .setup = family4,
	         .task = {task_parent_writes, task_child_writes},
	         .check = check_both},
	        {.name = "h07_three",
	         .setup = family_of_three,
	         .task = {task_parent_writes, task_child_writes, task_third_reads},
	         .check = check_three});
}

static void warm_anon(struct play *p)
{
	play_anon(p, 4);
	play_warm(p, p->mm, p->a, 4, true);
}

/* A thread of the parent goes on writing while it forks. */
static void task_counts(struct play *p)
{
	for (unsigned long n = 1; n <= 6; n++) {
		rig_equal(set_word(p, p->mm, p->a, 1000 + n), OM_FAULT_MINOR);
		rig_equal(set_word(p, p->mm, p->a + PAGES(1), 1000 + n), OM_FAULT_MINOR);
	}
}

/* The child has a state that was: the second page is never ahead of the first. */
static void check_snapshot(struct play *p)
{
	unsigned long one, two, again;

	rig_equal(get_word(p, p->other, p->a, &one), OM_FAULT_MINOR);
	rig_equal(get_word(p, p->other, p->a + PAGES(1), &two), OM_FAULT_MINOR);
	rig_check(one == 100 || (one > 1000 && one <= 1006));
	rig_check(two == 101 || (two > 1000 && two <= 1006));
	rig_equal(get_word(p, p->mm, p->a, &again), OM_FAULT_MINOR);
	rig_equal(again, 1006);
	rig_equal(set_word(p, p->mm, p->a, 7), OM_FAULT_MINOR);
	rig_equal(get_word(p, p->other, p->a, &again), OM_FAULT_MINOR);
	rig_equal(again, one);
}

static void test_h07_fork_x_write(void **state)
{
	(void)state;
	EXPLORE({.name = "h07_fork",
	         .setup = warm_anon,
	         .task = {task_fork, task_counts},
	         .check = check_snapshot});
}

/* ---------------------------------------------------------------- 48: the zero page --------- */

static void test_h48_zero_page_pins(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 64, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	struct om_pageinfo zero;
	om_pfn_t pfn;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		(void)rig_get(sim_cpu(r->sim, 0), mm, a + PAGES(i), &(unsigned long){0});
	zero = rig_info(mm, a);
	rig_equal(zero.kind, OM_PAGE_ZERO);
	for (unsigned i = 0; i < 500; i++) {
		rig_ok(om_pin(mm, a + PAGES(i % 32), i % 2 ? OM_READ : OM_WRITE, &pfn));
		rig_check(pfn != zero.value);
		rig_set_tag(sim_frame(r->sim, pfn), i);
		om_unpin(r->sys, pfn, true);
	}
	rig_ok(om_munmap(mm, a, PAGES(32)));
	rig_expect(r, mm, a + PAGES(32), 1, 0);
	rig_verify(r); /* I8: never counted, and still all zeros */
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 74: a pinned page stays ---- */

/* Where nobody may write, a page that becomes the parent's own keeps its entry as it was. */
static void read_only_family(struct play *p)
{
	play_anon(p, 4);
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), OM_PROT_READ));
	p->child = rig_fork(p->r, p->mm, NULL);
}

static void pin_into(struct play *p, unsigned long *pfn)
{
	om_pfn_t n;

	rig_ok(om_pin(p->mm, p->a, OM_READ, &n));
	*pfn = n;
}

static void task_pin_first(struct play *p)
{
	pin_into(p, &p->seen[0]);
}

static void task_pin_second(struct play *p)
{
	pin_into(p, &p->seen[1]);
}

/* Both pins name the frame that the program writes to. */
static void check_pins(struct play *p)
{
	rig_equal(rig_info(p->mm, p->a).value, p->seen[0]);
	rig_equal(p->seen[1], p->seen[0]);
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), RIG_RW));
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a, 900), OM_FAULT_MINOR);
	for (unsigned i = 0; i < 2; i++) {
		rig_equal(rig_tag(sim_frame(p->r->sim, (om_pfn_t)p->seen[i])), 900);
		om_unpin(p->r->sys, (om_pfn_t)p->seen[i], false);
	}
	rig_expect(p->r, p->mm, p->a + PAGES(1), 3, 101);
}

static void check_pin(struct play *p)
{
	rig_equal(rig_info(p->mm, p->a).value, p->seen[0]);
	om_unpin(p->r->sys, (om_pfn_t)p->seen[0], false);
}

static void swapped_read_only_family(struct play *p)
{
	play_anon(p, 4);
	rig_pageout(p->r, p->mm, p->a, 4);
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), OM_PROT_READ));
	p->child = rig_fork(p->r, p->mm, NULL);
}

static void test_h74_pinned_page_is_not_replaced(void **state)
{
	(void)state;
	EXPLORE({.name = "h74",
	         .setup = read_only_family,
	         .task = {task_pin_first, task_pin_second, task_child_exits},
	         .check = check_pins},
	        {.name = "h74_swapped",
	         .setup = swapped_read_only_family,
	         .task = {task_pin_first, task_pin_second, task_child_exits},
	         .check = check_pins},
	        {.name = "h74_pageout",
	         .setup = read_only_family,
	         .task = {task_pin_first, task_pageout, task_child_exits},
	         .check = check_pin});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h04_pin_sees_no_secret),
    cmocka_unit_test(test_h05_pinned_page_stays_mapped),
    cmocka_unit_test(test_h05_pin_x_reclaim),
    cmocka_unit_test(test_h06_fork_x_pin),
    cmocka_unit_test(test_h07_reuse_x_exit),
    cmocka_unit_test(test_h07_fork_x_write),
    cmocka_unit_test(test_h48_zero_page_pins),
    cmocka_unit_test(test_h74_pinned_page_is_not_replaced),
};
TESTS(pin_tests, list);
