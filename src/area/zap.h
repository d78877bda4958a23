/*
 * zap.h: taking pages out of an address space: the gather, which lets pages go only after the TLB
 * has forgotten them (I7).
 */
#ifndef OM_ZAP_H
#define OM_ZAP_H

#include "rmap/rmap.h"

struct om_gather {
	struct om_mm *mm;
	struct om_mm_part *part; /* where entries are counted */
	bool at_once;            /* no flush may be put off: faults go on meanwhile */
	uintptr_t start, end;    /* to be flushed, if start < end */
	unsigned nr, room;
	uintptr_t *page; /* whose entry is gone; OM_GATHER_LOCKED in bit 0 */
};

/* Room for pages: as much as pays, and what those take who may have little stack left. */
#define OM_GATHER_PAGES 64
#define OM_GATHER_FEW   8

#define OM_GATHER_LOCKED 1u /* it was in a VM_LOCKED area */
#define OM_GATHER_BITS   ((uintptr_t)1)

static inline void om_gather_empty(struct om_gather *g)
{
	g->start = UINTPTR_MAX;
	g->end = 0;
	g->nr = 0;
}

/*
 * Room is for `room` entries of `page`. Faults are kept out, or know how to wait: see
 * om_mm_flush_pending().
 */
static inline void om_gather_init(struct om_gather *g, struct om_mm *mm, uintptr_t page[],
                                  unsigned room)
{
	g->mm = mm;
	g->page = page;
	g->room = room;
	g->part = &mm->own;
	g->at_once = false;
	om_gather_empty(g);
}

/*
 * mmap_lock is held for reading, in `part`: other threads fault meanwhile, also where we are. So
 * what is cleared is flushed before the table's lock is released, as by everybody else (I9).
 */
static inline void om_gather_init_shared(struct om_gather *g, struct om_mm *mm,
                                         struct om_mm_part *part, uintptr_t page[], unsigned room)
{
	om_gather_init(g, mm, page, room);
	g->part = part;
	g->at_once = true;
}

/* Entries in [start, end) have lost a permission, or their page: a flush is owed (I9). */
static inline void om_gather_flush_later(struct om_gather *g, uintptr_t start, uintptr_t end)
{
	if (start < g->start)
		g->start = start;
	if (end > g->end)
		g->end = end;
}

/*
 * Pay: flush, then take the pages out of the reverse map, and free those that nobody else holds.
 * Empty afterwards, ready to go on. Takes FRAME, SWAP, FREE.
 */
void om_gather_finish(struct om_gather *g);

/* Which pages to take. All zero: every one. */
struct om_zap_filter {
	bool files_only;   /* leave anonymous pages and swap entries (hole punch) */
	bool by_index;     /* nonlinear area: only file pages with first <= index <= last */
	bool keep_offsets; /* nonlinear area: entries go on to say which page they show */
	uintptr_t first, last;
};

/*
 * The table, of which nothing shall be left, is folded, as it seems: its entries go, flushed. The
 * first of the frames, whose pages are to be ended, or OM_NO_PFN: it is not. Takes TABLE, TABLE2.
 */
om_pfn_t om_clear_folded(struct om_gather *g, struct om_page *table);

/*
 * Pages from `pfn` on, of a block at most, are free, or gather if somebody holds them. Where it has
 * ended: perhaps because the gather is full. Takes FRAME, FREE.
 */
om_pfn_t om_end_folded(struct om_gather *g, const struct om_vma *vma, om_pfn_t pfn);

/*
 * Clear the entries of vma in [start, end): pages gather, swap slots and file entries are
 * dropped. The caller finishes the gather. Context: mmap_lock, or the lock of the mapping's tree
 * (truncation). Takes TABLE and below. Cost: linear in entries in use.
 */
void om_zap(struct om_gather *g, struct om_vma *vma, uintptr_t start, uintptr_t end,
            const struct om_zap_filter *filter);

/*
 * The mm ceases to be one of several owners of the table, and counts what it had there. False, and
 * nothing done: it is the only one. As om_table_leave().
 */
bool om_zap_shared(struct om_mm *mm, struct om_page *table);

/* Clear all entries of a table of the area's that nobody else knows of. Takes its lock. */
void om_zap_table(struct om_gather *g, struct om_vma *vma, struct om_page *table);

#endif
