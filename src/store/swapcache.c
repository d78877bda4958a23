/*
 * swapcache.c: pages in swap slots: the cache, and writing.
 *
 * A slot has at most one page, and the page of a slot is found through the slot's table entry, so
 * the cache needs no structure of its own. OM_PG_SWAPCACHE and `slot` of the page and the entry's
 * pfn change together under the page's frame lock.
 *
 * A page enters empty when it is about to be read (swapin.c), or full in om_swapcache_add(), when
 * reclaim has given it a slot.
 */
#include "page/put.h"
#include "store/swap.h"

/* ---- in and out of the cache ---- */

/* One CPU may count down what another one counted up: numbers wrap. */
uint32_t om_swapcache_pages(const struct om_system *sys)
{
	uint32_t n = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += atomic_load_explicit(&sys->shard[i].slots.cached, memory_order_relaxed);
	return (int32_t)n < 0 ? 0 : n;
}

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
	om_swapcache_counts(sys, 1);
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
	om_swapcache_counts(sys, -1);
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
	return om_page_test(page, OM_PG_SWAPCACHE) && om_slot_count_used(sys, page->slot) == 1;
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

/* ---- writing ---- */

/* One transfer. DIRTY goes before it starts, so that no later store is taken for written. */
static int write_slots(struct om_system *sys, const om_pfn_t page[], unsigned n)
{
	uint32_t slot = om_page_of(sys, page[0])->slot;
	const struct om_swap_device *device = om_slot_device(sys, slot);
	void *frame[OM_SWAP_RUN];
	unsigned i;
	int err;

	for (i = 0; i < n; i++) {
		struct om_page *p = om_page_of(sys, page[i]);

		OM_ASSERT(sys, p->slot == slot + i, "I11", p);
		om_page_clear(p, OM_PG_DIRTY);
		frame[i] = om_arch_frame(&sys->arch, page[i]);
	}
	om_might_transfer(sys);
	err = device->ops->write(device->store, om_slot_offset(slot), n, frame);
	if (!err) {
		om_count(sys, OM_EV_PSWPOUT, n);
		return 0;
	}
	for (i = 0; i < n; i++)
		om_page_set(om_page_of(sys, page[i]), OM_PG_DIRTY);
	if (err == -OM_EAGAIN)
		return err;
	om_count(sys, OM_EV_SWAP_WRITE_ERR, 1);
	return -OM_EIO;
}

int om_swap_write(struct om_system *sys, const om_pfn_t page[], unsigned n)
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
