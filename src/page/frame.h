/*
 * frame.h: taking and freeing frames.
 *
 * Allocation never reclaims: it fails, locks are released up to its outermost
 * function, and that one calls om_reclaim_retry() (reclaim.h) and starts again.
 */
#ifndef OM_FRAME_H
#define OM_FRAME_H

#include "page/frame_cache.h"

/* Tests make allocations fail on demand (ports/sim/fail.h). */
#ifndef OM_FAIL_HOOK
#define OM_FAIL_HOOK(sys) false
#endif

/*
 * A frame of the given kind, or NULL. `flags` are its first flags; refs is 1 (the caller's),
 * mapcount and pins are 0, `object` is NULL; index, slot and links mean nothing yet. Contents are
 * undefined. The last `min` frames (om_set_watermarks()) serve kinds other than DATA only. NULL
 * means that no frame is free, not in another CPU's cache either.
 * Context: any; takes CACHE and FREE, and after them FRAME.
 */
struct om_page *om_frame_get(struct om_system *sys, enum om_kind kind, unsigned flags);

/*
 * om_frame_get() for the hot paths, which know their CPU. A free frame has nothing left of its
 * past: no field needs clearing.
 */
OM_INLINE struct om_page *om_frame_take(struct om_system *sys, const struct om_shard *shard,
                                        unsigned kind, unsigned flags)
{
	struct om_free_list *list = om_free_list(shard);
	struct om_page *page;

	if (OM_FAIL_HOOK(sys))
		return NULL;
	om_free_lock(sys, list);
	page = om_free_pop(sys, list, kind);
	om_spin_unlock(sys, &list->lock);
	if (om_unlikely(!page)) {
		page = om_free_find(sys, kind);
		if (!page)
			return NULL;
	}
	om_frame_lock(sys, page);
	/* Two checks: one condition would be compiled into one load, of the lock as well. */
	OM_BUG_ON(sys, page->kind != OM_KIND_FREE, "I7", page, page->kind, kind);
	OM_BUG_ON(sys, page->mapcount, "I7", page, page->mapcount, kind);
	page->kind = (uint8_t)kind;
	page->holds = OM_ONE_REF;
	atomic_store_explicit(&page->flags, (uint16_t)flags, memory_order_release);
	om_frame_unlock(sys, page);
	return page;
}

/* om_frame_get(), with the contents zeroed. */
struct om_page *om_frame_get_zeroed(struct om_system *sys, enum om_kind kind, unsigned flags);

/*
 * Return a frame whose `kind` is no longer in use by anybody; it is on no list. Takes FRAME,
 * CACHE, FREE.
 */
void om_frame_release(struct om_system *sys, struct om_page *page);

/*
 * Free a frame that has nothing left of its past (I7). Its frame lock is held and is released.
 * Takes CACHE, FREE.
 */
void om_frame_make_free(struct om_system *sys, struct om_page *page);

/* Frames on their way to the free list, linked through link.next up to `last`. */
struct om_frame_chain {
	struct om_page head; /* of no frame; its link.next is the first */
	struct om_page *last;
	om_pfn_t n;
};

OM_INLINE void om_frame_chain_init(struct om_frame_chain *chain)
{
	chain->last = &chain->head;
	chain->n = 0;
}

/* A FREE frame that nobody else has comes last. */
OM_INLINE void om_frame_chain_add(struct om_system *sys, struct om_frame_chain *chain,
                                  struct om_page *page)
{
	chain->last->link.next = om_page_pfn(sys, page);
	chain->last = page;
	chain->n++;
}

/*
 * Free a chain of one frame or more, which were DATA. Takes CACHE, FREE. Cost: as
 * om_free_bundle().
 */
void om_frame_free_chain(struct om_system *sys, const struct om_frame_chain *chain);

/*
 * RESERVED frames [first, first + n) are handed over: they are free now, and the first ones will be
 * taken first. The caller counts nr_owned. Takes FRAME, FREE.
 */
void om_frames_donate(struct om_system *sys, om_pfn_t first, om_pfn_t n);

/* pfn-linked lists through page->link: each operation O(1), under the list's lock. */
void om_pfn_list_init(struct om_pfn_list *list);
void om_pfn_list_push_tail(struct om_system *sys, struct om_pfn_list *list, struct om_page *page);

OM_INLINE void om_pfn_list_push(struct om_system *sys, struct om_pfn_list *list,
                                struct om_page *page)
{
	om_pfn_t pfn = om_page_pfn(sys, page);

	page->link.prev = OM_NO_PFN;
	page->link.next = list->head;
	if (list->head == OM_NO_PFN)
		list->tail = pfn;
	else
		om_page_of(sys, list->head)->link.prev = pfn;
	list->head = pfn;
	list->count++;
}

OM_INLINE void om_pfn_list_del(struct om_system *sys, struct om_pfn_list *list,
                               struct om_page *page)
{
	om_pfn_t prev = page->link.prev, next = page->link.next;

	if (prev == OM_NO_PFN)
		list->head = next;
	else
		om_page_of(sys, prev)->link.next = next;
	if (next == OM_NO_PFN)
		list->tail = prev;
	else
		om_page_of(sys, next)->link.prev = prev;
	list->count--;
}

#endif
