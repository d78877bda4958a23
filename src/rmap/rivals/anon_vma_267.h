/*
 * anon_vma_267.h: the design of Linux 2.6.7: what it does for every page of a fault, fork or unmap,
 * which is next to nothing. anon_vma_267.c explains the design and has the rest.
 */
#ifndef OM_RMAP_ANON_VMA_267_H
#define OM_RMAP_ANON_VMA_267_H

#include "rmap/design.h"
#include "rmap/rivals/neighbour.h"

/* Areas that may share anonymous pages: a lineage of forks, and neighbours that could be one. */
struct om_anon_vma {
	struct om_spinlock lock;
	_Atomic uint32_t refs; /* (a) one while areas are listed, one for each walk under way */
	struct om_node *first; /* (O) the list of areas: by_anon, left = previous, right = next */
};

/* The area has no anon_vma: share a neighbour's, or make one. False: no frame is free. */
OM_COLD bool om_anon_vma_make(struct om_vma *vma);

OM_INLINE bool om_anon_prepare(struct om_vma *vma)
{
	return om_likely(om_anon_vma_of(vma)) || om_anon_vma_make(vma);
}

OM_INLINE void om_anon_stock_up(struct om_system *sys, struct om_page *page)
{
	(void)sys;
	(void)page;
}

/* A page that was shared stays where it is: its area is in the same anon_vma as the others were. */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)sys;
	if (page->object)
		return;
	page->object = vma->anon_vma;
	page->index = om_vma_index(vma, om_table_addr(table, pos));
}

/* The child's area is in the parent's anon_vma, with equal numbers. */
OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)pos;
	(void)direct;
	OM_ASSERT(sys, page->object == part->parent->anon_vma, "I4", page);
	OM_ASSERT(sys, page->object == part->child->anon_vma, "I4", page);
	return true;
}

/* Its number goes with it. */
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

/* A copy that was never linked is in no list, and holds nothing. */
OM_INLINE void om_rmap_vma_drop(struct om_vma *vma)
{
	(void)vma;
}

/* Every anonymous page has a number, from its first fault on. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	return vma->anon_vma;
}

/* A walker holds the lock of the list that an area over the table is in (I5). */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	(void)mm;
}

#endif
