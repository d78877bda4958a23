/*
 * cow_context.h: the design cow_context: what it does for every page of a fault, fork or unmap.
 * cow_context.c explains the design and has the rest.
 */
#ifndef OM_RMAP_COW_CONTEXT_H
#define OM_RMAP_COW_CONTEXT_H

#include "rmap/rivals/family.h"

/* What this design has to do where others are idle: idle.h. */
#define om_rmap_mm_init         om_rmap_mm_init
#define om_rmap_mm_exit         om_rmap_mm_exit
#define om_anon_page_leave      om_anon_page_leave
#define om_anon_prepare         om_anon_prepare
#define om_rmap_vma_drop        om_rmap_vma_drop
#define om_rmap_mm_emptied      om_rmap_mm_emptied
#define om_rmap_tables_unlinked om_rmap_tables_unlinked

/* The context of an mm. */
struct om_anon_mm {
	struct om_kin kin;
	struct om_rwspin lock;  /* of kin.mm, its tables, `remaps`, and moves; rank ANON */
	struct om_node *remaps; /* (O) records by linear index */
};

/* A remap record: that an area with anonymous pages is not at the address that is its number. */
struct om_anon_vma {
	struct om_node
	    node; /* (O) in the context's remaps, unless the area is where its number says */
	struct om_vma *vma; /* (O) */
};

/* Make the record of an area that lacks one. False: no frame is free. Takes ANON. */
OM_COLD bool om_cow_record(struct om_vma *vma);
/* The mm, which is empty, leaves its family, unless it is alone, or no frame is free. */
void om_cow_start_anew(struct om_mm *mm);

/* Pages from where its numbers would be to where it is. */
OM_INLINE uintptr_t om_cow_offset(const struct om_vma *vma)
{
	return (vma->start >> OM_PAGE_SHIFT) - vma->pgoff;
}

OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	page->index = om_vma_index(vma, om_table_addr(table, pos));
	om_kin_set_home(sys, page, &vma->mm->anon_mm->kin);
}

/* It stays at home with the parent, or further up. */
OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)direct;
	OM_ASSERT(sys, page->index == part->index + pos, "I4", page);
	OM_ASSERT(sys, part->child->mm->anon_mm->kin.head == part->parent->mm->anon_mm->kin.head,
	          "I4", page);
	return true;
}

OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object)
{
	(void)page;
	om_kin_put(sys, object);
}

/* The first write to a private file area: its numbers are the file's. */
OM_INLINE bool om_anon_prepare(struct om_vma *vma)
{
	return om_likely(om_cow_offset(vma) == 0) ||
	       om_likely(__atomic_load_n(&vma->anon_vma, __ATOMIC_ACQUIRE)) || om_cow_record(vma);
}

OM_INLINE void om_rmap_vma_drop(struct om_vma *vma)
{
	if (vma->anon_vma)
		om_object_free(vma->mm->sys, OM_CACHE_RMAP + 1, vma->anon_vma);
	vma->anon_vma = NULL;
}

/* Pages keep the number under which they were faulted, wherever they go. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	return om_vma_had_anon(vma);
}

OM_INLINE void om_rmap_mm_emptied(struct om_mm *mm)
{
	om_cow_start_anew(mm);
}

/* A walk holds the context's lock while it looks into a table. */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	om_write_lock(mm->sys, &mm->anon_mm->lock, OM_RANK_ANON);
	om_write_unlock(mm->sys, &mm->anon_mm->lock);
}

int om_cow_begin(struct om_mm *mm, struct om_mm *parent);
void om_cow_end(struct om_mm *mm);

OM_INLINE int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent)
{
	return om_cow_begin(mm, parent);
}

OM_INLINE void om_rmap_mm_exit(struct om_mm *mm)
{
	om_cow_end(mm);
}

#endif
