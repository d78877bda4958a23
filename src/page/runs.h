/*
 * runs.h: which frames of the machine's are free, by aligned blocks and runs.
 *
 * A block is 64 frames, whose descriptors are 32 lines: who gets all free frames of one shares no
 * descriptor's line with others. A run is as many frames as a leaf table has entries. Each run has
 * a record with a bit for each frame, and those that have free frames are on one of three lists.
 * So blocks are handed out from runs that are in use already, as long as these have any, and whole
 * runs stay whole; what is left of blocks comes last.
 *
 * Here nothing is decided about who gets frames: frame_cache.h is for that. All of it is guarded by
 * the free lock.
 */
#ifndef OM_RUNS_H
#define OM_RUNS_H

#include "page/page.h"

#define OM_NO_RUN UINT32_MAX /* the end of a list of runs */

/* Free frames of one block. */
struct om_piece {
	om_pfn_t first;  /* of the block */
	om_pfn_t n;      /* bits in `frames` */
	uint64_t frames; /* a bit for each */
};

/* Frames that are linked through link.next, from the first to the last. */
struct om_bundle {
	om_pfn_t first, last;
	om_pfn_t n; /* 0: the other two mean nothing */
};

/* Frames [first, first + n), of one block. */
static inline struct om_piece om_piece_range(om_pfn_t first, om_pfn_t n)
{
	om_pfn_t at = first % OM_BLOCK;

	return (struct om_piece){first - at, n, ~0ull >> (OM_BLOCK - n) << at};
}

/* Its frames come before those of the bundle, the lowest first. Nobody else has any of them. */
void om_piece_link(struct om_system *sys, const struct om_piece *piece, struct om_bundle *b);

/* What the records of so many frames take. */
size_t om_runs_bytes(om_pfn_t nr_frames);

/* A system that is all zeros has no run with a free frame. */
void om_runs_init(struct om_system *sys);

/* These frames are in no run yet. The free lock is held. Cost: O(1). */
void om_runs_add(struct om_system *sys, const struct om_piece *piece);

/*
 * The free frames of the best block there is: all of a block if any is wholly free. The free lock
 * is held. None if there are no frames. Cost: one look at the blocks of a run.
 */
struct om_piece om_runs_take(struct om_system *sys);

/*
 * As many free frames as a leaf table maps, the first of which has a number that is a multiple of
 * theirs; OM_NO_PFN: none are known. The free lock is held. Cost: linear in their blocks.
 */
om_pfn_t om_runs_take_table(struct om_system *sys);

/* Where a run belongs; OM_NR_RUN_LISTS: it has no free frame. */
unsigned om_run_list(const struct om_frame_run *run);

/* How many bits are set. */
unsigned om_count_bits(uint64_t bits);

#endif
