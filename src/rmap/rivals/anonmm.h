/*
 * anonmm.h: the design anonmm: what it does for every page of a fault, fork or unmap. anonmm.c
 * explains the design and has the rest.
 */
#ifndef OM_RMAP_ANONMM_H
#define OM_RMAP_ANONMM_H

#include "rmap/rivals/family.h"

/* What this design has to do where others are idle: idle.h. */
#define om_rmap_mm_init         om_rmap_mm_init
#define om_rmap_mm_exit         om_rmap_mm_exit
#define om_anon_page_move       om_anon_page_move
#define om_anon_page_leave      om_anon_page_leave
#define om_rmap_mm_emptied      om_rmap_mm_emptied
#define om_rmap_tables_unlinked om_rmap_tables_unlinked

/* kin.ring of the head guards `mm` and its tables, too. */
struct om_anon_mm {
	struct om_kin kin;
};

/* The mm, which is empty, leaves its family, unless it is alone, or no frame is free for a head. */
void om_anonmm_start_anew(struct om_mm *mm);

/* The page is at home where its only entry is: a walk looks there first, and nowhere else. */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	page->index = table->index + pos;
	om_kin_set_home(sys, page, &vma->mm->anon_mm->kin);
}

/* The child has the page at the same address, and is of the same family. */
OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)direct;
	OM_ASSERT(sys, page->index == part->from->index + pos, "I4", page);
	OM_ASSERT(sys, part->child->mm->anon_mm->kin.head == part->parent->mm->anon_mm->kin.head,
	          "I4", page);
	return true;
}

/* Shared pages have been copied before. */
OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	if (om_unlikely(!om_page_test(page, OM_PG_ANON)))
		return;
	OM_BUG_ON(sys, !om_page_test(page, OM_PG_DIRECT), "I2", page, page->index, pos);
	OM_ASSERT(sys, page->index == from->index + old && om_held(sys, &from->lock), "I2", page);
	__atomic_store_n(&page->index, table->index + pos, __ATOMIC_RELAXED);
}

OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object)
{
	(void)page;
	om_kin_put(sys, object);
}

/* Pages are found by their addresses: an area may have any numbers, and be cut and merged. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	(void)vma;
	return false;
}

OM_INLINE void om_rmap_mm_emptied(struct om_mm *mm)
{
	om_anonmm_start_anew(mm);
}

/* A walk holds the family's lock while it looks into a table. */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	struct om_kin *head = mm->anon_mm->kin.head;

	om_write_lock(mm->sys, &head->ring, OM_RANK_ANON);
	om_write_unlock(mm->sys, &head->ring);
}

int om_anonmm_begin(struct om_mm *mm, struct om_mm *parent);
void om_anonmm_end(struct om_mm *mm);

OM_INLINE int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent)
{
	return om_anonmm_begin(mm, parent);
}

OM_INLINE void om_rmap_mm_exit(struct om_mm *mm)
{
	om_anonmm_end(mm);
}

#endif
