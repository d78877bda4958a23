/*
 * swapcache.c: pages in swap slots: the cache, transfers, read-ahead.
 *
 * A slot has at most one page, and the page of a slot is found through the slot's table entry, so
 * the cache needs no structure of its own. OM_PG_SWAPCACHE and `slot` of the page and the entry's
 * pfn change together under the page's frame lock, inside which the swap lock is taken.
 *
 * A page enters empty in om_swap_readpage(): locked and not up to date, so that others who want it
 * sleep on its page lock. It enters full in om_swapcache_add(), when reclaim has given it a slot.
 */
#include "page/age.h"
#include "page/put.h"
#include "store/swap.h"

/* Pages that are being read: the aligned window of slots around the one that is wanted. */
struct window {
	uint32_t first; /* slot of page[0] */
	unsigned n, wanted;
	struct om_page *page[OM_SWAP_RUN]; /* locked, in the cache; NULL: not ours to read */
};

/* ---- in and out of the cache ---- */

void om_swapcache_add(struct om_system *sys, struct om_page *page, uint32_t slot)
{
	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, om_page_test(page, OM_PG_SWAPCACHE), "I11", page, page->slot, slot);
	om_page_ref_locked(sys, page);
	page->slot = slot;
	om_slot_set_pfn(sys, slot, om_page_pfn(sys, page));
	om_page_set(page, OM_PG_SWAPCACHE | OM_PG_DIRTY | OM_PG_UPTODATE);
	om_frame_unlock(sys, page);
	atomic_fetch_add_explicit(&sys->nr_swapcache, 1, memory_order_relaxed);
}

/* Frame lock held. */
static void leave_cache(struct om_system *sys, struct om_page *page)
{
	OM_BUG_ON(sys, !om_page_test(page, OM_PG_SWAPCACHE), "I11", page, page->slot, page->holds);
	om_page_clear(page, OM_PG_SWAPCACHE | OM_PG_READAHEAD);
	om_slot_uncache(sys, page->slot);
	page->slot = 0;
	om_page_unref_locked(sys, page);
	OM_BUG_ON(sys, om_page_is_dead(page), "I7", page, om_page_refs(page), 0);
	atomic_fetch_sub_explicit(&sys->nr_swapcache, 1, memory_order_relaxed);
}

void om_swapcache_del(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	om_frame_lock(sys, page);
	leave_cache(sys, page);
	om_frame_unlock(sys, page);
}

bool om_swapcache_is_sole(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	return om_page_test(page, OM_PG_SWAPCACHE) && om_slot_count(sys, page->slot) == 1;
}

/* Unmapped, in no file, and known to the cache and the caller alone. Frame lock held. */
static bool is_forgotten(const struct om_page *page)
{
	return page->mapcount == 0 && page->holds == 2 * OM_ONE_REF &&
	       (page->object == NULL || om_page_test(page, OM_PG_ANON)) &&
	       !om_page_test(page, OM_PG_LOCKED);
}

/*
 * The page lock is not needed: the frame lock keeps new references away, so nobody is left who
 * could hold or take it.
 */
void om_swapcache_try_free(struct om_system *sys, struct om_page *page)
{
	if (!om_page_test(page, OM_PG_SWAPCACHE))
		return;
	om_frame_lock(sys, page);
	if (is_forgotten(page) && om_swapcache_is_sole(sys, page))
		leave_cache(sys, page);
	om_frame_unlock(sys, page);
}

void om_swap_free_entry(struct om_system *sys, uint32_t slot)
{
	struct om_page *page;

	if (om_slot_put(sys, slot) != 1)
		return;
	page = om_swapcache_lookup(sys, slot);
	if (page) {
		om_swapcache_try_free(sys, page);
		om_page_put(sys, page);
	}
}

/* Take a reference if the page still caches the slot. */
static bool ref_if_cached(struct om_system *sys, struct om_page *page, uint32_t slot)
{
	bool cached;

	om_frame_lock(sys, page);
	cached =
	    page->kind == OM_KIND_DATA && om_page_test(page, OM_PG_SWAPCACHE) && page->slot == slot;
	if (cached)
		om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	return cached;
}

struct om_page *om_swapcache_lookup(struct om_system *sys, uint32_t slot)
{
	for (;;) {
		om_pfn_t pfn = om_slot_pfn(sys, slot);
		struct om_page *page;

		if (pfn == OM_NO_PFN)
			return NULL;
		page = om_page_of(sys, pfn);
		if (ref_if_cached(sys, page, slot))
			return page;
	}
}

/* ---- reading ---- */

/*
 * A page for the slot, locked, empty and in the cache. -OM_EAGAIN if the slot is not in use or has
 * a page already, -OM_ENOFRAME.
 */
static int enter_empty(struct om_system *sys, uint32_t slot, struct om_page **result)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, OM_PG_SWAPBACKED);
	bool claimed, locked;

	if (!page)
		return -OM_ENOFRAME;
	locked = om_page_trylock(sys, page);
	OM_BUG_ON(sys, !locked, "page lock", page, om_page_flags(page), slot);
	om_frame_lock(sys, page);
	claimed = om_slot_claim(sys, slot, om_page_pfn(sys, page));
	if (claimed) {
		page->slot = slot;
		om_page_ref_locked(sys, page);
		om_page_set(page, OM_PG_SWAPCACHE);
	}
	om_frame_unlock(sys, page);
	if (!claimed) {
		om_page_unlock_put(sys, page);
		return -OM_EAGAIN;
	}
	atomic_fetch_add_explicit(&sys->nr_swapcache, 1, memory_order_relaxed);
	*result = page;
	return 0;
}

/* The transfer failed: nobody shall find the page. Whoever waits for it sees that it left. */
static void abandon(struct om_system *sys, struct om_page *page)
{
	om_swapcache_del(sys, page);
	om_page_unlock_put(sys, page);
}

/*
 * The contents are here. The caller's reference stays. What was read ahead leaves again unless it is
 * used before the hand comes.
 */
static void slot_arrived(struct om_system *sys, struct om_page *page, unsigned flags)
{
	if (flags & OM_PG_READAHEAD)
		om_page_set_age(page, om_age_limit(sys, OM_AGE_ANON) - 1);
	om_page_set(page, OM_PG_UPTODATE | flags);
	om_page_unlock(sys, page);
}

/* Add the neighbours that are worth reading: in use, not cached, and a frame is free for them. */
static void fill_window(struct om_system *sys, struct window *w, uint32_t slot)
{
	uint32_t neighbour;

	w->n = 1u << sys->swap_cluster;
	w->wanted = slot & (w->n - 1);
	w->first = slot - w->wanted;
	for (unsigned i = 0; i < w->n; i++) {
		if (i == w->wanted)
			continue;
		w->page[i] = NULL;
		neighbour = w->first + i;
		if (om_frames_low(sys) || !om_slot_is_unread(sys, neighbour))
			continue;
		if (enter_empty(sys, neighbour, &w->page[i]))
			w->page[i] = NULL;
	}
}

static int read_slots(struct om_system *sys, uint32_t slot, struct om_page *const page[],
                      unsigned n)
{
	const struct om_swap_device *device = om_slot_device(sys, slot);
	void *frame[OM_SWAP_RUN];

	for (unsigned i = 0; i < n; i++)
		frame[i] = om_page_ptr(sys, page[i]);
	om_might_transfer(sys);
	if (device->ops->read(device->store, om_slot_offset(slot), n, frame)) {
		om_count(sys, OM_EV_SWAP_READ_ERR, 1);
		return -OM_EIO;
	}
	om_count(sys, OM_EV_PSWPIN, n);
	return 0;
}

/* Read-ahead of a page is over. Its entries may have gone meanwhile: then it is of no use. */
static void neighbour_done(struct om_system *sys, struct om_page *page, int err)
{
	if (err) {
		abandon(sys, page);
		return;
	}
	om_count(sys, OM_EV_SWAP_RA, 1);
	slot_arrived(sys, page, OM_PG_READAHEAD);
	om_swapcache_try_free(sys, page);
	om_page_put(sys, page);
}

/* Read pages [i, end) of the window in one transfer; the error counts only for the wanted one. */
static int read_run(struct om_system *sys, struct window *w, unsigned i, unsigned end)
{
	int err = read_slots(sys, w->first + i, &w->page[i], end - i), wanted_err = 0;
	bool mine = i <= w->wanted && w->wanted < end;

	if (mine) {
		wanted_err = err;
		if (err && end - i > 1) /* a neighbour may be to blame */
			wanted_err = read_slots(sys, w->first + w->wanted, &w->page[w->wanted], 1);
		if (wanted_err)
			abandon(sys, w->page[w->wanted]);
		else
			slot_arrived(sys, w->page[w->wanted], 0);
	}
	for (; i < end; i++) {
		if (i != w->wanted)
			neighbour_done(sys, w->page[i], err);
	}
	return wanted_err;
}

static int read_window(struct om_system *sys, struct window *w)
{
	unsigned i = 0, end;
	int err = 0, run_err;

	while (i < w->n) {
		if (!w->page[i]) {
			i++;
			continue;
		}
		for (end = i; end < w->n && w->page[end]; end++)
			;
		run_err = read_run(sys, w, i, end);
		if (run_err)
			err = run_err;
		i = end;
	}
	return err;
}

void om_swapcache_hit(struct om_system *sys, struct om_page *page)
{
	if (om_page_test(page, OM_PG_READAHEAD) &&
	    om_page_clear(page, OM_PG_READAHEAD) & OM_PG_READAHEAD)
		om_count(sys, OM_EV_SWAP_RA_HIT, 1);
}

/* A page found in the cache: wait until its contents are there. Drops it if they never come. */
static int await(struct om_system *sys, struct om_page *page)
{
	if (!om_page_test(page, OM_PG_UPTODATE)) {
		om_page_lock(sys, page);
		om_page_unlock(sys, page);
	}
	if (!om_page_test(page, OM_PG_UPTODATE)) {
		om_page_put(sys, page);
		return -OM_EAGAIN;
	}
	om_swapcache_hit(sys, page);
	return 0;
}

int om_swap_readpage(struct om_system *sys, uint32_t slot, struct om_page **page, bool *read)
{
	struct window w;
	int err;

	om_might_sleep(sys);
	*read = false;
	*page = om_swapcache_lookup(sys, slot);
	if (*page)
		return await(sys, *page);
	err = enter_empty(sys, slot, page);
	if (err)
		return err;
	fill_window(sys, &w, slot);
	w.page[w.wanted] = *page;
	*read = true;
	om_age_note_refault(sys, OM_AGE_ANON);
	return read_window(sys, &w);
}

/* ---- writing ---- */

/* One transfer. DIRTY goes before it starts, so that no later store is taken for written. */
static int write_slots(struct om_system *sys, struct om_page *const page[], unsigned n)
{
	const struct om_swap_device *device = om_slot_device(sys, page[0]->slot);
	void *frame[OM_SWAP_RUN];
	unsigned i;

	for (i = 0; i < n; i++) {
		OM_ASSERT(sys, page[i]->slot == page[0]->slot + i, "I11", page[i]);
		om_page_clear(page[i], OM_PG_DIRTY);
		frame[i] = om_page_ptr(sys, page[i]);
	}
	om_might_transfer(sys);
	if (!device->ops->write(device->store, om_slot_offset(page[0]->slot), n, frame)) {
		om_count(sys, OM_EV_PSWPOUT, n);
		return 0;
	}
	for (i = 0; i < n; i++)
		om_page_set(page[i], OM_PG_DIRTY);
	om_count(sys, OM_EV_SWAP_WRITE_ERR, 1);
	return -OM_EIO;
}

int om_swap_write(struct om_system *sys, struct om_page *const page[], unsigned n)
{
	int err = 0, run_err;

	om_might_sleep(sys);
	while (n) {
		unsigned run = n < OM_SWAP_RUN ? n : OM_SWAP_RUN;

		run_err = write_slots(sys, page, run);
		if (run_err)
			err = run_err;
		page += run;
		n -= run;
	}
	return err;
}
