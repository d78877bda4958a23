/*
 * unevictable.c: counting the entries that keep a page in memory (I12).
 */
#include "page/unevictable.h"

static void assert_frame_locked(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_ASSERT(sys, page->kind == OM_KIND_DATA, "I8", page);
}

void om_page_mlock(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	if (om_page_test(page, OM_PG_UNEVICTABLE)) {
		if (page->mlocked < OM_MLOCKED_MAX)
			page->mlocked++;
		return;
	}
	page->mlocked = 1;
	om_page_set(page, OM_PG_UNEVICTABLE);
	atomic_fetch_add_explicit(&sys->nr_unevictable, 1, memory_order_relaxed);
	om_count(sys, OM_EV_UNEVICTABLE_IN, 1);
}

static void make_evictable(struct om_system *sys, struct om_page *page)
{
	page->mlocked = 0;
	om_page_clear(page, OM_PG_UNEVICTABLE);
	atomic_fetch_sub_explicit(&sys->nr_unevictable, 1, memory_order_relaxed);
	om_count(sys, OM_EV_UNEVICTABLE_OUT, 1);
}

void om_page_munlock(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	OM_BUG_ON(sys, !om_page_test(page, OM_PG_UNEVICTABLE) || page->mlocked == 0, "I12", page,
	          om_page_flags(page), page->mlocked);
	if (page->mlocked == OM_MLOCKED_MAX)
		return;
	if (page->mlocked == 1)
		make_evictable(sys, page);
	else
		page->mlocked--;
}

void om_page_munlock_all(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	OM_ASSERT(sys, page->mapcount == 0, "I12", page);
	if (om_page_test(page, OM_PG_UNEVICTABLE))
		make_evictable(sys, page);
}
