/*
 * held.c: the record of the locks that a thread holds, in debug builds.
 *
 * The port keeps one for each thread of execution (`held` in port.h). Every lock is noted in it
 * before it is taken and until it is released, so a wrong order is reported by whoever is about to
 * take the lock, deadlock or not.
 */
#include "base/hooks.h"
#include "base/lock.h"

#define HELD_MAX (sizeof(((struct om_held *)0)->entry) / sizeof(((struct om_held *)0)->entry[0]))

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

		OM_BUG_ON(sys, rank >= OM_RANK_MAPPING, "lock rank", held->entry[i].lock, rank, 0);
	}
}

void om_assert_may_transfer(struct om_system *sys)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	for (unsigned i = 0; i < held->depth; i++)
		OM_BUG_ON(sys, held->entry[i].rank != OM_RANK_PAGE, "lock rank",
		          held->entry[i].lock, held->entry[i].rank, 0);
}
