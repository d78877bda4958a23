/*
 * frame.c: the free list, and lists of frames in general.
 *
 * Free frames are linked through link.next from sys->free_head, last in, first out, under
 * free_lock. A walker that learnt a frame number some time ago may lock any frame at any moment and
 * look what has become of it. Hence the two rules here: the frame lock itself is never written,
 * only taken, and all else in a descriptor changes under it.
 */
#include "page/frame.h"

#include "base/mem.h"

/* ---- the free list ------------------------------------------------------------------------ */

/* Written under free_lock only, read at any time: no need for an atomic addition. */
static void set_nr_free(struct om_system *sys, om_pfn_t n)
{
	atomic_store_explicit(&sys->nr_free, n, memory_order_relaxed);
}

/* Any kind goes away: all levels of page tables count as one. */
static void uncount_kind(struct om_system *sys, unsigned kind, om_pfn_t n)
{
	om_frame_count(sys, kind, (om_pfn_t)-n);
}

static void free_push(struct om_system *sys, struct om_page *page)
{
	om_spin_lock(sys, &sys->free_lock, OM_RANK_FREE);
	page->link.next = sys->free_head;
	sys->free_head = om_page_pfn(sys, page);
	set_nr_free(sys, atomic_load_explicit(&sys->nr_free, memory_order_relaxed) + 1);
	om_spin_unlock(sys, &sys->free_lock);
}

struct om_page *om_frame_get(struct om_system *sys, enum om_kind kind, unsigned flags)
{
	return om_frame_take(sys, kind, flags);
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
	uncount_kind(sys, kind, 1);
	om_count(sys, OM_EV_PGFREE, 1);
	free_push(sys, page);
}

void om_frame_donate(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->kind != OM_KIND_RESERVED, "I7", page, page->kind, 0);
	page->kind = OM_KIND_FREE;
	om_frame_unlock(sys, page);
	free_push(sys, page);
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
	uncount_kind(sys, OM_KIND_DATA, chain->n);
	om_count(sys, OM_EV_PGFREE, chain->n);
	om_spin_lock(sys, &sys->free_lock, OM_RANK_FREE);
	chain->last->link.next = sys->free_head;
	sys->free_head = chain->head.link.next;
	set_nr_free(sys, atomic_load_explicit(&sys->nr_free, memory_order_relaxed) + chain->n);
	om_spin_unlock(sys, &sys->free_lock);
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
