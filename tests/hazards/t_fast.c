/*
 * t_fast.c: every two of what can meet when faults take no lock of the address space: faults in the
 * CPUs' parts of it (base/part.h), fork, munmap, mprotect, mremap, the move of a whole table,
 * reclaim, truncation, pins and exit; each with itself, too. Every single interruption is tried,
 * and of pairs as many as the budget allows.
 *
 * Each of the two calls plays on a CPU of its own, and all CPUs have a part of the address space
 * when it begins. An address space does not exit while its own threads use it: what exits is a
 * child that shares its pages, on a CPU whose part it takes over first (`exit`), or, beside calls
 * from outside, the address space itself (`end`).
 *
 * The oracle knows each word. A store that succeeded is found where its page is now, one that
 * failed had a reason, a call that has returned is obeyed by all later accesses, and a child has
 * its parent's words of one moment.
 */
#include "base/part.h"
#include "calls.h"
#include "hazards.h"
#include "rmap/rmap.h"

#include <string.h>

/* ---------------------------------------------------------------- what is played ------------ */

/* The pages, in the order of their addresses. */
enum place {
	OWN,     /* anonymous: nobody else has it */
	COMMON,  /* the children have it as well */
	SWAPPED, /* so, and is in swap */
	FRESH,   /* not touched yet */
	T_OWN,   /* the same, in a table that one area covers */
	T_COMMON,
	FILE_KEPT, /* of a file, shared */
	FILE_CUT,  /* so, and behind the end to be */
	COPY_CUT,  /* of that page of the file, a private copy */
	PLACES
};

#define TASKS    2u
#define NEAR     4u /* the first places, at the end of a table */
#define BIT(i)   (1u << (i))
#define FIRST    (HERE + SPAN - PAGES(NEAR))
#define TABLE    (HERE + SPAN)
#define THE_FILE (HERE + 2 * SPAN)
#define THE_END  (THE_FILE + PAGES(3))

/* Places that a call takes away from their address, or makes read-only. */
#define NEAR_ONES  (BIT(OWN) | BIT(COMMON) | BIT(SWAPPED) | BIT(FRESH))
#define TABLE_ONES (BIT(T_OWN) | BIT(T_COMMON))
#define CUT_ONES   (BIT(FILE_CUT) | BIT(COPY_CUT))
#define ALL_ONES   (BIT(PLACES) - 1)
#define ANON_ONES  (NEAR_ONES | TABLE_ONES)

enum { OUTSIDE = 1, ENDS = 2 }; /* does not use the address space; ends it */

struct op {
	const char *name;
	void (*fn)(struct play *p, unsigned t);
	unsigned removes, refuses, flags;
};

static struct {
	const struct op *op[TASKS];
	struct om_mm *child[TASKS], *made[TASKS]; /* born in the setup; by fork */
	unsigned removed, refused;                /* places: a call that has returned did this */
	uintptr_t moved[2];                       /* where the near ones are, and the table; or 0 */
	unsigned long stored[TASKS][PLACES];      /* each task's last word in a page */
	bool pinned[TASKS][PLACES];               /* a device has written there */
	/* What the child made by the first task had of the other one's words just then: made[][]. */
	unsigned long sample[TASKS][TASKS][PLACES];
} now;

#define ABSENT (~0ul)

static uintptr_t at(unsigned i)
{
	return i < NEAR        ? FIRST + PAGES(i)
	       : i < FILE_KEPT ? TABLE + PAGES(i - NEAR)
	                       : THE_FILE + PAGES(i - FILE_KEPT);
}

static uintptr_t moved_to(unsigned i)
{
	unsigned which = i >= NEAR;

	if (i >= FILE_KEPT || !now.moved[which])
		return 0;
	return now.moved[which] + at(i) - (which ? TABLE : FIRST);
}

static unsigned long tag_of(unsigned i)
{
	return i == FRESH ? 0 : i < FILE_KEPT ? 100 + i : i == FILE_KEPT ? 200 : 201;
}

/* In every page there is a word for each task, and one for each task's device. */
static uintptr_t word(unsigned t)
{
	return 64 * (t + 1);
}

static uintptr_t device_word(unsigned t)
{
	return 64 * (t + 1 + TASKS);
}

static unsigned may_be_removed(void)
{
	return now.op[0]->removes | now.op[1]->removes;
}

static unsigned may_be_refused(void)
{
	return now.op[0]->refuses | now.op[1]->refuses;
}

/* ---------------------------------------------------------------- the setup ----------------- */

/* The CPUs go through the address space in turn until each has a part of it. */
static void give_parts(struct play *p, struct om_mm *mm, unsigned turns)
{
	struct om_system *sys = p->r->sys;

	for (unsigned i = 0; i < turns; i++)
		om_part_leave(sys, om_part_enter(mm, &sys->shard[i % SCHED_TASKS]));
}

static void make_children(struct play *p)
{
	for (unsigned t = 0; t < TASKS; t++) {
		now.child[t] = rig_fork(p->r, p->mm, NULL);
		give_parts(p, now.child[t], SCHED_TASKS); /* its next fault gets one, anywhere */
	}
}

static void setup(struct play *p)
{
	const struct op *op[TASKS] = {now.op[0], now.op[1]};

	memset(&now, 0, sizeof(now));
	memcpy(now.op, op, sizeof(op));
	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, 2, 200);
	rig_map(p->r, p->mm, FIRST, NEAR, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_map(p->r, p->mm, TABLE, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_map(p->r, p->mm, at(FILE_KEPT), 2, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_map(p->r, p->mm, at(COPY_CUT), 1, RIG_RW, OM_MAP_PRIVATE, p->file, 1);
	for (unsigned i = 0; i < PLACES; i++)
		if (i != FRESH)
			rig_put(p->r, p->mm, at(i), 1, tag_of(i));
	rig_pageout(p->r, p->mm, at(SWAPPED), 1);
	make_children(p);
	/* Two pages to which all CPUs may store without asking, one of them not used lately. */
	play_warm(p, p->mm, at(OWN), 1, true);
	rig_ok(om_madvise(p->mm, FIRST, THE_END - FIRST, OM_MADV_COLD));
	play_warm(p, p->mm, at(T_OWN), 1, true);
	give_parts(p, p->mm, 3 * SCHED_TASKS);
	for (unsigned i = 0; i < SCHED_TASKS; i++)
		rig_check(atomic_load(&p->r->sys->shard[i].part.mm) == p->mm);
}

/* ---------------------------------------------------------------- the calls ----------------- */

/* Of an access that began when `removed` and `refused` had returned. True: it was made. */
static bool succeeded(unsigned i, enum om_fault_result result, unsigned removed, unsigned refused)
{
	bool may_be = may_be_removed() & BIT(i);

	if (result == OM_FAULT_MINOR) {
		rig_check(!(removed & BIT(i)));
		rig_check(!(refused & BIT(i)));
		return true;
	}
	if (result == OM_FAULT_ACCERR)
		rig_check(may_be_refused() & BIT(i));
	else
		rig_check(may_be && result == (BIT(i) & CUT_ONES ? OM_FAULT_BUS : OM_FAULT_MAPERR));
	return false;
}

static void store(struct play *p, unsigned i, unsigned t, unsigned long value)
{
	unsigned removed = now.removed, refused = now.refused;

	if (succeeded(i, set_word(p, p->mm, at(i) + word(t), value), removed, refused))
		now.stored[t][i] = value;
}

/* What the other one has stored last, up to now: nobody runs after the load. */
static void load(struct play *p, unsigned i, unsigned other)
{
	unsigned removed = now.removed;
	unsigned long found;

	if (succeeded(i, get_word(p, p->mm, at(i) + word(other), &found), removed, 0))
		rig_equal(found, now.stored[other][i]);
}

/* The second load, and the second round of stores, mostly go by the translations there are then. */
static void op_fault(struct play *p, unsigned t)
{
	for (unsigned long round = 1; round <= 2; round++)
		for (unsigned i = 0; i < PLACES; i++) {
			if (i == COMMON || i == FILE_CUT) {
				load(p, i, 1 - t);
				load(p, i, 1 - t);
			}
			store(p, i, t, round);
		}
}

static void op_fork(struct play *p, unsigned t)
{
	struct om_mm *child = rig_fork(p->r, p->mm, NULL);

	now.made[t] = child;
	for (unsigned u = 0; u < TASKS; u++)
		for (unsigned i = 0; i < FILE_KEPT; i++)
			if (get_word(p, child, at(i) + word(u), &now.sample[t][u][i]))
				now.sample[t][u][i] = ABSENT;
}

/* One call, from the middle of a table to the end of the next one. */
static void op_munmap(struct play *p, unsigned t)
{
	(void)t;
	rig_ok(om_munmap(p->mm, at(COMMON), THE_FILE - at(COMMON)));
	now.removed |= ANON_ONES & ~BIT(OWN);
}

static void op_mprotect(struct play *p, unsigned t)
{
	int err = om_mprotect(p->mm, FIRST, THE_END - FIRST, OM_PROT_READ);

	(void)t;
	if (err)
		rig_check(err == -OM_ENOMEM && (may_be_removed() & ANON_ONES));
	else
		now.refused = ALL_ONES;
}

static void move(struct play *p, unsigned which, uintptr_t from, size_t len, uintptr_t to)
{
	uintptr_t new;
	unsigned places = which ? TABLE_ONES : NEAR_ONES;
	int err = do_mremap(p->mm, from, len, len, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to, &new);

	if (err)
		rig_check(err == -OM_EFAULT && (now.removed & places));
	else
		now.moved[which] = new;
	now.removed |= places;
}

static void op_mremap(struct play *p, unsigned t)
{
	move(p, 0, FIRST, PAGES(NEAR), THERE + t * SPAN + PAGES(1));
}

static void op_table_move(struct play *p, unsigned t)
{
	move(p, 1, TABLE, SPAN, THERE + (4 + t) * SPAN);
}

static void op_reclaim(struct play *p, unsigned t)
{
	(void)t;
	om_reclaim_step(p->r->sys, 64);
}

static void op_truncate(struct play *p, unsigned t)
{
	(void)t;
	rig_ok(om_mapping_truncate(p->file, PAGES(1)));
	now.removed |= CUT_ONES;
}

/* A device stores to a page for which the program has pinned it. */
static void pin(struct play *p, unsigned i, unsigned t)
{
	unsigned removed = now.removed, refused = now.refused;
	unsigned char *page;
	om_pfn_t pfn;

	if (om_pin(p->mm, at(i), OM_WRITE, &pfn)) {
		rig_check((may_be_removed() | may_be_refused()) & BIT(i));
		return;
	}
	rig_check(!((removed | refused) & BIT(i)));
	sched_step();
	page = sim_frame(p->r->sim, pfn);
	rig_equal(rig_tag(page), tag_of(i));
	memcpy(page + device_word(t), &(unsigned long){1}, sizeof(long));
	now.pinned[t][i] = true;
	om_unpin(p->r->sys, pfn, true);
}

static void op_pin(struct play *p, unsigned t)
{
	pin(p, COMMON, t);
	pin(p, T_OWN, t);
	pin(p, SWAPPED, t);
}

/* Before it goes it takes the CPU's part over, and its own copy of a page. */
static void op_exit(struct play *p, unsigned t)
{
	struct om_mm *child = now.child[t];

	rig_equal(set_word(p, child, at(COMMON) + word(t), 900), OM_FAULT_MINOR);
	now.child[t] = NULL;
	rig_exit(p->r, child);
}

static void op_end(struct play *p, unsigned t)
{
	struct om_mm *mm = p->mm;

	(void)t;
	p->mm = NULL;
	rig_exit(p->r, mm);
}

static const struct op ops[] = {
    {"fault", op_fault, 0, 0, 0},
    {"fork", op_fork, 0, 0, 0},
    {"munmap", op_munmap, ANON_ONES & ~BIT(OWN), 0, 0},
    {"mprotect", op_mprotect, 0, ALL_ONES, 0},
    {"mremap", op_mremap, NEAR_ONES, 0, 0},
    {"table_move", op_table_move, TABLE_ONES, 0, 0},
    {"reclaim", op_reclaim, 0, 0, OUTSIDE},
    {"truncate", op_truncate, CUT_ONES, 0, OUTSIDE},
    {"pin", op_pin, 0, 0, 0},
    {"exit", op_exit, 0, 0, OUTSIDE},
    {"end", op_end, 0, 0, ENDS},
};
#define OPS (sizeof(ops) / sizeof(*ops))

/* ---------------------------------------------------------------- afterwards ---------------- */

static bool is_played(const char *name)
{
	return !strcmp(now.op[0]->name, name) || !strcmp(now.op[1]->name, name);
}

/* Unmapped, or truncated, and not just moved away. */
static bool is_gone(unsigned i)
{
	if (BIT(i) & CUT_ONES)
		return is_played("truncate");
	return is_played("munmap") && i != OWN && i < FILE_KEPT && !moved_to(i);
}

static void expect_word(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned long value)
{
	unsigned long found = ABSENT;

	rig_equal(get_word(p, mm, addr, &found), OM_FAULT_MINOR);
	rig_equal(found, value);
}

static void check_place(struct play *p, unsigned i)
{
	uintptr_t addr = moved_to(i) ? moved_to(i) : at(i);
	unsigned long tag;
	enum om_fault_result result = rig_get(sched_cpu(p), p->mm, addr, &tag);

	if (addr != at(i))
		rig_equal(rig_get(sched_cpu(p), p->mm, at(i), &tag), OM_FAULT_MAPERR);
	if (is_gone(i)) {
		rig_equal(result, BIT(i) & CUT_ONES ? OM_FAULT_BUS : OM_FAULT_MAPERR);
		return;
	}
	rig_equal(result, OM_FAULT_MINOR);
	expect_word(p, p->mm, addr, tag_of(i));
	for (unsigned t = 0; t < TASKS; t++) {
		expect_word(p, p->mm, addr + word(t), now.stored[t][i]);
		expect_word(p, p->mm, addr + device_word(t), now.pinned[t][i]);
	}
}

/* A relative of before: whatever the parent's threads have stored since is not for it. */
static void check_child(struct play *p, struct om_mm *mm)
{
	for (unsigned i = 0; i < FILE_KEPT; i++) {
		expect_word(p, mm, at(i), tag_of(i));
		for (unsigned t = 0; t < TASKS; t++) {
			expect_word(p, mm, at(i) + word(t), 0);
			expect_word(p, mm, at(i) + device_word(t), 0);
		}
	}
}

/*
 * A child of the play has what it had at first, and that was its parent's memory of one moment: a
 * thread that stores to one page after the other is at one place in its round.
 */
static void check_made(struct play *p, struct om_mm *mm, unsigned long sample[TASKS][PLACES])
{
	for (unsigned u = 0; u < TASKS; u++) {
		unsigned long before = ABSENT, first = ABSENT;

		for (unsigned i = 0; i < FILE_KEPT; i++) {
			unsigned long had = sample[u][i];

			if (had == ABSENT)
				continue;
			first = first == ABSENT ? had : first;
			rig_check(had <= before && had + 1 >= first);
			before = had;
			expect_word(p, mm, at(i), tag_of(i));
			expect_word(p, mm, at(i) + word(u), had);
		}
	}
}

static void check(struct play *p)
{
	for (unsigned i = 0; p->mm && i < PLACES; i++)
		check_place(p, i);
	for (unsigned t = 0; t < TASKS; t++) {
		if (now.child[t])
			check_child(p, now.child[t]);
		if (now.made[t])
			check_made(p, now.made[t], now.sample[t]);
	}
	if (now.moved[1])
		rig_check(rig_event(p->r, OM_EV_TABLE_MOVE) > 0 || !om_rmap_traits.moves_tables);
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

/* An address space ends when nobody uses it. */
static bool compatible(const struct op *a, const struct op *b)
{
	return !((a->flags | b->flags) & ENDS) || ((a->flags | b->flags) & OUTSIDE);
}

static void test_fast_faults_x_all(void **state)
{
	const unsigned long budget = sched_budget;

	(void)state;
	NEEDS(sched_possible());
	sched_budget *= 3;
	for (size_t a = 0; a < OPS; a++)
		for (size_t b = a; b < OPS; b++) {
			char name[64];
			struct scene scene = {.name = name,
			                      .even = true,
			                      .setup = setup,
			                      .task = {task_0, task_1},
			                      .check = check};

			if (!compatible(&ops[a], &ops[b]))
				continue;
			snprintf(name, sizeof(name), "fast_%s_x_%s", ops[a].name, ops[b].name);
			now.op[0] = &ops[a];
			now.op[1] = &ops[b];
			explore(&scene);
		}
	sched_budget = budget;
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_fast_faults_x_all),
};
TESTS(fast_tests, list);
