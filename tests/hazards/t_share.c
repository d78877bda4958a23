/*
 * t_share.c: leaf tables that fork has given to the child as they are (I13): rows 13, 91 to 93,
 * and what the reviewers of shared page tables for Linux feared. Every operation of an owner is
 * played against every one of another owner's, of another thread of the same owner's, and of
 * nobody's: what each owner reads afterwards is what it had, changed by its own operations alone.
 */
#include "hazards.h"

#include "base/types.h"
#include "rmap/rmap.h"

#include <stdio.h>
#include <string.h>

#define IN_USE 8u /* pages of the table */
#define GONE   (~0ul - 1)
#define EITHER (1ul << 40) /* beside the tag: or zeros */

/* What an owner has: tags by page, and where. */
struct view {
	struct om_mm *mm;
	unsigned long tag[IN_USE];
	uintptr_t at[IN_USE];
};

struct op {
	const char *name;
	void (*fn)(struct play *p, unsigned t);
	bool threads; /* two threads of one owner may do this, and any other such */
};

static struct {
	const struct op *op[2];
	bool threads;        /* both tasks are the parent's */
	om_pfn_t frames;     /* of the machine; 0: as usual */
	struct view view[2]; /* the parent's, the child's */
	struct view made[2]; /* by a fork of task 0, 1 */
} now;

static struct view *mine(unsigned t)
{
	return &now.view[now.threads ? 0 : t];
}

static uintptr_t place(unsigned i)
{
	return HERE + PAGES(i);
}

/* ---------------------------------------------------------------- operations ---------------- */

static void op_write(struct play *p, unsigned t)
{
	rig_equal(rig_set(sched_cpu(p), mine(t)->mm, mine(t)->at[1], 900), OM_FAULT_MINOR);
	mine(t)->tag[1] = 900;
}

static void op_read(struct play *p, unsigned t)
{
	rig_equal(get_tag(p, mine(t)->mm, place(0)), 100);
}

/* A page that was never touched: zeros, for this owner alone. */
static void op_zero(struct play *p, unsigned t)
{
	unsigned long word = 1;

	rig_equal(get_word(p, mine(t)->mm, place(20), &word), OM_FAULT_MINOR);
	rig_equal(word, 0);
}

static void op_fork(struct play *p, unsigned t)
{
	struct view v = *mine(t);

	v.mm = rig_fork(p->r, v.mm, NULL);
	now.made[t] = v;
}

static void op_exit(struct play *p, unsigned t)
{
	struct om_mm *mm = mine(t)->mm;

	mine(t)->mm = NULL;
	rig_exit(p->r, mm);
}

static void op_unmap_part(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_munmap(mine(t)->mm, place(2), PAGES(1)));
	mine(t)->tag[2] = GONE;
}

static void op_unmap_end(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_munmap(mine(t)->mm, place(0), PAGES(1)));
	mine(t)->tag[0] = GONE;
}

static void op_unmap_all(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_munmap(mine(t)->mm, HERE, SPAN));
	for (unsigned i = 0; i < IN_USE; i++)
		mine(t)->tag[i] = GONE;
}

static void op_protect(struct play *p, unsigned t)
{
	rig_ok(om_mprotect(mine(t)->mm, place(3), PAGES(1), OM_PROT_READ));
	rig_equal(rig_set(sched_cpu(p), mine(t)->mm, place(3), 903), OM_FAULT_ACCERR);
}

static void move(unsigned t, unsigned first, unsigned n, size_t bytes)
{
	struct om_remap_request r = {.old_addr = place(first),
	                             .old_len = bytes,
	                             .new_len = bytes,
	                             .flags = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                             .new_addr = THERE};

	rig_ok(om_mremap(mine(t)->mm, &r));
	for (unsigned i = 0; i < n; i++)
		mine(t)->at[first + i] = THERE + PAGES(i);
}

static void op_move_all(struct play *p, unsigned t)
{
	(void)p;
	move(t, 0, IN_USE, SPAN);
}

static void op_move_part(struct play *p, unsigned t)
{
	(void)p;
	move(t, 4, 1, PAGES(1));
}

static void op_discard_part(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_madvise(mine(t)->mm, place(5), PAGES(1), OM_MADV_DONTNEED));
	mine(t)->tag[5] = 0;
}

static void op_discard_all(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_madvise(mine(t)->mm, HERE, SPAN, OM_MADV_DONTNEED));
	for (unsigned i = 0; i < IN_USE; i++)
		mine(t)->tag[i] = 0;
}

/* All of it comes anew: by one fault, where the tables are folded. */
static void op_refill(struct play *p, unsigned t)
{
	op_discard_all(p, t);
	op_write(p, t);
}

static void op_free(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_madvise(mine(t)->mm, place(6), PAGES(1), OM_MADV_FREE));
	mine(t)->tag[6] |= EITHER;
}

static void op_lock(struct play *p, unsigned t)
{
	(void)p;
	rig_ok(om_mlock(mine(t)->mm, HERE, PAGES(IN_USE), 0));
	rig_ok(om_munlock(mine(t)->mm, HERE, PAGES(IN_USE)));
}

static void op_pin(struct play *p, unsigned t)
{
	om_pfn_t pfn;

	rig_ok(rig_pin(p->r, mine(t)->mm, place(7), OM_WRITE, &pfn));
	rig_set_tag(sim_frame(p->r->sim, pfn), 907);
	rig_unpin(p->r, pfn, true);
	mine(t)->tag[7] = 907;
}

static void op_reclaim(struct play *p, unsigned t)
{
	(void)t;
	task_reclaim(p);
}

static void op_swapoff(struct play *p, unsigned t)
{
	(void)t;
	if (p->r->swap[0].on)
		(void)rig_swapoff(p->r, 0);
}

static const struct op ops[] = {
    {"write", op_write, true},
    {"read", op_read, true},
    {"zero", op_zero, true},
    {"fork", op_fork, true},
    {"exit", op_exit, false},
    {"unmap_part", op_unmap_part, true},
    {"unmap_end", op_unmap_end, false},
    {"unmap_all", op_unmap_all, false},
    {"protect", op_protect, true},
    {"move_all", op_move_all, false},
    {"move_part", op_move_part, false},
    {"discard_part", op_discard_part, true},
    {"discard_all", op_discard_all, false},
    {"refill", op_refill, false},
    {"free", op_free, true},
    {"lock", op_lock, false},
    {"pin", op_pin, true},
    {"reclaim", op_reclaim, true},
    {"swapoff", op_swapoff, false},
};
#define OPS (sizeof(ops) / sizeof(*ops))

/* ---------------------------------------------------------------- before and after ---------- */

static bool are_shared(void)
{
	return rig_is_default() && OM_READ_ONLY_TABLES;
}

static void look(struct view *v, struct om_mm *mm)
{
	v->mm = mm;
	for (unsigned i = 0; i < IN_USE; i++) {
		v->tag[i] = 100 + i;
		v->at[i] = place(i);
	}
}

static void setup_memory(struct play *p, bool big)
{
	memset(&now.made, 0, sizeof(now.made));
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	if (big)
		rig_ok(om_madvise(p->mm, p->a, SPAN, OM_MADV_HUGEPAGE));
	rig_put(p->r, p->mm, p->a, IN_USE, 100);
	rig_equal(rig_event(p->r, OM_EV_TABLE_FOLD), big);
	play_warm(p, p->mm, p->a, IN_USE, true);
}

/* p->other is an idle owner, whose entries are nobody's business but its own. */
static void setup_owners(struct play *p)
{
	p->child = rig_fork(p->r, p->mm, NULL);
	p->other = rig_fork(p->r, p->child, NULL);
	rig_equal(rig_event(p->r, OM_EV_TABLE_SHARE), are_shared() ? 2 : 0);
	rig_equal(rig_info(p->child, place(0)).kind, OM_PAGE_SHARED);
	rig_equal(rig_info(p->child, place(0)).mapcount, 3);
	rig_equal(om_mm_rss(p->child), om_mm_rss(p->mm));
	look(&now.view[0], p->mm);
	look(&now.view[1], p->child);
}

static void setup(struct play *p)
{
	setup_memory(p, false);
	setup_owners(p);
}

/* The table is folded (I14), and has three owners; or one. */
static void setup_folded(struct play *p)
{
	setup_memory(p, true);
	setup_owners(p);
	rig_equal(rig_event(p->r, OM_EV_TABLE_UNFOLD), 0);
}

static void setup_folded_alone(struct play *p)
{
	setup_memory(p, true);
	look(&now.view[0], p->mm);
	look(&now.view[1], NULL);
}

/* The pages of the table are in swap. */
static void setup_swapped(struct play *p)
{
	setup(p);
	for (unsigned i = 0; i < 4; i++)
		rig_reclaim(p->r);
	rig_equal(rig_info(p->child, place(0)).kind, OM_PAGE_SWAP);
	rig_equal(rig_event(p->r, OM_EV_TABLE_UNSHARE), 0);
}

/* Two owners only. */
static void setup_pair(struct play *p)
{
	setup(p);
	rig_exit(p->r, p->other);
	p->other = NULL;
}

/* A relative made while a thread of its parent changed a page has it as before, or as after. */
static bool is_right(unsigned long tag, unsigned long want, unsigned i, bool loose)
{
	if (tag == (want & ~EITHER) || (loose && tag == 100 + i))
		return true;
	return (want & EITHER || loose) && (tag == 0 || tag == 900 + i || tag == 900);
}

static void check_view(struct play *p, const struct view *v, bool loose)
{
	for (unsigned i = 0; v->mm && i < IN_USE; i++) {
		unsigned long tag = GONE;
		enum om_fault_result r = rig_get(sched_cpu(p), v->mm, v->at[i], &tag);

		if (loose && r == OM_FAULT_MAPERR)
			continue;
		rig_equal(r, v->tag[i] == GONE ? OM_FAULT_MAPERR : OM_FAULT_MINOR);
		if (r == OM_FAULT_MINOR && !is_right(tag, v->tag[i], i, loose))
			rig_equal(tag, v->tag[i]);
	}
}

/* Everybody writes to everything at last, and nobody sees another one's. */
static void write_all(struct play *p, const struct view *v, unsigned long tag)
{
	for (unsigned i = 0; v->mm && i < IN_USE; i++) {
		if (v->tag[i] == GONE || rig_set(sched_cpu(p), v->mm, v->at[i], tag + i))
			continue;
		rig_equal(get_tag(p, v->mm, v->at[i]), tag + i);
	}
}

static void check(struct play *p)
{
	struct view other;

	for (unsigned t = 0; t < 2; t++) {
		check_view(p, &now.view[t], false);
		check_view(p, &now.made[t], now.threads);
		write_all(p, &now.view[t], 1000 + 100 * t);
	}
	look(&other, p->other); /* NULL: there is none */
	check_view(p, &other, false);
	for (unsigned t = 0; t < 2; t++)
		check_view(p, &now.made[t], now.threads);
}

/* ---------------------------------------------------------------- every two ----------------- */

static void play_op(struct play *p, unsigned t)
{
	sim_run_on(sched_cpu(p));
	sched_step();
	now.op[t]->fn(p, t);
}

static void task_0(struct play *p)
{
	play_op(p, 0);
}

static void task_1(struct play *p)
{
	play_op(p, 1);
}

static void play_pairs(const char *kind, void (*before)(struct play *p), bool threads)
{
	now.threads = threads;
	for (size_t a = 0; a < OPS; a++)
		for (size_t b = threads ? a : 0; b < OPS; b++) {
			char name[64];
			struct scene scene = {.name = name,
			                      .frames = now.frames,
			                      .even = true,
			                      .setup = before,
			                      .task = {task_0, task_1},
			                      .check = check};

			if (threads && !(ops[a].threads && ops[b].threads))
				continue;
			snprintf(name, sizeof(name), "share_%s_%s_x_%s", kind, ops[a].name,
			         ops[b].name);
			now.op[0] = &ops[a];
			now.op[1] = &ops[b];
			explore(&scene);
		}
}

static void play_all(const char *kind, void (*before)(struct play *p), bool threads)
{
	const unsigned long budget = sched_budget;

	NEEDS(sched_possible());
	sched_budget = sched_budget / 40 + 1;
	play_pairs(kind, before, threads);
	sched_budget = budget;
}

static void test_owner_x_owner(void **state)
{
	(void)state;
	play_all("owners", setup, false);
}

static void test_last_two_owners(void **state)
{
	(void)state;
	play_all("pair", setup_pair, false);
}

static void test_owner_x_owner_swapped(void **state)
{
	(void)state;
	play_all("swapped", setup_swapped, false);
}

static void test_threads_of_an_owner(void **state)
{
	(void)state;
	play_all("threads", setup, true);
}

static void play_folded(const char *kind, void (*before)(struct play *p), bool threads)
{
	NEEDS(OM_BIG_ENTRIES && om_rmap_traits.folds_tables);
	now.frames = 3 * SPAN / RIG_PAGE;
	play_all(kind, before, threads);
	now.frames = 0;
}

static void test_owners_of_a_folded_table(void **state)
{
	(void)state;
	play_folded("folded", setup_folded, false);
}

static void test_threads_of_a_folded_table(void **state)
{
	(void)state;
	play_folded("folded_threads", setup_folded_alone, true);
}

/* ---------------------------------------------------------------- all of a folded table ----- */

static void task_discard(struct play *p)
{
	rig_ok(om_madvise(p->mm, HERE, SPAN, OM_MADV_DONTNEED));
}

/* Another thread reads and writes there, and perhaps brings all of it anew. */
static void task_use(struct play *p)
{
	unsigned long word = 1;

	rig_equal(get_word(p, p->mm, place(3), &word), OM_FAULT_MINOR);
	rig_check(word == 103 || word == 0);
	sched_step();
	rig_equal(rig_set(sched_cpu(p), p->mm, place(4), 904), OM_FAULT_MINOR);
	sched_step();
	word = get_tag(p, p->mm, place(5));
	rig_check(word == 105 || word == 0);
}

static void check_discarded(struct play *p)
{
	unsigned long word = get_tag(p, p->mm, place(4));

	rig_equal(get_tag(p, p->mm, place(0)), 0);
	rig_equal(get_tag(p, p->mm, place(5)), 0);
	rig_check(word == 904 || word == 0);
}

static void test_discard_of_a_folded_table(void **state)
{
	const om_pfn_t frames = 3 * SPAN / RIG_PAGE;

	(void)state;
	NEEDS(OM_BIG_ENTRIES && om_rmap_traits.folds_tables);
	EXPLORE({.name = "fold_discard_x_use",
	         .frames = frames,
	         .setup = setup_folded_alone,
	         .task = {task_discard, task_use},
	         .check = check_discarded},
	        {.name = "fold_discard_x_use_x_reclaim",
	         .frames = frames,
	         .setup = setup_folded_alone,
	         .task = {task_discard, task_use, task_reclaim},
	         .check = check_discarded},
	        {.name = "fold_discard_twice",
	         .frames = frames,
	         .setup = setup_folded_alone,
	         .task = {task_discard, task_discard, task_use},
	         .check = check_discarded});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_owner_x_owner),
    cmocka_unit_test(test_last_two_owners),
    cmocka_unit_test(test_owner_x_owner_swapped),
    cmocka_unit_test(test_threads_of_an_owner),
    cmocka_unit_test(test_owners_of_a_folded_table),
    cmocka_unit_test(test_threads_of_a_folded_table),
    cmocka_unit_test(test_discard_of_a_folded_table),
};
TESTS(share_tests, list);
