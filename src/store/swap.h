/*
 * swap.h: the swap devices, and the one table that is both swap map and swap cache.
 *
 * A slot number is device << 26 | offset; 32 bits of it fit page-table entries. Its table entry
 * holds a count and the pfn of the page that caches it. I11: count = page-table entries (and
 * file-index entries of shared memory) that hold the slot, plus one if it is cached. A page in
 * the swap cache has OM_PG_SWAPCACHE, `slot`, and a reference for it. Swap-in always goes through
 * the cache, so a slot that a fault looks at cannot be freed and reused behind its back.
 *
 * What a caller can rely on: an entry changes by one atomic access, and while swap has plenty of
 * free slots, nothing that another CPU writes is written to take, put, count or look up one, but
 * once for many. A slot is refused only if none is free on any device that may be written to,
 * wherever it lies. Figures are exact at rest.
 *
 * swap.c: who holds a slot; slots.c: free ones; swapdev.c: devices; slot.h: what these share.
 * swapcache.c: pages in slots, and writing. swapin.c: reading, and with it what swapahead.c finds
 * worth reading.
 */
#ifndef OM_SWAP_H
#define OM_SWAP_H

#include "page/frame.h"

/* ---- slots (swap.c, slots.c); all may take SLOTS, SWAP ---- */

/*
 * Reserve up to n consecutive slots, best device first, but for what CPUs have aside; returns how
 * many (0: swap is full) and the first. No spinning lock is held. Each has count 1 (for the cache)
 * and waits for om_swapcache_add(), or om_slot_put() to give it back.
 */
unsigned om_slot_alloc(struct om_system *sys, unsigned n, uint32_t *first);

/* One more entry holds the slot. False if its count is full (nothing changed). */
bool om_slot_dup(struct om_system *sys, uint32_t slot);

/*
 * om_slot_dup() for an entry whose page shall leave memory: also false if the device is being
 * emptied, because then the page would have to come back at once, and swapoff would not come to
 * an end.
 */
bool om_slot_dup_out(struct om_system *sys, uint32_t slot);

/* One entry less; the last one frees the slot. Returns the count that is left. */
unsigned om_slot_put(struct om_system *sys, uint32_t slot);

/*
 * The caching page leaves: forget it and drop its count in one step. Returns the count that is
 * left.
 */
unsigned om_slot_uncache(struct om_system *sys, uint32_t slot);

/*
 * om_slot_count(), om_slot_pfn(), om_slot_is_unread() and om_slot_claim() take any number, as a
 * stale page-table entry may hold it: such a slot is not in use.
 */
unsigned om_slot_count(struct om_system *sys, uint32_t slot);

/* om_slot_count() of a slot that is held as long as this takes, so that no lock is needed. */
unsigned om_slot_count_used(struct om_system *sys, uint32_t slot);

/* The page that caches the slot right now, without a reference, or OM_NO_PFN. */
om_pfn_t om_slot_pfn(struct om_system *sys, uint32_t slot);

/* Set (pfn) or forget (OM_NO_PFN) the caching page; the count is not touched. */
void om_slot_set_pfn(struct om_system *sys, uint32_t slot, om_pfn_t pfn);

/* Reserve a slot that nobody holds until om_slot_put(); false if it is held, or not to be used. */
bool om_slot_reserve(struct om_system *sys, uint32_t slot);

/* In use, and not cached nor just allocated? */
bool om_slot_is_unread(struct om_system *sys, uint32_t slot);

/* Swap-in: if om_slot_is_unread(), cache `pfn` in it and count it. */
bool om_slot_claim(struct om_system *sys, uint32_t slot, om_pfn_t pfn);

/* For who takes any number: neither in use, nor in a CPU's list. */
bool om_slot_is_free(struct om_system *sys, uint32_t slot);

/*
 * Slots of the devices that may be written to, and how many are free: exact at rest, and never more
 * than there are. Takes SWAP. Cost: linear in the number of CPUs.
 */
void om_swap_figures(struct om_system *sys, uint32_t *slots, uint32_t *free);
uint32_t om_swap_free(struct om_system *sys);

/* Are there any? (a hint) Mostly reads one line. */
bool om_swap_has_room(const struct om_system *sys);

/* Is more than half of swap free? (a hint) */
bool om_swap_is_roomy(const struct om_system *sys);

/* The store behind a slot in use; the offset in it is om_slot_offset(). */
const struct om_swap_device *om_slot_device(struct om_system *sys, uint32_t slot);
static inline uint32_t om_slot_offset(uint32_t slot)
{
	return slot & ((1u << OM_SWAP_DEVICE_SHIFT) - 1);
}

/* ---- devices (swapdev.c) ---- */

/* Used by swapoff.c: the first used slot at or after *offset in a device; false if none. */
bool om_swapdev_next_used(struct om_system *sys, unsigned device, uint32_t *offset);
int om_swapdev_add(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint32_t slots, int priority, unsigned *device);
/*
 * Stop (or resume) allocating from a device. -OM_EINVAL if there is none or it is already so. When
 * it has stopped, no CPU has slots of it aside.
 */
int om_swapdev_set_writable(struct om_system *sys, unsigned device, bool writable);
/* Forget a device with no used slot. */
void om_swapdev_remove(struct om_system *sys, unsigned device);

/* ---- pages in slots (swapcache.c) ---- */

/* A page has come into the cache (1), or left it (-1); and how many are in it, exact at rest. */
static inline void om_swapcache_counts(struct om_system *sys, int n)
{
	atomic_fetch_add_explicit(&om_shard(sys)->slots.cached, (uint32_t)n, memory_order_relaxed);
}
uint32_t om_swapcache_pages(const struct om_system *sys);

/* Most pages in one transfer. */
#define OM_SWAP_RUN 32

/*
 * Put a page into the cache under a slot reserved by om_slot_alloc(). Page lock held. Takes a
 * reference. The page becomes dirty, as the slot has no contents yet, and counts as up to date.
 */
void om_swapcache_add(struct om_system *sys, struct om_page *page, uint32_t slot);

/*
 * Take a page out of the cache: drops its count on the slot and its reference. Page lock held;
 * the page lives on by another reference or entry of the caller's. The last copy of
 * its contents may now be in memory alone: who keeps the page sets OM_PG_DIRTY.
 */
void om_swapcache_del(struct om_system *sys, struct om_page *page);

/* Only the cache holds the page's slot? Frame lock held; false if it is not in the swap cache. */
bool om_swapcache_is_sole(struct om_system *sys, struct om_page *page);

/*
 * Nobody maps the page, and only the cache holds its slot: let both go, so that the caller's
 * om_page_put() frees the page. Does nothing if anybody else has a reference: then that one, or
 * reclaim, comes across it. Call after an entry of either kind has gone. The caller holds a
 * reference. Never sleeps and takes no page lock. Takes FRAME, SWAP.
 */
void om_swapcache_try_free(struct om_system *sys, struct om_page *page);

/*
 * An entry that held `slot` is gone: put it, and drop the cached page if that was the last. Never
 * sleeps. Takes FRAME, SWAP, FREE.
 */
void om_swap_free_entry(struct om_system *sys, uint32_t slot);

/* The cached page, referenced, or NULL. */
struct om_page *om_swapcache_lookup(struct om_system *sys, uint32_t slot);

/*
 * Write n pages that are cached in consecutive slots, `page[0]` in the first. Page locks held.
 * Clears OM_PG_DIRTY on success. On an error the pages stay dirty. May sleep.
 */
int om_swap_write(struct om_system *sys, const om_pfn_t page[], unsigned n);

/* ---- reading (swapin.c) ---- */

struct om_swap_near;

/* A fault has found the page in the cache: was it read ahead? Counts once, in `ahead`, too. */
bool om_swapcache_hit(struct om_system *sys, struct om_page *page, struct om_swap_ahead *ahead);

/*
 * The page of a slot, referenced, reading it if needed, and in the same transfer those slots near
 * it that are worth it, as far as there are frames above the reserve: they enter the cache with
 * OM_PG_READAHEAD. On success the page was up to date and in the cache under this slot when the
 * function looked: the caller locks it and checks again. `*read` tells whether a transfer took
 * place. Errors: -OM_ENOFRAME; -OM_EIO, of this page, whatever became of the others; -OM_EAGAIN
 * (the slot is no longer in use, or the page went away: look at the entry again).
 * Context: no spinning lock held, may sleep.
 */
int om_swap_readpages(struct om_system *sys, const struct om_swap_near *near, struct om_page **page,
                      bool *read);

/* om_swap_readpages() for who knows nothing of the slot's neighbours: a block of slots. */
int om_swap_readpage(struct om_system *sys, uint32_t slot, struct om_page **page, bool *read);

#endif
