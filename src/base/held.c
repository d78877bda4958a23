/*
 * held.c: the record of the locks that a thread holds, in debug builds.
 *
 * The port keeps one for each thread of execution (`held` in port.h). Every lock is noted in it
 * before it is taken and until it is released, so a wrong order is reported by whoever is about to
 * take the lock, deadlock or not.
 *
 * The record also measures for how long spinning locks are held: in steps of work (om_work()),
 * which are the same on every machine, however busy it is. A lock that is held too long is
 * reported where the step was made that was one too many. If several are, it is the one with the
 * most steps beyond what it may have.
 */
#include <objrmap/objrmap.h>

#include "base/hooks.h"
#include "base/lock.h"

#define HELD_MAX (sizeof(((struct om_held *)0)->entry) / sizeof(((struct om_held *)0)->entry[0]))

/*
 * How many steps a lock of each rank may be held. A step costs a cache miss at worst, 0.1 us: so
 * nobody spins for more than 0.4 ms for one who holds a lock. Work done under a lock that is taken
 * inside counts for those outside of it, too. docs/design.md says where the figures come from.
 */
/* Of a table, as machines have them: those of tests may be small. */
#define ENTRIES (1u << (OM_TABLE_SHIFT < 9 ? 9 : OM_TABLE_SHIFT))

static const uint32_t steps_max[OM_NR_RANKS] = {
    /* 64 looks, each found again from the root of the tree; or the entries of a table move. */
    [OM_RANK_MAPPING] = 8 * ENTRIES,
    [OM_RANK_ANON] = 8 * ENTRIES,
    /* Each entry of two tables, and the swap slot in it; and 16 pages that fork copies. */
    [OM_RANK_TABLE] = 4 * ENTRIES + 16 * OM_WORK_PAGE,
    [OM_RANK_TABLE2] = 4 * ENTRIES + 16 * OM_WORK_PAGE,
    [OM_RANK_FRAME] = 64, /* a page that leaves its slot: those that this CPU has freed go, too */
    /* A search looks into two frames of a device's table, which have a slot for each 8 bytes. */
    [OM_RANK_SLOTS] = 8 * ENTRIES,
    [OM_RANK_SWAP] = 8 * ENTRIES,
    [OM_RANK_SLAB] = 16,
    [OM_RANK_LIST] = 64, /* objects whose last reference is gone, and that have not left yet */
    /* Frames are sorted and linked; or each CPU's cache is switched: frame_cache.c. */
    [OM_RANK_CACHE] = 192 + OM_CPUS_MAX,
    [OM_RANK_FREE] = 96 + OM_CPUS_MAX,
    [OM_RANK_SUM] = OM_CPUS_MAX, /* each part of an address space is added up */
    [OM_RANK_SLEEP] = 1024,      /* locks on which somebody sleeps, of one queue */
};

static struct om_held *held_record(struct om_system *sys)
{
	const struct om_hooks *h = om_hooks(sys);

	return OM_DEBUG && h->ops->held ? h->ops->held(h->ctx) : NULL;
}

void om_held_push(struct om_system *sys, const void *lock, enum om_rank rank, bool ordered)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	OM_BUG_ON(sys, held->depth >= HELD_MAX, "lock rank", lock, rank, held->depth);
	for (unsigned i = 0; i < held->depth; i++) {
		unsigned other = held->entry[i].rank;

		OM_BUG_ON(sys, held->entry[i].lock == lock, "lock rank", lock, rank, other);
		OM_BUG_ON(sys, ordered && other >= rank, "lock rank", lock, rank, other);
	}
	held->entry[held->depth].lock = lock;
	held->entry[held->depth].rank = (uint8_t)rank;
	held->entry[held->depth].steps = 0;
	held->depth++;
}

void om_held_pop(struct om_system *sys, const void *lock)
{
	struct om_held *held = held_record(sys);
	unsigned i;

	if (!held)
		return;
	for (i = held->depth; i > 0 && held->entry[i - 1].lock != lock; i--)
		;
	OM_BUG_ON(sys, i == 0, "lock not held", lock, held->depth, 0);
	for (; i < held->depth; i++)
		held->entry[i - 1] = held->entry[i];
	held->depth--;
}

bool om_held(struct om_system *sys, const void *lock)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return true;
	for (unsigned i = 0; i < held->depth; i++)
		if (held->entry[i].lock == lock)
			return true;
	return false;
}

void om_assert_may_sleep(struct om_system *sys)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	for (unsigned i = 0; i < held->depth; i++) {
		unsigned rank = held->entry[i].rank;

		OM_BUG_ON(sys, rank >= OM_RANK_ATOMIC, "lock rank", held->entry[i].lock, rank, 0);
	}
}

void om_assert_may_transfer(struct om_system *sys)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	for (unsigned i = 0; i < held->depth; i++) {
		unsigned rank = held->entry[i].rank;

		OM_BUG_ON(sys, rank != OM_RANK_PAGE && rank != OM_RANK_HOLE, "lock rank",
		          held->entry[i].lock, rank, 0);
	}
}

/* How far beyond its bound is a lock? Sleeping ones have none. */
static uint32_t excess(const struct om_held *held, unsigned i)
{
	uint32_t max = steps_max[held->entry[i].rank];

	return max && held->entry[i].steps > max ? held->entry[i].steps - max : 0;
}

void om_held_work(struct om_system *sys, uint32_t steps, const char *file, int line)
{
	struct om_held *held = held_record(sys);
	unsigned worst = 0;

	if (!held || !held->depth)
		return;
	for (unsigned i = 0; i < held->depth; i++) {
		held->entry[i].steps += steps;
		if (excess(held, i) > excess(held, worst))
			worst = i;
	}
	if (om_unlikely(excess(held, worst)))
		om_bug(sys, "held too long", "steps <= steps_max[rank]", file, line,
		       held->entry[worst].lock, held->entry[worst].steps, held->entry[worst].rank);
}
