/*
 * locks.c: which locks an operation takes that another process could want, and for how long the
 * longest is held. Debug builds alone know.
 *
 * There the library asks the port for the record of held locks before each change of it (struct
 * om_held). So what has changed since the question before tells of each lock that was taken.
 */
#include <stdio.h>

#include "measure.h"

_Static_assert(offsetof(struct om_page, lock) == 0, "a frame's lock has its address");

static struct om_held record;
static unsigned depth; /* of the record, when it was asked for last */
static const struct om_mm *actor;
static uint64_t taken[NR_OPS];
static uint64_t longest;

/* A frame's lock: of a table that is not the actor's, or of a page that others map, too. */
static bool frame_is_shared(const void *lock)
{
	const struct om_page *page = lock;

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

/* Steps of work (om_work()) under each lock of the record, while it is held. */
static struct {
	const void *lock;
	uint64_t steps;
} holds[sizeof(record.entry) / sizeof(*record.entry)];

/*
 * Takes the steps out of the record, so that the library finds no hold too long: some designs have
 * such ones, and to see how long they are is why we are here.
 */
#ifdef OM_WORK_PAGE
static uint32_t take_steps(unsigned i)
{
	uint32_t steps = record.entry[i].steps;

	record.entry[i].steps = 0;
	return steps;
}
#else
static uint32_t take_steps(unsigned i)
{
	(void)i;
	return 0; /* a library that does not measure it */
}
#endif

/* Of the locks that walks and changes of areas hold. */
static void note_holds(void)
{
	for (unsigned i = 0; i < record.depth; i++) {
		unsigned rank = record.entry[i].rank;

		if (holds[i].lock != record.entry[i].lock)
			holds[i].steps = 0;
		holds[i].lock = record.entry[i].lock;
		holds[i].steps += take_steps(i);
		if ((rank == OM_RANK_MAPPING || rank == OM_RANK_ANON) && holds[i].steps > longest)
			longest = holds[i].steps;
	}
	/* What is released now may be taken again before we are asked. */
	for (unsigned i = record.depth; i < depth; i++)
		holds[i].lock = NULL;
}

struct om_held *locks_held(void *ctx)
{
	(void)ctx;
	for (unsigned i = depth; i < record.depth; i++)
		taken[measure_op()] +=
		    others_could_want(record.entry[i].lock, record.entry[i].rank);
	note_holds();
	depth = record.depth;
	return &record;
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
		printf("hold_steps %llu\n", (unsigned long long)longest);
}
