/*
 * page.c: the page lock.
 *
 * The page lock is the bit OM_PG_LOCKED; OM_PG_WAITERS says that somebody sleeps on it, and stays
 * as long as that is so. It is handed over to the first sleeper (sleep.c): a page that many want,
 * of a file that has just been read, goes from one to the next. Whoever waits for a page holds a
 * reference or has isolated it: a free frame has no waiters.
 */
#include "page/page.h"

/* Take the lock, or leave the mark; the queue of sleepers is locked. */
static bool take(void *arg)
{
	struct om_page *page = arg;
	uint16_t flags = (uint16_t)om_page_flags(page);

	for (;;) {
		bool locked = flags & OM_PG_LOCKED;
		unsigned add = locked ? OM_PG_WAITERS : OM_PG_LOCKED;

		if ((locked && (flags & OM_PG_WAITERS)) ||
		    atomic_compare_exchange_weak_explicit(&page->flags, &flags,
		                                          (uint16_t)(flags | add),
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return !locked;
	}
}

static void last_waiter(void *arg)
{
	om_page_clear(arg, OM_PG_WAITERS);
}

void om_page_lock(struct om_system *sys, struct om_page *page)
{
	if (OM_DEBUG)
		om_held_push(sys, &page->flags, OM_RANK_PAGE, true);
	if (om_unlikely(om_page_set(page, OM_PG_LOCKED) & OM_PG_LOCKED))
		om_sleep(sys, page, take, page);
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
	uint16_t flags = (uint16_t)om_page_flags(page);

	if (OM_DEBUG)
		om_held_pop(sys, &page->flags);
	OM_ASSERT(sys, flags & OM_PG_LOCKED, "lock not held", page);
	do {
		if (om_unlikely(flags & OM_PG_WAITERS)) {
			om_hand_over(sys, page, last_waiter, page);
			return;
		}
	} while (!atomic_compare_exchange_weak_explicit(&page->flags, &flags,
	                                                (uint16_t)(flags & ~OM_PG_LOCKED),
	                                                memory_order_release,
	                                                memory_order_relaxed));
}
