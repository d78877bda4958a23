/*
 * t_slots.c: swap slots of which each CPU has some aside: the last ones, and a device that is
 * emptied while slots of it are taken, shared and given up. Tasks may be interrupted at every lock
 * on a slot's way from one list to another.
 */
#include "base/types.h"
#include "hazards.h"
#include "store/slot.h"

#define CPUS    3
#define CLUSTER 128
/* Still plenty for the four shards of three CPUs when each has a cluster. */
#define SLOTS (8 * (CLUSTER + OM_SLOTS_FREED) + CPUS * CLUSTER)

/* Slots that the play holds. */
static struct {
	uint32_t slot[SLOTS];
	unsigned n;
} held[CPUS + 1]; /* the last: since the setup */

static void take(struct play *p, unsigned who, unsigned n)
{
	while (n) {
		uint32_t slot;
		unsigned got = om_slot_alloc(p->r->sys, n, &slot);

		rig_check(got);
		for (unsigned i = 0; i < got; i++)
			held[who].slot[held[who].n++] = slot + i;
		n -= got;
	}
}

static void give(struct play *p, unsigned who, unsigned n)
{
	while (n--)
		rig_equal(om_slot_put(p->r->sys, held[who].slot[--held[who].n]), 0);
}

static void on_cpu(struct play *p, unsigned cpu)
{
	sim_run_on(sim_cpu(p->r->sim, cpu));
}

/* ---------------------------------------------------------------- the last slots ------------ */

/* Each CPU has slots aside, and few are left for all. */
static void few_left(struct play *p)
{
	for (unsigned i = 0; i <= CPUS; i++)
		held[i].n = 0;
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		on_cpu(p, cpu);
		take(p, cpu, 12);
		give(p, cpu, 10);
	}
	on_cpu(p, 0);
	while (atomic_load(&p->r->sys->swap.free) > 30)
		take(p, CPUS, 1);
	p->seen[0] = om_swap_free(p->r->sys);
	rig_check(om_slots_listed(p->r->sys) > CLUSTER);
}

/* Figures are exact at rest, and nothing is left. */
static void give_all(struct play *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i <= CPUS; i++)
		n += held[i].n;
	rig_equal(om_swap_free(p->r->sys), SLOTS - n);
	for (unsigned i = 0; i <= CPUS; i++)
		give(p, i, held[i].n);
	rig_equal(om_swap_free(p->r->sys), SLOTS);
}

/* The last of the tasks puts all slots: om_verify(), which comes next, knows of no holder. */
static void end_task(struct play *p)
{
	if (++p->seen[1] == CPUS)
		give_all(p);
}

/* All but what the other tasks take. */
static void task_take_all(struct play *p)
{
	sim_run_on(sched_cpu(p));
	take(p, 0, (unsigned)p->seen[0] - 24);
	end_task(p);
}

static void task_take_and_give(struct play *p)
{
	sim_run_on(sched_cpu(p));
	for (unsigned i = 0; i < 3; i++) {
		take(p, 1, 12);
		give(p, 1, 12);
	}
	end_task(p);
}

static void task_take_some(struct play *p)
{
	sim_run_on(sched_cpu(p));
	take(p, 2, 6);
	give(p, 2, 6);
	take(p, 2, 12);
	end_task(p);
}

static void test_last_slots(void **state)
{
	(void)state;
	EXPLORE({.name = "last_slots",
	         .slots = SLOTS,
	         .setup = few_left,
	         .task = {task_take_all, task_take_and_give, task_take_some}});
}

/* ---------------------------------------------------------------- swapoff ------------------- */

/* A family whose pages are in swap; every CPU has slots aside. */
static void in_swap(struct play *p)
{
	few_left(p);
	give_all(p);
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
	p->child = rig_fork(p->r, p->mm, NULL);
	rig_check(om_slots_listed(p->r->sys));
}

/* Slots are shared, and those of the child given up. */
static void task_fork_and_exit(struct play *p)
{
	task_fork(p);
	rig_exit(p->r, p->child);
	p->child = NULL;
}

/* They are given up one after the other, by writing. */
static void task_write_all(struct play *p)
{
	for (unsigned i = 0; i < 8; i++) {
		enum om_fault_result r = rig_set(sched_cpu(p), p->mm, p->a + PAGES(i), 300 + i);

		rig_check(r == OM_FAULT_MINOR || r == OM_FAULT_MAJOR);
	}
}

static void check_contents(struct play *p)
{
	unsigned long tag;

	for (unsigned i = 0; i < 8; i++) {
		tag = get_tag(p, p->mm, p->a + PAGES(i));
		rig_check(tag == 100 + i || tag == 300 + i);
		if (p->other) {
			tag = get_tag(p, p->other, p->a + PAGES(i));
			rig_check(tag == 100 + i || tag == 300 + i);
		}
	}
}

static void test_slots_x_swapoff(void **state)
{
	(void)state;
	EXPLORE({.name = "slots_swapoff_fork",
	         .slots = SLOTS,
	         .setup = in_swap,
	         .task = {task_swapoff, task_fork_and_exit},
	         .check = check_contents},
	        {.name = "slots_swapoff_write",
	         .slots = SLOTS,
	         .setup = in_swap,
	         .task = {task_swapoff, task_fork_and_exit, task_write_all},
	         .check = check_contents},
	        {.name = "slots_pageout",
	         .slots = SLOTS,
	         .setup = in_swap,
	         .task = {task_pageout, task_fork_and_exit, task_write_all},
	         .check = check_contents});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_last_slots),
    cmocka_unit_test(test_slots_x_swapoff),
};
TESTS(slot_tests, list);
