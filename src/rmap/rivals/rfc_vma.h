/*
 * rfc_vma.h: the RFC as posted, repaired: what it does for every page of a fault, fork or unmap.
 * rfc_vma.c explains the design and has the rest.
 */
#ifndef OM_RMAP_RFC_VMA_H
#define OM_RMAP_RFC_VMA_H

#include "rmap/design.h"

/* What this design has to do where others are idle: idle.h. */
#define om_anon_page_move om_anon_page_move

/* Areas that fork has made relatives. Freed when the last of them leaves (I4). */
struct om_anon_vma {
	struct om_rwspin lock;
	_Atomic uint32_t refs; /* (a) one while areas are queued, one for each walk under way */
	struct om_node *first; /* (O) a list of areas, `left` to the one before, `right` behind */
};

/* Under the frame lock, because a walker that holds it follows `object` to the area. */
OM_INLINE void om_rfc_point(struct om_page *page, struct om_vma *vma, const struct om_page *table,
                            uintptr_t pos)
{
	page->object = vma;
	page->index = table->index + pos;
}

OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)sys;
	om_rfc_point(page, vma, table, pos);
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

/*
 * mm->anon_mm is no object here: it points to the area into which mremap moves entries, or is NULL.
 * (M)
 */
OM_INLINE struct om_vma *om_rfc_destination(const struct om_mm *mm)
{
	return (struct om_vma *)(void *)mm->anon_mm;
}

OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	struct om_vma *vma = om_rfc_destination(om_table_mm(table));

	(void)old;
	if (!om_page_test(page, OM_PG_DIRECT))
		return;
	OM_ASSERT(sys, om_held(sys, &from->lock) && om_held(sys, &table->lock), "I2", page);
	/* The area that it names until now goes soon: wait for whoever follows the pointer. */
	om_frame_lock(sys, page);
	om_rfc_point(page, vma, table, pos);
	om_frame_unlock(sys, page);
}

/* Direct pages have the number of their address, whatever the area's numbers are. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	return vma->anon_vma;
}

#endif
