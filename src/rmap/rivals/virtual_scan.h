/*
 * virtual_scan.h: no reverse map at all: what little happens for every page of a fault, fork or
 * unmap. virtual_scan.c explains the design and has the rest.
 */
#ifndef OM_RMAP_VIRTUAL_SCAN_H
#define OM_RMAP_VIRTUAL_SCAN_H

#include "rmap/design.h"

/* What this design has to do where others are idle: idle.h. */
#define om_rmap_mm_init         om_rmap_mm_init
#define om_rmap_mm_exit         om_rmap_mm_exit
#define om_rmap_tables_unlinked om_rmap_tables_unlinked

/* All address spaces, by their addresses: a walk can go on behind one that is gone. */
struct om_anon_mm {
	struct om_node node; /* sys->rmap.lock */
	struct om_mm *mm;    /* (c) */
};

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

OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	(void)vma;
	return false;
}

/* Walks hold the lock while they are on their way through tables. */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	om_write_lock(mm->sys, &mm->sys->rmap.lock, OM_RANK_ANON);
	om_write_unlock(mm->sys, &mm->sys->rmap.lock);
}

int om_scan_mm_begin(struct om_mm *mm, struct om_mm *parent);
void om_scan_mm_end(struct om_mm *mm);

OM_INLINE int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent)
{
	return om_scan_mm_begin(mm, parent);
}

OM_INLINE void om_rmap_mm_exit(struct om_mm *mm)
{
	om_scan_mm_end(mm);
}

#endif
