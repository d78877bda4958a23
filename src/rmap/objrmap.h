/*
 * objrmap.h: the default design: what it does for every page of a fault, fork or unmap. objrmap.c
 * explains the design and has the rest.
 */
#ifndef OM_RMAP_OBJRMAP_H
#define OM_RMAP_OBJRMAP_H

#include "rmap/design.h"

/* What this design has to do where others are idle: idle.h. */
#define om_anon_page_move  om_anon_page_move
#define om_anon_page_table om_anon_page_table

/*
 * The related VMAs of one lineage: made by fork, shared by parent and child, freed when the last
 * VMA leaves (I4). RFC of 10 March 2004.
 */
struct om_anon_vma {
	struct om_rwspin lock;
	_Atomic uint32_t refs; /* (a) one while VMAs are queued, one for each walk under way */
	struct om_node *root;  /* (O) VMAs by linear index */
};

OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)sys;
	(void)vma;
	page->object = table;
	page->index = pos;
}

OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	if (direct) {
		OM_BUG_ON(sys, !part->parent->anon_vma, "I4", page, part->parent->start, pos);
		page->object = part->parent->anon_vma;
		page->index = part->index + pos;
	}
	return true;
}

OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	(void)old;
	if (om_unlikely(!om_page_test(page, OM_PG_DIRECT)))
		return;
	OM_ASSERT(sys, om_rmap_object(page) == from && om_held(sys, &from->lock), "I2", page);
	__atomic_store_n(&page->object, (void *)table, __ATOMIC_RELAXED);
	__atomic_store_n(&page->index, pos, __ATOMIC_RELAXED);
}

/* DIRECT and what the page names change together, so it is a table for sure. */
OM_INLINE struct om_page *om_anon_page_table(const struct om_page *page)
{
	if (!om_page_test(page, OM_PG_DIRECT) || !page->mapcount)
		return NULL;
	return __atomic_load_n(&page->object, __ATOMIC_RELAXED);
}

/* Pages of an area without an anon_vma are exclusive, and know nothing of its numbers. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	return vma->anon_vma;
}

#endif
