/*
 * frame.c: what becomes of a frame when it is taken and freed, and lists of frames in general.
 *
 * Where free frames are is frame_cache.h's. A walker that learnt a frame number some time ago may
 * lock any frame at any moment and look what has become of it. Hence the two rules here: the frame
 * lock itself is never written, only taken, and all else in a descriptor changes under it; but for
 * the links of a free frame, which nobody asks who finds that it is free.
 */
#include "page/frame.h"

#include "base/mem.h"

/* ---- taking and freeing ------------------------------------------------------------------- */

static void free_one(struct om_system *sys, struct om_page *page, unsigned kind)
{
	struct om_shard *shard = om_shard(sys);
	struct om_free_list *list = om_free_list(shard);
	bool done;

	om_count_in(shard, OM_EV_PGFREE, 1);
	om_free_lock(sys, list);
	om_free_count(list, kind, -1);
	done = om_free_push(sys, list, page);
	om_spin_unlock(sys, &list->lock);
	if (om_unlikely(!done)) {
		om_pfn_t pfn = om_page_pfn(sys, page);

		om_free_bundle(sys, (struct om_bundle){pfn, pfn, 1});
	}
}

struct om_page *om_frame_get(struct om_system *sys, enum om_kind kind, unsigned flags)
{
	return om_frame_take(sys, om_shard(sys), kind, flags);
}

struct om_page *om_frame_get_zeroed(struct om_system *sys, enum om_kind kind, unsigned flags)
{
	struct om_page *page = om_frame_get(sys, kind, flags);

	om_work(sys, OM_WORK_PAGE);
	if (page)
		memset(om_page_ptr(sys, page), 0, OM_PAGE_SIZE);
	return page;
}

void om_frame_make_free(struct om_system *sys, struct om_page *page)
{
	unsigned kind = page->kind;

	page->kind = OM_KIND_FREE;
	page->holds = 0;
	page->object = NULL;
	atomic_store_explicit(&page->flags, 0, memory_order_release);
	om_frame_unlock(sys, page);
	free_one(sys, page, kind);
}

static void donate(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->kind != OM_KIND_RESERVED, "I7", page, page->kind, 0);
	page->kind = OM_KIND_FREE;
	om_frame_unlock(sys, page);
}

void om_frames_donate(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	om_pfn_t end = first + n, start;

	/* Backwards, because the run that came last is the first one to be used. */
	for (; end > first; end = start) {
		start = (end - 1) / OM_BLOCK * OM_BLOCK;
		if (start < first)
			start = first;
		for (om_pfn_t pfn = start; pfn < end; pfn++)
			donate(sys, om_page_of(sys, pfn));
		om_free_piece(sys, om_piece_range(start, end - start));
	}
}

void om_frame_release(struct om_system *sys, struct om_page *page)
{
	unsigned flags;

	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	OM_BUG_ON(sys, page->kind <= OM_KIND_FREE, "I7", page, page->kind, flags);
	OM_BUG_ON(sys, page->mapcount, "I7", page, page->mapcount, flags);
	OM_BUG_ON(sys, page->kind < OM_KIND_TABLE && page->holds & ~OM_ONE_REF, "I7", page,
	          page->kind, page->holds);
	OM_BUG_ON(sys, flags & (OM_PG_UNEVICTABLE | OM_PG_SWAPCACHE), "I7", page, flags,
	          page->kind);
	om_frame_make_free(sys, page);
}

void om_frame_free_chain(struct om_system *sys, const struct om_frame_chain *chain)
{
	struct om_bundle b = {chain->head.link.next, om_page_pfn(sys, chain->last), chain->n};

	om_count(sys, OM_EV_PGFREE, chain->n);
	om_free_bundle(sys, b);
}

/* ---- lists -------------------------------------------------------------------------------- */

void om_pfn_list_init(struct om_pfn_list *list)
{
	list->head = list->tail = OM_NO_PFN;
	list->count = 0;
}

void om_pfn_list_push_tail(struct om_system *sys, struct om_pfn_list *list, struct om_page *page)
{
	om_pfn_t pfn = om_page_pfn(sys, page);

	page->link.next = OM_NO_PFN;
	page->link.prev = list->tail;
	if (list->tail == OM_NO_PFN)
		list->head = pfn;
	else
		om_page_of(sys, list->tail)->link.next = pfn;
	list->tail = pfn;
	list->count++;
}
