/*
 * locks.c: which locks an operation takes that another process could want, and for how long the
 * longest is held. Debug builds alone know.
 *
 * There the library asks the port for the record of held locks before each change of it (struct
 * om_held). So what has changed since the question before tells of each lock that was taken.
 */
#include <stdio.h>

#include "measure.h"

static struct om_held record;
static unsigned depth; /* of the record, when it was asked for last */
static const struct om_mm *actor;
static uint64_t taken[NR_OPS];
static uint32_t longest;

/* A frame's lock: of a table that is not the actor's, or of a page that others map, too. */
static bool frame_is_shared(const void *lock)
{
	const struct om_page *page = lock; /* the lock is its first field */

	if (page->kind > OM_KIND_TABLE)
		return page->object != actor;
	return page->kind == OM_KIND_DATA && page->mapcount > 1;
}

/*
 * What is the actor's own does not count: its mmap_lock, its tables, and a table that fork makes.
 * Nor do lists of the whole system that every design uses alike: free frames, LRU, swap.
 */
static bool others_could_want(const void *lock, enum om_rank rank)
{
	switch (rank) {
	case OM_RANK_SHAPE:
	case OM_RANK_MAPPING:
	case OM_RANK_ANON:
	case OM_RANK_SLAB:
		return true;
	case OM_RANK_TABLE:
	case OM_RANK_FRAME:
		return frame_is_shared(lock);
	default:
		return false;
	}
}

#ifdef OM_WORK_PAGE
static uint32_t steps(unsigned i)
{
	return record.entry[i].steps;
}
#else
static uint32_t steps(unsigned i)
{
	(void)i;
	return 0;
}
#endif

/* Of the locks that walks and changes of areas hold. */
static void note_hold(unsigned i)
{
	unsigned rank = record.entry[i].rank;

	if ((rank == OM_RANK_MAPPING || rank == OM_RANK_ANON) && steps(i) > longest)
		longest = steps(i);
}

struct om_held *locks_held(void *ctx)
{
	(void)ctx;
	for (unsigned i = depth; i < record.depth; i++)
		taken[measure_op()] +=
		    others_could_want(record.entry[i].lock, record.entry[i].rank);
	for (unsigned i = 0; i < record.depth; i++)
		note_hold(i);
	depth = record.depth;
	return &record;
}

void locks_start(void)
{
	_Static_assert(offsetof(struct om_page, lock) == 0, "a page's lock has its address");
}

void locks_begin(const struct om_mm *mm)
{
	actor = mm;
}

void locks_print(const uint64_t *units)
{
	if (!OM_DEBUG)
		return;
	for (unsigned i = OP_NONE + 1; i < NR_OPS; i++)
		if (units[i])
			printf("locks_%s %.4g\n", op_name[i], (double)taken[i] / (double)units[i]);
	if (longest)
		printf("hold_steps %u\n", longest);
}
