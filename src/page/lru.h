/*
 * lru.h: the page lists: active and inactive, for anonymous (swap-backed) and file pages, and the
 * unevictable state that locked pages leave them for.
 *
 * Reclaim isolates pages into an array, not a list: OM_PG_ISOLATED then stands for a reference,
 * and the link words are free for the `mlocked` count of a page that becomes unevictable
 * meanwhile. Locked pages are on no list: they are counted, and found through their page tables
 * alone.
 */
#ifndef OM_LRU_H
#define OM_LRU_H

#include "page/frame.h"

void om_lru_init(struct om_system *sys);

static inline void om_lru_lock(struct om_system *sys)
{
	om_spin_lock(sys, &sys->lru_lock, OM_RANK_LRU);
}

static inline void om_lru_unlock(struct om_system *sys)
{
	om_spin_unlock(sys, &sys->lru_lock);
}

/* The list that a page of these flags belongs to. */
OM_INLINE struct om_pfn_list *om_lru_list_of(struct om_system *sys, unsigned flags)
{
	if (flags & OM_PG_SWAPBACKED)
		return &sys->lru[flags & OM_PG_ACTIVE ? OM_LRU_ACTIVE_ANON : OM_LRU_INACTIVE_ANON];
	return &sys->lru[flags & OM_PG_ACTIVE ? OM_LRU_ACTIVE_FILE : OM_LRU_INACTIVE_FILE];
}

/*
 * Put a page on the list its flags (SWAPBACKED, ACTIVE) say, at the head, unless it is listed,
 * isolated or unevictable. Frame lock held. Takes LRU.
 */
void om_lru_add(struct om_system *sys, struct om_page *page);

/*
 * List a page that is new, has no flags and that only the caller knows: gives it `flags`,
 * which say which list, all at once. Frame lock held. Takes LRU.
 */
OM_INLINE void om_lru_add_new(struct om_system *sys, struct om_page *page, unsigned flags)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_ASSERT(sys, om_page_flags(page) == 0, "lru", page);
	om_lru_lock(sys);
	om_pfn_list_push(sys, om_lru_list_of(sys, flags), page);
	atomic_store_explicit(&page->flags, (uint16_t)(flags | OM_PG_LRU), memory_order_release);
	om_lru_unlock(sys);
}

/* Take a page off its list, if it is on one. Frame lock held. Takes LRU. */
void om_lru_del(struct om_system *sys, struct om_page *page);

/*
 * Freeing many pages at once. A page on a list that nothing holds but its last entry, which is
 * gone, dies at once: it is FREE, but still listed. The caller must hand it to
 * om_lru_free_dying() soon. False, and nothing done: it is not such a page. Frame lock held.
 *
 * Reclaim may isolate a dying page before that, and put it back. Under the LRU lock the two agree
 * who frees it: OM_PG_ORPHAN says that the batch has been here and left it to the isolator.
 */
OM_INLINE bool om_lru_page_die(struct om_system *sys, struct om_page *page)
{
	const unsigned plain = OM_PG_ANON | OM_PG_DIRECT | OM_PG_LRU | OM_PG_ACTIVE |
	                       OM_PG_REFERENCED | OM_PG_DIRTY | OM_PG_UPTODATE | OM_PG_SWAPBACKED |
	                       OM_PG_LAZYFREE | OM_PG_READAHEAD;

	unsigned flags = om_page_flags(page);

	OM_ASSERT(sys, om_held(sys, &page->lock) && page->mapcount == 1, "I1", page);
	if (om_unlikely((flags & ~plain) || !(flags & OM_PG_LRU) || page->holds))
		return false;
	page->mapcount = 0;
	page->kind = OM_KIND_FREE;
	page->object = NULL;
	return true;
}

/* n dying pages leave their lists for the free list. Takes LRU and FREE, once for all. */
void om_lru_free_dying(struct om_system *sys, struct om_page *const page[], unsigned n);

/*
 * Move a listed page to the list that results from setting and clearing flags (ACTIVE,
 * SWAPBACKED); at the head, or at the tail (next to be reclaimed). An isolated or unevictable
 * page just changes its flags. Frame lock held. Takes LRU.
 */
void om_lru_move(struct om_system *sys, struct om_page *page, unsigned set, unsigned clear,
                 bool tail);

/*
 * Isolate up to n pages from the tail of a list into batch[]; returns how many. They may be dead
 * already: om_lru_putback() frees such a page. Takes LRU.
 */
unsigned om_lru_isolate(struct om_system *sys, enum om_lru_list list, struct om_page **batch,
                        unsigned n);

/* Isolate this page if it is on a list. Frame lock held. Takes LRU. */
bool om_lru_isolate_page(struct om_system *sys, struct om_page *page);

/*
 * A PTE of a VM_LOCKED area maps the page now: first time, it leaves the LRU (I12). And the
 * reverse; the last takes it back to a list. Frame lock held. Take LRU.
 */
void om_page_mlock(struct om_system *sys, struct om_page *page);
void om_page_munlock(struct om_system *sys, struct om_page *page);
/*
 * The page is mapped nowhere any more: whatever `mlocked` says, it is evictable. Frame lock held.
 */
void om_page_munlock_all(struct om_system *sys, struct om_page *page);

/*
 * Mark a page as used: unreferenced -> REFERENCED -> ACTIVE (second chance). Takes nothing, or
 * FRAME and LRU when it activates.
 */
void om_page_touch(struct om_system *sys, struct om_page *page);

#endif
