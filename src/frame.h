/*
 * frame.h: the free list.
 *
 * Allocation never reclaims: it fails, the caller lets go of its locks up to its outermost function,
 * and that one calls om_reclaim_retry() (reclaim.h) and starts again.
 */
#ifndef OM_FRAME_H
#define OM_FRAME_H

#include "page.h"

/*
 * A frame of the given kind, or NULL. `flags` are its first flags; refs is 1 (the caller's), all else
 * is zero. Contents are undefined. The last mark_min frames serve kinds other than DATA only.
 * Context: any; takes FREE, and after it FRAME.
 */
struct om_page *om_frame_get(struct om_system *sys, enum om_kind kind, unsigned flags);

/* The same with the contents zeroed. */
struct om_page *om_frame_get_zeroed(struct om_system *sys, enum om_kind kind, unsigned flags);

/* Return a frame whose `kind` is no longer in use by anybody; it is on no list. Takes FRAME, FREE. */
void om_frame_release(struct om_system *sys, struct om_page *page);

/*
 * Return a dead data page; its frame lock is held and is released. Takes LRU (if listed), FREE.
 */
void om_frame_release_dead(struct om_system *sys, struct om_page *page);

/*
 * Drop the only reference to each of n dead data pages, which nothing maps and no cache holds. Takes FRAME,
 * LRU and FREE, the last two once for all.
 */
void om_frame_put_batch(struct om_system *sys, struct om_page *const page[], unsigned n);

/* A RESERVED frame is handed over: it is free now. The caller counts nr_owned. Takes FRAME, FREE. */
void om_frame_donate(struct om_system *sys, struct om_page *page);

/* Below the low watermark? */
static inline bool om_frames_low(struct om_system *sys)
{
	return atomic_load_explicit(&sys->nr_free, memory_order_relaxed) <
	       atomic_load_explicit(&sys->mark_low, memory_order_relaxed);
}

/* pfn-linked lists through page->lru: each operation O(1), under the list's lock. */
void om_pfn_list_init(struct om_pfn_list *list);
void om_pfn_list_push(struct om_system *sys, struct om_pfn_list *list, struct om_page *page);
void om_pfn_list_push_tail(struct om_system *sys, struct om_pfn_list *list, struct om_page *page);
void om_pfn_list_del(struct om_system *sys, struct om_pfn_list *list, struct om_page *page);

#endif
