/*
 * copy.h: copying page-table entries: by fork into the child's tables, and out of a table that fork
 * has shared (area/unshare.h).
 */
#ifndef OM_COPY_H
#define OM_COPY_H

#include "rmap/rmap.h"

struct om_copy {
	struct om_fork_part part; /* its tables are locked while entries are copied */
	unsigned room;            /* pages that may be copied before the locks are released */
	bool flush;               /* `from` has lost write permissions */
	size_t anon, file, swap;  /* entries that `to` has got */
	size_t own;        /* of these, pages copied, as they are pinned, or shared too often */
	size_t now_shared; /* pages that were direct */
};

/* Internal: c->room is used up; others may want the locks, after so many pages copied. */
#define OM_COPY_PAUSE (-OM_EAGAIN)
#define OM_COPY_ROOM  16

/*
 * Copy entries [*next, stop) of c->part. An entry through which could be written loses that; `to`
 * gets it with its last dirty bit. 0; or OM_COPY_PAUSE, -OM_ENOFRAME, -OM_ENOMEM (a slot has too
 * many users), and *next is where it stopped. Both tables are locked. Takes FRAME, SWAP, FREE.
 */
int om_copy_entries(struct om_system *sys, struct om_copy *c, unsigned *next, unsigned stop);

#endif
