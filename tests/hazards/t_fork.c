/*
 * t_fork.c: fork while others work: rows 79-81. Threads of the parent write, read swap ahead, hold
 * pins and fork as well, and memory may run out half way.
 */
#include "hazards.h"

#include "fail.h"

/* ---------------------------------------------------------------- 79: read-ahead ------------ */

static void swapped(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
}

static void swapped_family(struct play *p)
{
	play_family(p, 8);
	rig_reclaim(p->r);
	rig_equal(rig_info(p->child, p->a).kind, OM_PAGE_SWAP);
}

static void task_read_two(struct play *p)
{
	rig_equal(get_tag(p, p->mm, p->a + PAGES(2)), 102);
	rig_equal(get_tag(p, p->mm, p->a + PAGES(5)), 105);
}

/* The slots of the neighbours that are read ahead are given up. */
static void task_drop_end(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a + PAGES(6), PAGES(2)));
	p->flag[0] = true;
}

static void task_write_two(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->child, p->a + PAGES(2), 902), OM_FAULT_MINOR);
	rig_equal(rig_set(sched_cpu(p), p->child, p->a + PAGES(3), 903), OM_FAULT_MINOR);
}

/*
 * Everybody has what is his, and when all have gone no slot is held. Where two looked at a page of
 * the swap cache at once, each left it to the other, or to reclaim.
 */
static void check_read_ahead(struct play *p)
{
	struct om_sysinfo info;

	rig_expect(p->r, p->mm, p->a, 6, 100);
	rig_expect(p->r, p->other, p->a, 6, 100);
	if (!p->flag[0])
		rig_expect(p->r, p->mm, p->a + PAGES(6), 2, 106);
	if (p->child)
		rig_expect(p->r, p->child, p->a + PAGES(2), 2, 902);
	rig_put(p->r, p->other, p->a, 6, 400);
	rig_expect(p->r, p->mm, p->a, 6, 100);
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (p->r->mm[i])
			rig_exit(p->r, p->r->mm[i]);
	rig_reclaim(p->r);
	om_sysinfo(p->r->sys, &info);
	rig_equal(info.swap_cached, 0);
	rig_equal(info.swap_free, info.swap_slots);
}

static void test_h79_read_ahead_x_fork(void **state)
{
	(void)state;
	EXPLORE({.name = "h79",
	         .cluster = 3,
	         .setup = swapped,
	         .task = {task_fork, task_read_two},
	         .check = check_read_ahead},
	        {.name = "h79_unmap",
	         .cluster = 3,
	         .setup = swapped,
	         .task = {task_fork, task_read_two, task_drop_end},
	         .check = check_read_ahead},
	        {.name = "h79_reclaim",
	         .cluster = 3,
	         .setup = swapped,
	         .task = {task_fork, task_read_two, task_pageout},
	         .check = check_read_ahead},
	        {.name = "h79_family",
	         .cluster = 3,
	         .setup = swapped_family,
	         .task = {task_fork, task_read_two, task_write_two},
	         .check = check_read_ahead});
}

/* ---------------------------------------------------------------- 80: generations ----------- */

#define GENERATIONS 5ul
#define WRITERS     2u

/* Writer n's word in page i: both write to the same pages. */
static uintptr_t word_at(const struct play *p, unsigned n, unsigned i)
{
	return p->a + PAGES(i) + 64 * (n + 1);
}

/* All CPUs may write to the pages without asking. */
static void warm_words(struct play *p)
{
	play_anon(p, 2);
	for (unsigned n = 0; n < WRITERS; n++)
		for (unsigned i = 0; i < 2; i++)
			rig_equal(set_word(p, p->mm, word_at(p, n, i), 0), OM_FAULT_MINOR);
	play_warm(p, p->mm, p->a, 2, true);
}

/* Page 0 first. A writer's word always holds what it wrote last. */
static void write_generations(struct play *p, unsigned n)
{
	for (unsigned long g = 1; g <= GENERATIONS; g++)
		for (unsigned i = 0; i < 2; i++) {
			unsigned long word;

			rig_equal(get_word(p, p->mm, word_at(p, n, i), &word), OM_FAULT_MINOR);
			rig_equal(word, g - 1);
			rig_equal(set_word(p, p->mm, word_at(p, n, i), g), OM_FAULT_MINOR);
		}
}

static void task_writer0(struct play *p)
{
	write_generations(p, 0);
}

static void task_writer1(struct play *p)
{
	write_generations(p, 1);
}

static void look(struct play *p, unsigned long seen[2 * WRITERS])
{
	for (unsigned n = 0; n < WRITERS; n++)
		for (unsigned i = 0; i < 2; i++)
			rig_equal(get_word(p, p->other, word_at(p, n, i), &seen[2 * n + i]),
			          OM_FAULT_MINOR);
}

/* The child has a moment of each writer: page 1 is never ahead, nor behind by more than one. */
static void task_fork_and_look(struct play *p)
{
	task_fork(p);
	look(p, p->seen);
	for (unsigned n = 0; n < WRITERS; n++) {
		unsigned long *seen = &p->seen[2 * n];

		rig_check(seen[0] == seen[1] || seen[0] == seen[1] + 1);
	}
}

/* And it stays at that moment, while none of what the parent's threads wrote is lost. */
static void check_generations(struct play *p)
{
	unsigned long again[2 * WRITERS], word;

	look(p, again);
	for (unsigned n = 0; n < WRITERS; n++)
		for (unsigned i = 0; i < 2; i++) {
			rig_equal(again[2 * n + i], p->seen[2 * n + i]);
			rig_equal(get_word(p, p->mm, word_at(p, n, i), &word), OM_FAULT_MINOR);
			rig_equal(word, GENERATIONS);
		}
}

/* One page. The second writer may write without asking, the first one has to fault. */
static void warm_for_one(struct play *p)
{
	play_anon(p, 1);
	rig_equal(set_word(p, p->mm, word_at(p, 0, 0), 0), OM_FAULT_MINOR);
	rig_equal(set_word(p, p->mm, word_at(p, 1, 0), 0), OM_FAULT_MINOR);
	sim_tlb_flush(sim_cpu(p->r->sim, 0));
	rig_equal(rig_set(sim_cpu(p->r->sim, 2), p->mm, p->a, 100), OM_FAULT_MINOR);
}

static void task_store_once(struct play *p)
{
	rig_equal(set_word(p, p->mm, word_at(p, 0, 0), 1), OM_FAULT_MINOR);
}

static void task_store_twice(struct play *p)
{
	rig_equal(set_word(p, p->mm, word_at(p, 1, 0), 1), OM_FAULT_MINOR);
	rig_equal(set_word(p, p->mm, word_at(p, 1, 0), 2), OM_FAULT_MINOR);
}

/* No store has gone to the page that the child keeps while a copy was made for the parent. */
static void check_none_lost(struct play *p)
{
	unsigned long word;

	for (unsigned n = 0; n < WRITERS; n++) {
		rig_equal(get_word(p, p->mm, word_at(p, n, 0), &word), OM_FAULT_MINOR);
		rig_equal(word, n + 1);
	}
}

static void test_h80_fork_x_generations(void **state)
{
	(void)state;
	EXPLORE({.name = "h80",
	         .setup = warm_words,
	         .task = {task_fork_and_look, task_writer0, task_writer1},
	         .check = check_generations},
	        {.name = "h80_lost",
	         .all_pairs = true,
	         .setup = warm_for_one,
	         .task = {task_fork, task_store_once, task_store_twice},
	         .check = check_none_lost});
}

/* ---------------------------------------------------------------- 81: forks, a pin, failures - */

static struct {
	unsigned long k;
	bool forever;
	unsigned long asked; /* if none fails */
} failing;

/* A device has pinned the first page; the child was forked before. */
static void pinned_family(struct play *p)
{
	play_family(p, 4);
	rig_ok(rig_pin(p->r, p->mm, p->a, OM_WRITE, &p->pfn));
	rig_equal(rig_tag(sim_frame(p->r->sim, p->pfn)), 100);
	sim_fail_arm(p->r->sys, failing.k, failing.forever);
}

static void fork_perhaps(struct play *p, struct om_mm *mm)
{
	int err;

	(void)rig_fork(p->r, mm, &err);
	rig_check(!err || err == -OM_ENOMEM);
}

static void task_forks(struct play *p)
{
	fork_perhaps(p, p->mm);
	fork_perhaps(p, p->mm);
}

static void task_child_forks(struct play *p)
{
	fork_perhaps(p, p->child);
	fork_perhaps(p, p->mm);
}

/* The device writes; another page is pinned for a while, if there is a frame to part with it. */
static void task_device(struct play *p)
{
	om_pfn_t pfn;
	int err;

	rig_set_tag(sim_frame(p->r->sim, p->pfn), 900);
	sched_step();
	err = om_pin(p->mm, p->a + PAGES(1), OM_WRITE, &pfn);
	rig_check(!err || err == -OM_ENOMEM);
	if (err)
		return;
	sched_step();
	rig_equal(rig_info(p->mm, p->a + PAGES(1)).value, pfn);
	om_unpin(p->r->sys, pfn, true);
}

/* Each child has its own copy of the pinned page, from before or after the device wrote. */
static void check_relative(struct play *p, struct om_mm *mm)
{
	unsigned long tag = get_tag(p, mm, p->a);

	rig_check(tag == 100 || (tag == 900 && mm != p->child));
	rig_check(rig_info(mm, p->a).value != p->pfn);
	rig_expect(p->r, mm, p->a + PAGES(1), 3, 101);
}

static void check_pinned(struct play *p)
{
	unsigned long asked = sim_fail_disarm();

	if (!failing.k && asked > failing.asked)
		failing.asked = asked;
	rig_equal(rig_info(p->mm, p->a).value, p->pfn);
	rig_equal(get_tag(p, p->mm, p->a), 900);
	rig_expect(p->r, p->mm, p->a + PAGES(1), 3, 101);
	rig_set_tag(sim_frame(p->r->sim, p->pfn), 950);
	rig_equal(get_tag(p, p->mm, p->a), 950);
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (p->r->mm[i] && p->r->mm[i] != p->mm)
			check_relative(p, p->r->mm[i]);
	rig_put(p->r, p->mm, p->a, 4, 700);
	rig_equal(rig_tag(sim_frame(p->r->sim, p->pfn)), 700);
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (p->r->mm[i] && p->r->mm[i] != p->mm)
			check_relative(p, p->r->mm[i]);
}

/* Every frame that the forks ask for fails once, alone, and with all that come after it. */
static void test_h81_forks_x_pin(void **state)
{
	const unsigned long budget = sched_budget;

	(void)state;
	NEEDS(sched_possible());
	sched_budget = budget / 30 + 1;
	for (unsigned forever = 0; forever < 2; forever++) {
		failing.asked = 0;
		failing.forever = forever;
		for (failing.k = 0; failing.k <= failing.asked; failing.k++) {
			char name[32];
			struct scene scene = {.name = name,
			                      .setup = pinned_family,
			                      .task = {task_forks, task_child_forks, task_device},
			                      .check = check_pinned};

			snprintf(name, sizeof(name), "h81_%lu%s", failing.k,
			         forever ? "_forever" : "");
			explore(&scene);
		}
	}
	sched_budget = budget;
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h79_read_ahead_x_fork),
    cmocka_unit_test(test_h80_fork_x_generations),
    cmocka_unit_test(test_h81_forks_x_pin),
};
TESTS(fork_tests, list);
