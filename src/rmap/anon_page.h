/*
 * anon_page.h: the calls of rmap.h that run for every page of a fault, fork or unmap: what an
 * anonymous page goes through, whatever the design. Where it says that it is mapped is the
 * design's, whose part is inlined here.
 *
 * (object, index, ANON, DIRECT, mapcount) change together under the page's frame lock, and DIRECT
 * only with the lock of its table as well.
 */
#ifndef OM_ANON_PAGE_H
#define OM_ANON_PAGE_H

#include "page/age.h"
#include "page/put.h"
#include "page/unevictable.h"
#include "store/swap.h"

/* The build names another one with -DOM_RMAP_DESIGN. */
#ifndef OM_RMAP_DESIGN
#define OM_RMAP_DESIGN "rmap/objrmap.h"
#endif
#include OM_RMAP_DESIGN
#include "rmap/idle.h"

/* MADV_FREE'd contents are needed after all. Frame lock held. */
void om_rmap_cancel_lazyfree(struct om_page *page);

OM_INLINE bool om_rmap_prepare(struct om_vma *vma)
{
	if (om_unlikely(!om_anon_prepare(vma)))
		return false;
	om_vma_mark_anon(vma);
	return true;
}

OM_INLINE bool om_rmap_file_add_locked(struct om_system *sys, struct om_page *page,
                                       struct om_vma *vma)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_ASSERT(sys, !om_page_test(page, OM_PG_ANON), "I1", page);
	if (om_unlikely(page->mapcount >= OM_MAPCOUNT_MAX))
		return false;
	if (!page->mapcount++)
		om_count_mapped(sys, OM_MAPPED_FILE, 1);
	if (om_unlikely(om_vma_flags(vma) & OM_VM_LOCKED))
		om_page_mlock(sys, page);
	return true;
}

#define OM_NEW_PAGE (OM_PG_ANON | OM_PG_DIRECT | OM_PG_SWAPBACKED | OM_PG_UPTODATE)

OM_INLINE void om_rmap_page_new(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_frame_lock(sys, page);
	OM_ASSERT(sys, page->mapcount == 0 && om_page_refs(page) == 1, "I1", page);
	om_anon_page_own(sys, page, vma, table, pos);
	page->counts = 1;
	page->holds = 0;
	OM_ASSERT(sys, om_page_flags(page) == 0, "page", page);
	atomic_store_explicit(&page->flags, (uint16_t)OM_NEW_PAGE, memory_order_release);
	if (om_unlikely(om_vma_flags(vma) & OM_VM_LOCKED))
		om_page_mlock(sys, page);
	om_frame_unlock(sys, page);
}

OM_INLINE void om_rmap_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos)
{
	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_anon_entry_cleared(sys, page, table, pos);
}

OM_INLINE void om_rmap_page_remove(struct om_system *sys, struct om_page *page, bool locked)
{
	unsigned flags = om_page_flags(page);
	uint32_t mapcount = page->mapcount;

	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_BUG_ON(sys, mapcount == 0, "I1", page, om_page_pfn(sys, page), page->holds);
	page->counts--;
	if (om_unlikely(flags & OM_PG_UNEVICTABLE)) {
		if (mapcount == 1)
			om_page_munlock_all(sys, page);
		else if (locked)
			om_page_munlock(sys, page);
	}
}

/* The last entry of an anonymous page is gone. */
OM_COLD void om_rmap_anon_unmapped(struct om_system *sys, struct om_page *page);

/* An anonymous page may live on in the swap cache; `object` means nothing while it is unmapped. */
OM_INLINE void om_rmap_page_forget(struct om_system *sys, struct om_page *page)
{
	if (page->mapcount)
		return;
	if (om_page_test(page, OM_PG_ANON))
		om_rmap_anon_unmapped(sys, page);
	else
		om_count_mapped(sys, OM_MAPPED_FILE, -1);
}

OM_INLINE bool om_rmap_page_die(struct om_system *sys, struct om_page *page, struct om_dead *dead)
{
	void *object = page->object; /* with its last entry gone, nobody moves it any more */
	unsigned flags = om_page_flags(page);

	if (om_unlikely(!om_page_die(sys, page, flags, &dead->chain)))
		return false;
	dead->direct += flags & OM_PG_DIRECT;
	om_anon_page_leave(sys, page, object);
	return true;
}

OM_INLINE void om_rmap_dead_init(struct om_dead *dead)
{
	om_frame_chain_init(&dead->chain);
	dead->direct = 0;
}

OM_INLINE void om_rmap_dead_done(struct om_system *sys, const struct om_dead *dead)
{
	om_pfn_t shared = dead->chain.n - dead->direct / OM_PG_DIRECT;

	if (!dead->chain.n)
		return;
	om_count_mapped(sys, OM_MAPPED_ANON, -(int)dead->chain.n);
	if (shared)
		om_count_mapped(sys, OM_MAPPED_SHARED, -(int)shared);
	om_frame_free_chain(sys, &dead->chain);
}

OM_INLINE bool om_rmap_page_dup(struct om_system *sys, struct om_page *page,
                                const struct om_fork_part *part, unsigned pos, size_t *now_shared)
{
	unsigned flags;
	bool copy;

	om_anon_stock_up(sys, page);
	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	/*
	 * Only exclusive pages can be pinned or MADV_FREE'd, and only shared ones have many
	 * mappers.
	 */
	copy = flags & OM_PG_DIRECT ? om_page_pins(page) : page->mapcount >= OM_MAPCOUNT_MAX;
	if (om_unlikely(copy) ||
	    om_unlikely(!om_anon_page_share(sys, page, part, pos, flags & OM_PG_DIRECT))) {
		om_frame_unlock(sys, page);
		return false;
	}
	if (flags & OM_PG_DIRECT) {
		om_page_clear(page, OM_PG_DIRECT);
		++*now_shared;
		if (om_unlikely(flags & OM_PG_LAZYFREE))
			om_rmap_cancel_lazyfree(page);
	}
	page->counts++;
	om_frame_unlock(sys, page);
	return true;
}

OM_INLINE void om_rmap_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	om_anon_page_move(sys, page, from, old, table, pos);
}

/*
 * The page has an entry here. Is it the only one, and will it be? Then the page is exclusive from
 * now on. A mapcount of one can only grow by a fork of this mm, which wants the table's lock, or by
 * a swap-in of somebody who still holds the slot. Frame lock held.
 */
OM_INLINE bool om_rmap_page_claim(struct om_system *sys, struct om_shard *shard,
                                  struct om_page *page, struct om_vma *vma, struct om_page *table,
                                  unsigned pos)
{
	unsigned flags = om_page_flags(page);

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	if (flags & OM_PG_DIRECT)
		return true;
	if (page->mapcount != 1 || !(flags & OM_PG_ANON) ||
	    ((flags & OM_PG_SWAPCACHE) && !om_swapcache_is_sole(sys, page)))
		return false;
	om_anon_page_own(sys, page, vma, table, pos);
	om_page_set(page, OM_PG_DIRECT);
	om_count_in(shard, OM_EV_SHARED_TO_DIRECT, 1);
	return true;
}

OM_INLINE bool om_rmap_page_reuse(struct om_system *sys, struct om_shard *shard,
                                  struct om_page *page, struct om_vma *vma, struct om_page *table,
                                  unsigned pos)
{
	bool sole;

	om_frame_lock(sys, page);
	sole = om_rmap_page_claim(sys, shard, page, vma, table, pos);
	if (!sole)
		om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	return sole;
}

#endif
