/*
 * unmap.h: what is done to all entries of a page, found through the reverse map.
 *
 * All need the page lock, and the page held by a reference. They take MAPPING or
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
 * by itself. The n `others`, or OM_NO_PFN, are locked as well and will be unmapped next: entries of
 * theirs may go already.
 */
enum om_unmap_result om_try_to_unmap(struct om_system *sys, struct om_page *page,
                                     const om_pfn_t others[], unsigned n);

/*
 * Of n locked pages, or OM_NO_PFN, those of which the reverse map names the table at once: what
 * om_try_to_unmap() does, with one lock and one flush for all that a table shows. Others are left
 * alone, and so is what has to stay.
 */
void om_unmap_exclusive(struct om_system *sys, const om_pfn_t page[], unsigned n);

/* Entries that have been used since the last call, and are not any more. */
struct om_uses {
	unsigned young;
	bool exec; /* one of these was in an area with PROT_EXEC */
};
void om_page_referenced(struct om_system *sys, struct om_page *page, struct om_uses *uses);

/*
 * A file page is about to be written: take write permission and dirty bits from all entries;
 * OM_PG_DIRTY is set if there was one. The next write faults and sets OM_PG_DIRTY again, so none
 * is lost (hazard 15).
 */
void om_page_mkclean(struct om_system *sys, struct om_page *page);

#endif
