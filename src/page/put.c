/*
 * put.c: the end of a data page: dropping a hold on it, and freeing it with the last.
 *
 * This lies above the free list and the page lists, because a page that dies leaves its list first.
 */
#include "page/put.h"

#include "page/frame.h"
#include "page/lru.h"

/*
 * om_lru_isolate() takes pages under the LRU lock alone, so a page may turn from LRU to ISOLATED
 * under our eyes. Once it is not LRU it cannot: nobody lists it without the frame lock. If it is
 * isolated then, it belongs to the isolator, whose om_lru_putback() finds it dead.
 */
void om_frame_release_dead(struct om_system *sys, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_BUG_ON(sys, page->kind != OM_KIND_DATA, "I7", page, page->kind, flags);
	OM_BUG_ON(sys, page->mapcount || page->holds, "I7", page, page->mapcount, page->holds);
	OM_BUG_ON(sys, flags & OM_PG_SWAPCACHE, "I7", page, flags, page->slot);
	if (flags & OM_PG_LRU)
		om_lru_del(sys, page);
	else if (om_unlikely(flags & OM_PG_UNEVICTABLE))
		om_page_munlock_all(sys, page);
	if (om_unlikely(om_page_test(page, OM_PG_ISOLATED))) {
		om_frame_unlock(sys, page);
		return;
	}
	OM_ASSERT(sys, !om_page_test(page, OM_PG_LOCKED), "I7", page);
	om_frame_make_free(sys, page);
}

bool om_page_unlock_or_free(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	if (om_likely(!om_page_is_dead(page))) {
		om_frame_unlock(sys, page);
		return false;
	}
	om_frame_release_dead(sys, page);
	return true;
}

void om_page_put(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, om_page_refs(page) == 0, "refs underflow", page, page->mapcount,
	          page->holds);
	om_page_unref_locked(sys, page);
	om_page_unlock_or_free(sys, page);
}

/* ---- isolated pages ---------------------------------------------------------------------- */

/* It died while we had it: ours to free if the batch it died in has passed, else the batch's. */
static void putback_dying(struct om_system *sys, struct om_page *page)
{
	bool ours;

	om_lru_lock(sys);
	ours = om_page_clear(page, OM_PG_ISOLATED) & OM_PG_ORPHAN;
	if (ours)
		atomic_store_explicit(&page->flags, 0, memory_order_release);
	om_lru_unlock(sys);
	om_frame_unlock(sys, page);
	if (ours)
		om_frame_free_chain(sys, page, page, 1);
}

void om_lru_putback(struct om_system *sys, struct om_page *page)
{
	unsigned old;

	om_frame_lock(sys, page);
	if (om_unlikely(page->kind == OM_KIND_FREE)) {
		putback_dying(sys, page);
		return;
	}
	old = om_page_clear(page, OM_PG_ISOLATED);
	OM_BUG_ON(sys, !(old & OM_PG_ISOLATED), "lru", page, old, page->kind);
	if (!om_page_is_dead(page))
		om_lru_add(sys, page);
	om_page_unlock_or_free(sys, page);
}
