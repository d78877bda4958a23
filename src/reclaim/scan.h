/*
 * scan.h: the hand that goes round over all frames, and finds the pages that are to leave.
 */
#ifndef OM_SCAN_H
#define OM_SCAN_H

#include "page/age.h"
#include "reclaim/reclaim.h"

/* Which pages leave: those past the limit of their kind; those that will be next; or all. */
enum om_scan { OM_SCAN_OLD, OM_SCAN_NEXT, OM_SCAN_ALL };

/* The hand goes round once. */
struct om_round {
	enum om_scan how;
	size_t left;    /* frames to look at */
	unsigned early; /* NEXT: pages leave so many rounds before they are past the limit */
	/* OLD adds: pages that were not used and stay, by the rounds that they have left. */
	size_t stay[OM_AGE_MAX + 1];
};

/* Pages that are to leave: locked, and with a reference. */
struct om_victims {
	struct om_page *page[OM_RECLAIM_BATCH]; /* NULL: given up */
	unsigned n;
};

/*
 * Let the hand go on until there are `want` victims (up to OM_RECLAIM_BATCH), or none of the frames
 * of the round is left. Several threads may do this at a time, each with other frames. Takes page
 * locks by trylock; MAPPING, ANON, TABLE, FRAME. Cost: a load for a frame that has no page, a look
 * at its entry for an exclusive page, a walk for another one.
 */
void om_scan(struct om_system *sys, struct om_round *round, unsigned want, struct om_victims *v);

#endif
