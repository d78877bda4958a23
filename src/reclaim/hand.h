/*
 * hand.h: the hand goes round over all frames, and passes by regions at which it need not look.
 */
#ifndef OM_HAND_H
#define OM_HAND_H

#include "page/age.h"

/*
 * Which pages leave: those past the limit of their kind; the same, in regions that were passed by
 * just now, but whose time is near; those that will be next; or all.
 */
enum om_scan { OM_SCAN_OLD, OM_SCAN_REST, OM_SCAN_NEXT, OM_SCAN_ALL };

/* The hand goes round once. */
struct om_round {
	enum om_scan how;
	size_t left;    /* frames to go by */
	size_t looked;  /* frames looked at are added; those of regions passed by are not */
	unsigned early; /* NEXT: pages leave so many rounds before their time; REST: may do so */
	/* OLD and REST add: pages that were not used and stay, by the rounds they have left. */
	om_pfn_t stay[OM_AGE_MAX + 1];
	struct om_region *rest; /* REST: the region that is being looked at */
	bool put_off;           /* a store has said that it will not write just now */
};

/*
 * How early must pages leave, so that there are so many of them, of those that were looked at? In
 * rounds, up to OM_AGE_MAX.
 */
unsigned om_round_early(const struct om_round *round, size_t pages);

/* The next frames, [first, end): ours to look at. */
struct om_claim {
	om_pfn_t first, end;
	struct om_region *region;
	bool look;     /* pages grow older */
	unsigned step; /* by so many rounds: since the last look */
};

/* False: the region is passed by, if it is not the end of the round. Any context; takes nothing. */
bool om_hand_claim(struct om_system *sys, struct om_round *round, struct om_claim *claim);

/* What a look at the frames of one claim has found. */
struct om_findings {
	unsigned nearest; /* rounds until the first page may leave; 0: all were used */
	unsigned unused[OM_NR_AGE_KINDS]; /* pages that were not used */
};

/*
 * We have looked at frames up to `at`. If that is not all of them, the hand goes back there, unless
 * somebody else has gone on meanwhile. What was found says when the hand is to come again.
 */
void om_hand_done(struct om_system *sys, const struct om_claim *claim, om_pfn_t at,
                  const struct om_findings *found);

#endif
