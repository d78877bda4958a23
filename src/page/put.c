/*
 * put.c: the end of a data page: dropping a hold on it, and freeing it with the last.
 *
 * A page is on no list, so its death concerns nobody but who has it.
 */
#include "page/put.h"

#include "page/frame.h"
#include "page/unevictable.h"

void om_frame_release_dead(struct om_system *sys, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_BUG_ON(sys, page->kind != OM_KIND_DATA, "I7", page, page->kind, flags);
	OM_BUG_ON(sys, page->mapcount || page->holds, "I7", page, page->mapcount, page->holds);
	OM_BUG_ON(sys, flags & OM_PG_SWAPCACHE, "I7", page, flags, page->slot);
	if (om_unlikely(flags & OM_PG_UNEVICTABLE))
		om_page_munlock_all(sys, page);
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
