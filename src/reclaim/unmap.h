/*
 * unmap.h: what is done to all entries of a page, found through the reverse map.
 *
 * All need the page lock, and the page held by a reference or by isolation. They take MAPPING or
 * ANON, TABLE and below, and flush.
 */
#ifndef OM_UNMAP_H
#define OM_UNMAP_H

#include "rmap/rmap.h"

enum om_unmap_result {
	OM_UNMAP_SUCCESS, /* no entry maps the page any more */
	OM_UNMAP_AGAIN,   /* an entry came or went during the walk: try later */
	OM_UNMAP_FAIL,    /* the page is locked or pinned, or its contents have nowhere to go */
};

/*
 * Replace every entry by a swap entry (anonymous pages, which must be in the swap cache, or clean
 * and MADV_FREE'd), a file-offset entry (nonlinear areas) or nothing. Dirty bits go to
 * OM_PG_DIRTY. Partial: on AGAIN and FAIL some entries may have been replaced; each is consistent
 * by itself. The n `others`, or NULL, are locked as well and will be unmapped next: entries of
 * theirs may go already.
 */
enum om_unmap_result om_try_to_unmap(struct om_system *sys, struct om_page *page,
                                     struct om_page *const others[], unsigned n);

/*
 * Entries that have been used since the last call, plus one for OM_PG_REFERENCED; both are
 * cleared.
 */
unsigned om_page_referenced(struct om_system *sys, struct om_page *page);

/*
 * A file page is about to be written: take write permission and dirty bits from all entries;
 * OM_PG_DIRTY is set if there was one. The next write faults and sets OM_PG_DIRTY again, so none
 * is lost (hazard 15).
 */
void om_page_mkclean(struct om_system *sys, struct om_page *page);

#endif
