/*
 * put.h: dropping a hold on a data page, and freeing it with the last (see page.h for what holds
 * one).
 */
#ifndef OM_PUT_H
#define OM_PUT_H

#include "page/frame.h"

/* Drop a reference, and the page with the last. Takes FRAME, FREE. */
void om_page_put(struct om_system *sys, struct om_page *page);

static inline void om_page_unlock_put(struct om_system *sys, struct om_page *page)
{
	om_page_unlock(sys, page);
	om_page_put(sys, page);
}

/* Frame lock held, released on return: free the page if it is dead. True if it was. */
bool om_page_unlock_or_free(struct om_system *sys, struct om_page *page);

/*
 * Return a dead data page; its frame lock is held and is released. Takes FREE.
 */
void om_frame_release_dead(struct om_system *sys, struct om_page *page);

/*
 * Freeing many pages at once. An anonymous page that nothing holds but its last entry, which is
 * gone, dies at once: it is FREE, and the caller's. False, and nothing done: it is not such a page.
 * `flags` are its flags. Frame lock held.
 */
OM_INLINE bool om_page_end(struct om_system *sys, struct om_page *page, unsigned flags)
{
	const unsigned plain = OM_PG_DIRECT | OM_PG_REFERENCED | OM_PG_DIRTY | OM_PG_UPTODATE |
	                       OM_PG_SWAPBACKED | OM_PG_LAZYFREE | OM_PG_READAHEAD | OM_PG_AGE;

	OM_ASSERT(sys, om_held(sys, &page->lock) && page->mapcount == 1, "I1", page);
	if (om_unlikely((flags & ~plain) != OM_PG_ANON || page->holds))
		return false;
	page->counts = 0;
	page->kind = OM_KIND_FREE;
	page->object = NULL;
	atomic_store_explicit(&page->flags, 0, memory_order_release);
	return true;
}

/* As om_page_end(); it waits in the chain for om_frame_free_chain(). */
OM_INLINE bool om_page_die(struct om_system *sys, struct om_page *page, unsigned flags,
                           struct om_frame_chain *chain)
{
	if (om_unlikely(!om_page_end(sys, page, flags)))
		return false;
	om_frame_chain_add(sys, chain, page);
	return true;
}

#endif
