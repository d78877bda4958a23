/*
 * fetch.h: what a fault has to wait for, with no lock held.
 *
 * No lock but the page's own is held while a store works: a transfer that hangs stops the thread
 * that wants the page, and nobody else. So a fault that meets a page that is absent, or locked by
 * somebody, notes it in its struct om_fetch and answers -OM_EFETCH; the outermost function gives
 * up mmap_lock, waits (om_fetch_wait) and starts the fault again. The page that came is held by a
 * reference until the fault is over, so it cannot leave again meanwhile.
 */
#ifndef OM_FETCH_H
#define OM_FETCH_H

#include "page/page.h"
#include "store/readahead.h"
#include "store/swapahead.h"

enum om_fetch_kind {
	OM_FETCH_NOTHING,
	OM_FETCH_LOCKED, /* `page` is in memory: wait for its lock */
	OM_FETCH_FILE,   /* page `index` of `mapping`, and what `ahead` says */
	OM_FETCH_SLOT,   /* the page of a swap slot, and those near it that are worth reading */
	OM_FETCH_ASK,    /* the store of `mapping`, whether page `index` may be written */
};

struct om_fetch {
	enum om_fetch_kind kind;
	struct om_mapping *mapping; /* referenced, or NULL */
	uintptr_t index;
	struct om_ahead ahead;
	struct om_swap_near near;
	struct om_page *page; /* referenced, or NULL */
	bool locked;          /* `page` is locked by this thread, for the try that comes */
	bool read;            /* there was a transfer */
	int err;              /* the transfer of (kind, mapping and index, or slot) failed */
};

/*
 * Note what to wait for; return -OM_EFETCH. `fetch` may be NULL: the fault that is started again
 * will have one. om_fetch_locked() takes over the caller's reference to the page. Any context.
 */
int om_fetch_locked(struct om_system *sys, struct om_fetch *fetch, struct om_page *page);
int om_fetch_file(struct om_fetch *fetch, struct om_mapping *mapping, uintptr_t index,
                  struct om_ahead ahead);
int om_fetch_slot(struct om_fetch *fetch, const struct om_swap_near *near);

/* The page that was waited for, if its lock is the caller's now; or NULL. */
static inline struct om_page *om_fetch_mine(const struct om_fetch *fetch)
{
	return fetch && fetch->locked ? fetch->page : NULL;
}

/* The fault has taken over the lock of om_fetch_mine(). */
static inline void om_fetch_taken(struct om_fetch *fetch)
{
	fetch->locked = false;
}

/*
 * om_page_trylock() for a page that the fault has found: also true if it is the one that was
 * waited for, whose lock is the caller's from now on.
 */
static inline bool om_fetch_trylock(struct om_system *sys, struct om_fetch *fetch,
                                    struct om_page *page)
{
	if (om_likely(page != om_fetch_mine(fetch)))
		return om_page_trylock(sys, page);
	om_fetch_taken(fetch);
	return true;
}

/* The try is over and did not take the lock. Any context. */
void om_fetch_unlock(struct om_system *sys, struct om_fetch *fetch);

/* Has the transfer just failed that the fault would ask for now? Then its error, else 0. */
int om_fetch_file_error(const struct om_fetch *fetch, const struct om_mapping *mapping,
                        uintptr_t index);
int om_fetch_slot_error(const struct om_fetch *fetch, uint32_t slot);

/*
 * A shared entry of a file's page, which the fault has locked, is about to become writable. 0: go
 * on; -OM_EFETCH: the store wants to be asked first (om_store_ops.page_mkwrite); OM_FAULT_BUS or
 * OM_FAULT_OOM: it has said no.
 *
 * When it agrees the page becomes dirty, and that ties the answer to the page: write-back, or
 * truncation, takes it away and with it what the store has set aside. Then it is asked again.
 */
int om_fetch_ask(struct om_system *sys, struct om_fetch *fetch, struct om_mapping *mapping,
                 struct om_page *page);

static inline int om_fetch_mkwrite(struct om_system *sys, struct om_fetch *fetch,
                                   struct om_mapping *mapping, struct om_page *page)
{
	if (om_likely(!mapping->ops || !mapping->ops->page_mkwrite))
		return 0;
	return om_fetch_ask(sys, fetch, mapping, page);
}

/*
 * Wait for what was noted. 0: start the fault again; it will find the page, or the error;
 * -OM_ENOFRAME.
 * Context: no lock held, may sleep.
 */
int om_fetch_wait(struct om_system *sys, struct om_fetch *fetch);

/*
 * The fault is over: drop what it holds. Context: no other lock held; may sleep (om_mapping_put).
 */
void om_fetch_end(struct om_system *sys, struct om_fetch *fetch);

#endif
