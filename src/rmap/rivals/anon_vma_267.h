/*
 * anon_vma_267.h: the design of Linux 2.6.7: what it does for every page of a fault, fork or unmap,
 * which is next to nothing. anon_vma_267.c explains the design and has the rest.
 */
#ifndef OM_RMAP_ANON_VMA_267_H
#define OM_RMAP_ANON_VMA_267_H

#include "rmap/rivals/anon_vma.h"

/* Areas that may share anonymous pages: a lineage of forks, and neighbours that could be one. */
struct om_anon_vma {
	struct om_spinlock lock;
	_Atomic uint32_t refs; /* (a) one while areas are listed, one for each walk under way */
	struct om_node *first; /* (O) the list of areas: by_anon, left = previous, right = next */
};

/* A page that was shared stays where it is: its area is in the same anon_vma as the others were. */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)sys;
	if (page->object)
		return;
	page->object = om_anon_vma_of(vma);
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

#endif
