/*
 * page.c: the page lock.
 *
 * The page lock is the bit OM_PG_LOCKED. A thread about to sleep sets OM_PG_WAITERS in the atomic
 * step that finds the page locked, under the port's bucket lock; unlocking clears both bits at once
 * and wakes if the second was set. So a wake-up is never lost and an uncontended unlock calls
 * nobody. Whoever waits for a page holds a reference or has isolated it: a free frame has no
 * waiters.
 */
#include "page/page.h"

static bool page_blocked(const void *arg)
{
	struct om_page *page = (struct om_page *)(uintptr_t)arg;
	uint16_t flags = (uint16_t)om_page_flags(page);

	while (flags & OM_PG_LOCKED)
		if ((flags & OM_PG_WAITERS) ||
		    atomic_compare_exchange_weak(&page->flags, &flags,
		                                 (uint16_t)(flags | OM_PG_WAITERS)))
			return true;
	return false;
}

void om_page_lock(struct om_system *sys, struct om_page *page)
{
	if (OM_DEBUG)
		om_held_push(sys, &page->flags, OM_RANK_PAGE, true);
	while (om_unlikely(om_page_set(page, OM_PG_LOCKED) & OM_PG_LOCKED))
		om_wait(sys, page, page_blocked, page);
}

bool om_page_trylock(struct om_system *sys, struct om_page *page)
{
	if (om_page_test(page, OM_PG_LOCKED) || (om_page_set(page, OM_PG_LOCKED) & OM_PG_LOCKED))
		return false;
	if (OM_DEBUG)
		om_held_push(sys, &page->flags, OM_RANK_PAGE, false);
	return true;
}

void om_page_unlock(struct om_system *sys, struct om_page *page)
{
	unsigned old;

	if (OM_DEBUG)
		om_held_pop(sys, &page->flags);
	old = om_page_clear(page, OM_PG_LOCKED | OM_PG_WAITERS);
	OM_ASSERT(sys, old & OM_PG_LOCKED, "lock not held", page);
	if (om_unlikely(old & OM_PG_WAITERS))
		om_wake(sys, page);
}
