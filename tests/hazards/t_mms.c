/*
 * t_mms.c: the lists of address spaces (area/mm.h). Some are made, forked and end, on other CPUs
 * than where they were made, too, while swapoff and reclaim of tables go through the lists: they
 * meet who is there all the time, and touch nobody who is gone.
 */
#include "area/mm.h"
#include "calls.h"
#include "hazards.h"
#include "reclaim/tables.h"

static struct om_mm *new_on(struct play *p, unsigned cpu)
{
	sim_run_on(sim_cpu(p->r->sim, cpu));
	return rig_mm(p->r);
}

/* On the list of CPU 0: p->mm before p->child; on that of CPU 1: p->other, and of 2: nobody. */
static void three(struct play *p)
{
	p->child = new_on(p, 0);
	p->mm = new_on(p, 0);
	p->other = new_on(p, 1);
	rig_check(p->mm->home == p->child->home);
	rig_check(p->mm->home != p->other->home);
	sim_run_on(sim_cpu(p->r->sim, 0));
}

static void here(struct play *p)
{
	sched_step();
	sim_run_on(sched_cpu(p));
}

static void task_walk(struct play *p)
{
	unsigned met[2] = {0, 0};

	here(p);
	for (struct om_mm *mm = om_mm_iterate(p->r->sys, NULL); mm;
	     mm = om_mm_iterate(p->r->sys, mm)) {
		rig_check(mm->sys == p->r->sys && mm->refs);
		met[0] += mm == p->child;
		met[1] += mm == p->other;
		sched_step();
		rig_check(mm->sys == p->r->sys && mm->refs);
	}
	rig_equal(met[0], 1);
	rig_equal(met[1], 1);
}

static void task_end(struct play *p)
{
	here(p);
	rig_exit(p->r, p->mm);
}

/* Short lives, on this CPU's list and ended on another. */
static void task_come_and_go(struct play *p)
{
	for (unsigned i = 0; i < 2; i++) {
		struct om_mm *mm;

		here(p);
		rig_ok(om_mm_create(p->r->sys, &sim_layout, NULL, &mm));
		sched_step();
		sim_run_on(sim_cpu(p->r->sim, i));
		om_mm_destroy(mm);
	}
}

static void task_tables(struct play *p)
{
	here(p);
	(void)om_reclaim_tables(p->r->sys, OM_TABLES_ALL, 64);
}

static void test_mms_walk(void **state)
{
	(void)state;
	EXPLORE({.name = "mms_walk_x_end",
	         .setup = three,
	         .task = {task_walk, task_end},
	         .all_pairs = true},
	        {.name = "mms_walk_x_end_x_new",
	         .setup = three,
	         .task = {task_walk, task_end, task_come_and_go}},
	        {.name = "mms_walk_x_walk",
	         .setup = three,
	         .task = {task_walk, task_end, task_walk}},
	        {.name = "mms_walk_x_tables",
	         .setup = three,
	         .task = {task_walk, task_end, task_tables}});
}

/* ---------------------------------------------------------------- whose turn ---------------- */

static void add_table(struct play *p, struct om_mm *mm)
{
	unsigned long tag;
	uintptr_t at = rig_map(p->r, mm, HERE, 16, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	rig_equal(rig_get(sim_cpu(p->r->sim, 0), mm, at, &tag), OM_FAULT_MINOR);
	rig_check(om_table_find(mm, HERE));
}

/* Each has a table that holds nothing; reclaim has been at one, and it is p->mm's turn. */
static void with_tables(struct play *p)
{
	struct om_mm_list *list = &p->r->sys->shard[0].mms;

	three(p);
	add_table(p, p->mm);
	add_table(p, p->child);
	add_table(p, p->other);
	rig_check(p->mm->home == list && list->first == p->mm);
	list->turn = p->mm;
	atomic_store(&p->r->sys->tables_shard, 0);
}

static void check_tables(struct play *p)
{
	rig_check(!om_table_find(p->child, HERE));
	rig_check(!om_table_find(p->other, HERE));
}

static void task_fork_child(struct play *p)
{
	here(p);
	rig_exit(p->r, rig_fork(p->r, p->child, NULL));
}

static void test_mms_turns(void **state)
{
	(void)state;
	EXPLORE({.name = "mms_tables_x_end",
	         .setup = with_tables,
	         .task = {task_tables, task_end},
	         .check = check_tables},
	        {.name = "mms_tables_x_tables",
	         .setup = with_tables,
	         .task = {task_tables, task_end, task_tables},
	         .check = check_tables},
	        {.name = "mms_tables_x_new",
	         .setup = with_tables,
	         .task = {task_tables, task_end, task_come_and_go},
	         .check = check_tables},
	        {.name = "mms_tables_x_fork",
	         .setup = with_tables,
	         .task = {task_tables, task_end, task_fork_child}});
}

/* ---------------------------------------------------------------- swapoff ------------------- */

/* Eight pages of each are in swap, on the first device; there is room on the second. */
static void swapped(struct play *p)
{
	three(p);
	for (unsigned i = 0; i < 3; i++) {
		struct om_mm *mm = i == 0 ? p->mm : i == 1 ? p->child : p->other;

		p->a = rig_map(p->r, mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_put(p->r, mm, p->a, 8, 100 * (i + 1));
	}
	rig_reclaim(p->r);
	rig_check(rig_swapon(p->r, 256) == 1);
}

static void task_off(struct play *p)
{
	here(p);
	task_swapoff(p);
}

/* Another CPU's list gets one that has slots, and that stays. */
static void task_fork_other(struct play *p)
{
	here(p);
	p->mm = rig_fork(p->r, p->other, NULL);
}

static void check_contents(struct play *p)
{
	rig_expect(p->r, p->child, p->a, 8, 200);
	rig_expect(p->r, p->other, p->a, 8, 300);
}

static void check_forked(struct play *p)
{
	check_contents(p);
	rig_expect(p->r, p->mm, p->a, 8, 300);
}

static void test_mms_swapoff(void **state)
{
	(void)state;
	EXPLORE({.name = "mms_swapoff_x_end",
	         .setup = swapped,
	         .task = {task_off, task_end, task_tables},
	         .check = check_contents},
	        {.name = "mms_swapoff_x_fork",
	         .setup = swapped,
	         .task = {task_off, task_fork_other},
	         .check = check_forked},
	        {.name = "mms_swapoff_x_fork_x_new",
	         .setup = swapped,
	         .task = {task_off, task_fork_other, task_come_and_go},
	         .check = check_forked});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_mms_walk),
    cmocka_unit_test(test_mms_turns),
    cmocka_unit_test(test_mms_swapoff),
};
TESTS(mm_list_tests, list);
