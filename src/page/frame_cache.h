/*
 * frame_cache.h: where free frames are: with the machine, and in a cache for each CPU.
 *
 * A CPU takes frames from its own cache and brings them back there, and writes no line that others
 * write; a bundle at a time comes from the machine and goes there, neighbours together. This is
 * only while memory is plenty (sys->caching). When the machine's frames fall below the low
 * watermark, every cache is emptied into its list and shut: then the machine has all free frames
 * there are, and everything about watermarks, the reserve, and who gets the last frame is decided
 * there, under one lock. So no request fails while another CPU's cache holds a frame. Machines with
 * one CPU, and small ones, have no other state.
 *
 * Which list to try first (cache.first) is read without a lock: whoever finds a cache empty, full
 * or shut after all, under its lock, goes to the machine's list.
 */
#ifndef OM_FRAME_CACHE_H
#define OM_FRAME_CACHE_H

#include "page/runs.h"

/* Frames that move together, mostly: a block. A cache holds twice as many at most. */
#define OM_BUNDLE OM_BLOCK

/* A machine with fewer frames than this for each shard has no caches. */
#define OM_CACHED_FRAMES 256

/* Is there more than one CPU, and memory enough? */
OM_INLINE bool om_has_caches(const struct om_system *sys)
{
	return sys->cpu_mask &&
	       atomic_load_explicit(&sys->nr_owned, memory_order_relaxed) / OM_CACHED_FRAMES >
	           sys->cpu_mask;
}

/* A system that is all zeros gets its shards: 1 for each CPU, and as many more as it takes. */
void om_free_init(struct om_system *sys, unsigned nr_cpus);

/* The number of shards for so many CPUs. */
unsigned om_nr_shards(unsigned nr_cpus);

/* The list to try first. Any context. */
OM_INLINE struct om_free_list *om_free_list(const struct om_shard *shard)
{
	return atomic_load_explicit(&shard->cache.first, memory_order_relaxed);
}

OM_INLINE void om_free_lock(struct om_system *sys, struct om_free_list *list)
{
	om_spin_lock(sys, &list->lock, list == &sys->free ? OM_RANK_FREE : OM_RANK_CACHE);
}

/* Where a kind other than DATA is counted: OBJECT, INDEX, USER, and all tables. */
OM_INLINE unsigned om_counted_as(unsigned kind)
{
	return kind < OM_KIND_TABLE ? kind - OM_KIND_OBJECT : OM_NR_COUNTED - 1;
}

_Static_assert(OM_KIND_USER - OM_KIND_OBJECT == OM_NR_COUNTED - 2, "each has a place of its own");

/* A frame of this kind has left the list (1) or come back (-1). Its lock is held. */
OM_INLINE void om_free_count(struct om_free_list *list, unsigned kind, int n)
{
	_Atomic om_pfn_t *sum;

	if (kind == OM_KIND_DATA)
		return;
	sum = &list->kind[om_counted_as(kind)];
	atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + (om_pfn_t)n,
	                      memory_order_relaxed);
}

/* The list's lock is held. NULL: none that is linked, or the reserve is not for data. */
OM_INLINE struct om_page *om_free_pop(struct om_system *sys, struct om_free_list *list,
                                      unsigned kind)
{
	om_pfn_t n = atomic_load_explicit(&list->n, memory_order_relaxed);
	struct om_page *page;

	OM_ASSERT(sys, om_held(sys, &list->lock), "free list", list);
	if (om_unlikely(kind == OM_KIND_DATA ? n <= list->floor : list->head == OM_NO_PFN))
		return NULL;
	page = om_page_of(sys, list->head);
	list->head = page->link.next;
	atomic_store_explicit(&list->n, n - 1, memory_order_relaxed);
	om_free_count(list, kind, 1);
	return page;
}

/* The list's lock is held. False: it takes no frame more, or not so simply. */
OM_INLINE bool om_free_push(struct om_system *sys, struct om_free_list *list, struct om_page *page)
{
	om_pfn_t n = atomic_load_explicit(&list->n, memory_order_relaxed);
	om_pfn_t pfn = om_page_pfn(sys, page);

	OM_ASSERT(sys, om_held(sys, &list->lock), "free list", list);
	if (om_unlikely(n >= list->max))
		return false;
	page->link.next = list->head;
	list->head = pfn;
	if (n == 0)
		list->last = pfn;
	atomic_store_explicit(&list->n, n + 1, memory_order_relaxed);
	return true;
}

/*
 * The list that was tried first has none: a frame as from om_free_pop(), if there is any, wherever
 * it is. Takes CACHE, FREE.
 */
OM_COLD struct om_page *om_free_find(struct om_system *sys, unsigned kind);

/*
 * Frames that nobody has: they are free, and linked from the first to the last. Takes CACHE, FREE.
 * Cost: O(1) on one CPU, or if memory is short; else linear in frames that go to the machine.
 */
void om_free_bundle(struct om_system *sys, struct om_bundle b);

/*
 * As many FREE frames for data as a leaf table maps, side by side (om_runs_take_table()), which
 * nobody else gets from now on; OM_NO_PFN: there are none, or with them gone less would be free
 * than the high watermark says. Takes FREE. Cost: linear in their number.
 */
om_pfn_t om_free_take_table(struct om_system *sys);

/* Frames of one block that nobody has are the machine's. Takes FREE. Cost: O(1). */
void om_free_piece(struct om_system *sys, struct om_piece piece);

/* The last frames, which are not for data. The free lock is held. */
void om_free_set_reserve(struct om_system *sys, om_pfn_t n);

/*
 * Watermarks have moved or memory has come: are there to be caches? Takes FREE, CACHE. Cost: linear
 * in the number of CPUs if not.
 */
void om_free_settle(struct om_system *sys);

/*
 * All free frames. While others take and free some, those that move between two lists may be
 * counted twice or not at all; at rest, and when memory is short, the figure is exact. Any context.
 */
om_pfn_t om_frames_free(const struct om_system *sys);

/*
 * The machine's frames, linked or in runs: never more than are free, and all of them when memory is
 * short. Any context; reads one line.
 */
OM_INLINE om_pfn_t om_frames_at_hand(const struct om_system *sys)
{
	return atomic_load_explicit(&sys->free.n, memory_order_relaxed);
}

/* The last frames of all, which are not for data. */
OM_INLINE om_pfn_t om_frames_reserve(const struct om_system *sys)
{
	return atomic_load_explicit(&sys->mark_min, memory_order_relaxed);
}

/*
 * Is memory below the low watermark? While there are caches it is not, because they are given up
 * before: then this asks the CPU's own list, whose watermark is 0, and reads no line of others.
 */
OM_INLINE bool om_frames_low(const struct om_shard *shard)
{
	const struct om_free_list *list = om_free_list(shard);

	return atomic_load_explicit(&list->n, memory_order_relaxed) <
	       atomic_load_explicit(&list->low, memory_order_relaxed);
}

/*
 * Frames of this kind, DATA or a later one; all levels of page tables are one kind. As exact as
 * om_frames_free(). Cost: linear in the number of CPUs.
 */
om_pfn_t om_frames_of_kind(const struct om_system *sys, unsigned kind);

#endif
