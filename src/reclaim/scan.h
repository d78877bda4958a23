/*
 * scan.h: the hand that goes round over all frames, and finds the pages that are to leave.
 */
#ifndef OM_SCAN_H
#define OM_SCAN_H

#include "reclaim/reclaim.h"

/* Which pages leave: those past the limit of their kind, those that were not used, or all. */
enum om_scan { OM_SCAN_OLD, OM_SCAN_UNUSED, OM_SCAN_ALL };

/* Pages that are to leave: locked, and with a reference. */
struct om_victims {
	struct om_page *page[OM_RECLAIM_BATCH]; /* NULL: given up */
	unsigned n;
};

/*
 * Let the hand go on until there are `want` victims (up to OM_RECLAIM_BATCH), or it has looked at
 * *budget frames, which decreases by those it has. Several threads may do this at a time, each with
 * other frames. Takes page locks by trylock; MAPPING, ANON, TABLE, FRAME. Cost: a load for a
 * frame that has no page, a look at its entry for an exclusive page, a walk for another one.
 */
void om_scan(struct om_system *sys, enum om_scan how, unsigned want, size_t *budget,
             struct om_victims *v);

#endif
