/*
 * t_frames.c: the last free frames, which may be in any CPU's cache: three CPUs ask for what there
 * is, and may be interrupted at every lock on a frame's way from one cache to another.
 */
#include "base/types.h"
#include "hazards.h"
#include "page/frame_cache.h"

#define FRAMES 1040 /* so few have caches, with three CPUs */
#define CPUS   3

/* Frames that the play holds. */
static struct {
	om_pfn_t pfn[FRAMES];
	unsigned n;
} held[CPUS + 1]; /* the last: since the setup */

static void take(struct play *p, unsigned who, unsigned n)
{
	while (n--)
		rig_equal(om_frame_alloc(p->r->sys, &held[who].pfn[held[who].n++]), 0);
}

static void give(struct play *p, unsigned who, unsigned n)
{
	while (n--)
		om_frame_free(p->r->sys, held[who].pfn[--held[who].n]);
}

static om_pfn_t cached(struct play *p, unsigned cpu)
{
	struct om_frame_cache *c = &p->r->sys->shard[cpu].cache;

	return atomic_load(&c->list.n) + atomic_load(&c->spare_n);
}

/*
 * Two caches are full, that of CPU 1 is empty, and the machine has too few to fill one: who asks on
 * CPU 1 is going to end caching.
 */
static void setup(struct play *p)
{
	for (unsigned i = 0; i <= CPUS; i++)
		held[i].n = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		unsigned cpu = (i + 2) % CPUS; /* 1 comes last */

		sim_run_on(sim_cpu(p->r->sim, cpu));
		take(p, cpu, 2 * OM_BUNDLE);
		give(p, cpu, 2 * OM_BUNDLE);
	}
	while (om_frames_at_hand(p->r->sys) >=
	       OM_BUNDLE * 5 / 4 + atomic_load(&p->r->sys->free.low))
		take(p, CPUS, 1);
	while (cached(p, 1))
		take(p, CPUS, 1);
	rig_equal(atomic_load(&p->r->sys->nr_open), CPUS);
	rig_check(atomic_load(&p->r->sys->caching));
	p->seen[0] = om_free_frames(p->r->sys);
}

/* All but what the other tasks take. */
static void task_take_all(struct play *p)
{
	sim_run_on(sched_cpu(p));
	take(p, 0, (unsigned)p->seen[0] - 24);
}

static void task_take_and_give(struct play *p)
{
	sim_run_on(sched_cpu(p));
	for (unsigned i = 0; i < 3; i++) {
		take(p, 1, 12);
		give(p, 1, 12);
	}
}

static void task_take_some(struct play *p)
{
	sim_run_on(sched_cpu(p));
	take(p, 2, 6);
	give(p, 2, 6);
	take(p, 2, 12);
}

/* There was a frame for each request: none has had to reclaim, let alone failed. */
static void check(struct play *p)
{
	rig_equal(rig_event(p->r, OM_EV_ALLOCSTALL), 0);
	for (unsigned i = 0; i <= CPUS; i++)
		give(p, i, held[i].n);
}

static void test_last_frames(void **state)
{
	(void)state;
	EXPLORE({.name = "last_frames",
	         .frames = FRAMES,
	         .slots = 1,
	         .setup = setup,
	         .task = {task_take_all, task_take_and_give, task_take_some},
	         .check = check});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_last_frames),
};
TESTS(frame_tests, list);
