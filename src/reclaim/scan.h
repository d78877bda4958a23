/*
 * scan.h: the hand that goes round over all frames, and finds the pages that are to leave.
 */
#ifndef OM_SCAN_H
#define OM_SCAN_H

#include "reclaim/hand.h"
#include "reclaim/reclaim.h"

/* Pages that are to leave: locked, and with a reference. */
struct om_victims {
	om_pfn_t page[OM_RECLAIM_BATCH]; /* OM_NO_PFN: given up */
	unsigned n;
	bool put_off; /* a store has said that it will not write just now */
};

/*
 * Let the hand go on until there are `want` victims (up to OM_RECLAIM_BATCH), or none of the frames
 * of the round is left. Several threads may do this at a time, each with other frames. Takes page
 * locks by trylock; MAPPING, ANON, TABLE, FRAME. Cost: a load for a frame that has no page, a look
 * at its entry for an exclusive page, a walk for another one.
 */
void om_scan(struct om_system *sys, struct om_round *round, unsigned want, struct om_victims *v);

#endif
