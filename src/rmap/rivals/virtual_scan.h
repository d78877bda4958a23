/*
 * virtual_scan.h: no reverse map at all: what little happens for every page of a fault, fork or
 * unmap. virtual_scan.c explains the design and has the rest.
 */
#ifndef OM_RMAP_VIRTUAL_SCAN_H
#define OM_RMAP_VIRTUAL_SCAN_H

#include "rmap/design.h"

/* All address spaces, by their addresses: a walk can go on behind one that is gone. */
struct om_anon_mm {
	struct om_node node; /* sys->rmap.lock */
	struct om_mm *mm;    /* (c) */
};

OM_INLINE void om_anon_stock_up(struct om_system *sys, struct om_page *page)
{
	(void)sys;
	(void)page;
}

/* That it is mapped, and no more. */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)vma;
	(void)table;
	(void)pos;
	page->object = sys;
	page->index = 0;
}

OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)sys;
	(void)page;
	(void)part;
	(void)pos;
	(void)direct;
	return true;
}

OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	(void)sys;
	(void)page;
	(void)from;
	(void)old;
	(void)table;
	(void)pos;
}

OM_INLINE void om_anon_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos)
{
	(void)sys;
	(void)page;
	(void)table;
	(void)pos;
}

OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object)
{
	(void)sys;
	(void)page;
	(void)object;
}

OM_INLINE bool om_anon_prepare(struct om_vma *vma)
{
	(void)vma;
	return true;
}

OM_INLINE void om_rmap_vma_drop(struct om_vma *vma)
{
	(void)vma;
}

OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	(void)vma;
	return false;
}

OM_INLINE void om_rmap_mm_emptied(struct om_mm *mm)
{
	(void)mm;
}

/* Walks hold the lock while they are on their way through tables. */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	om_write_lock(mm->sys, &mm->sys->rmap.lock, OM_RANK_ANON);
	om_write_unlock(mm->sys, &mm->sys->rmap.lock);
}

#endif
