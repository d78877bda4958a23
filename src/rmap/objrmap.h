/*
 * objrmap.h: the calls of rmap.h that run for every page of a fault, fork or unmap, in the
 * default design. objrmap.c explains the design and has the rest.
 */
#ifndef OM_RMAP_OBJRMAP_H
#define OM_RMAP_OBJRMAP_H

#include "base/vma_fields.h"
#include "page/lru.h"
#include "store/swap.h"

/* MADV_FREE'd contents are needed after all. Frame lock held. */
void om_rmap_cancel_lazyfree(struct om_system *sys, struct om_page *page);

OM_INLINE void om_rmap_set_direct(struct om_page *page, struct om_page *table, unsigned pos)
{
	page->object = table;
	page->index = pos;
	om_page_set(page, OM_PG_ANON | OM_PG_DIRECT);
}

/* A move may change what a direct page names without its frame lock: in one access, then. */
OM_INLINE void *om_rmap_object(const struct om_page *page)
{
	return __atomic_load_n(&page->object, __ATOMIC_RELAXED);
}

OM_INLINE void om_rmap_page_move(struct om_system *sys, struct om_page *page, struct om_page *table,
                                 uintptr_t pos)
{
	if (om_unlikely(!om_page_test(page, OM_PG_DIRECT)))
		return;
	OM_ASSERT(sys, om_held(sys, &((struct om_page *)page->object)->lock), "I2", page);
	__atomic_store_n(&page->object, (void *)table, __ATOMIC_RELAXED);
	__atomic_store_n(&page->index, pos, __ATOMIC_RELAXED);
}

/* `page` was direct, or not mapped, at `pos` of `table`, inside vma. */
OM_INLINE void om_rmap_set_shared(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                  struct om_page *table, unsigned pos)
{
	OM_BUG_ON(sys, !vma->anon_vma, "I4", page, vma->start, pos);
	page->object = vma->anon_vma;
	page->index = om_vma_index(vma, om_table_addr(table, pos));
	om_page_set(page, OM_PG_ANON);
	om_page_clear(page, OM_PG_DIRECT);
}

#define OM_NEW_PAGE (OM_PG_ANON | OM_PG_DIRECT | OM_PG_SWAPBACKED | OM_PG_UPTODATE | OM_PG_ACTIVE)

OM_INLINE void om_rmap_page_new(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_frame_lock(sys, page);
	OM_ASSERT(sys, page->mapcount == 0 && om_page_refs(page) == 1, "I1", page);
	page->object = table;
	page->index = pos;
	page->mapcount = 1;
	page->holds = 0;
	if (om_likely(!(om_vma_flags(vma) & OM_VM_LOCKED))) {
		om_lru_add_new(sys, page, OM_NEW_PAGE);
	} else {
		om_page_set(page, OM_NEW_PAGE);
		om_page_mlock(sys, page);
	}
	om_frame_unlock(sys, page);
}

OM_INLINE void om_rmap_page_remove(struct om_system *sys, struct om_page *page, bool locked)
{
	unsigned flags = om_page_flags(page);
	uint32_t mapcount = page->mapcount;

	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_BUG_ON(sys, mapcount == 0, "I1", page, om_page_pfn(sys, page), page->holds);
	page->mapcount = mapcount - 1;
	if (om_unlikely(flags & OM_PG_UNEVICTABLE)) {
		if (mapcount == 1)
			om_page_munlock_all(sys, page);
		else if (locked)
			om_page_munlock(sys, page);
	}
}

/* An anonymous page may live on in the swap cache; `object` means nothing while it is unmapped. */
OM_INLINE void om_rmap_page_forget(struct om_page *page)
{
	if (page->mapcount == 0 && om_page_test(page, OM_PG_ANON)) {
		page->object = NULL;
		om_page_clear(page, OM_PG_DIRECT);
	}
}

OM_INLINE bool om_rmap_page_dup(struct om_system *sys, struct om_page *page, struct om_vma *parent,
                                uintptr_t index, size_t *now_shared)
{
	unsigned flags;
	bool copy;

	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	/*
	 * Only direct pages can be pinned or MADV_FREE'd, and only shared ones have many mappers.
	 */
	copy = flags & OM_PG_DIRECT ? om_page_pins(page) : page->mapcount >= OM_MAPCOUNT_MAX;
	if (om_unlikely(copy)) {
		om_frame_unlock(sys, page);
		return false;
	}
	if (flags & OM_PG_DIRECT) {
		OM_BUG_ON(sys, !parent->anon_vma, "I4", page, parent->start, index);
		page->object = parent->anon_vma;
		page->index = index;
		om_page_clear(page, OM_PG_DIRECT);
		++*now_shared;
		if (om_unlikely(flags & OM_PG_LAZYFREE))
			om_rmap_cancel_lazyfree(sys, page);
	}
	page->mapcount++;
	om_frame_unlock(sys, page);
	return true;
}

OM_INLINE bool om_rmap_page_reuse(struct om_system *sys, struct om_page *page,
                                  struct om_page *table, unsigned pos)
{
	unsigned flags;
	bool sole;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	/*
	 * A mapcount of one can only grow by a fork of this mm, which mmap_lock keeps out, or by
	 * a swap-in of somebody who still holds the slot.
	 */
	sole = (flags & OM_PG_DIRECT) ||
	       (page->mapcount == 1 && (flags & OM_PG_ANON) &&
	        (!(flags & OM_PG_SWAPCACHE) || om_swapcache_is_sole(sys, page)));
	if (!sole) {
		om_page_ref_locked(sys, page);
	} else if (!(flags & OM_PG_DIRECT)) {
		om_rmap_set_direct(page, table, pos);
		om_count(sys, OM_EV_SHARED_TO_DIRECT, 1);
	}
	om_frame_unlock(sys, page);
	return sole;
}

#endif
