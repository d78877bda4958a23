/*
 * frame.c: the free list, and lists of frames in general.
 *
 * Free frames are linked through lru.next from sys->free_head, last in, first out, under free_lock.
 * A walker that learnt a frame number some time ago may lock any frame at any moment and look what
 * has become of it. Hence the two rules here: the frame lock itself is never written, only taken,
 * and all else in a descriptor changes under it.
 */
#include "frame.h"
#include "lru.h"
#include "mem.h"

/* Tests make allocations fail on demand (ports/sim/fail.h). */
#ifndef OM_FAIL_HOOK
#define OM_FAIL_HOOK(sys) false
#endif

/* ---- the free list ------------------------------------------------------------------------ */

/* All levels of page tables count as one kind. */
static void count_kind(struct om_system *sys, unsigned kind, om_pfn_t n)
{
	if (kind > OM_KIND_TABLE)
		kind = OM_KIND_TABLE;
	atomic_fetch_add_explicit(&sys->nr_kind[kind], n, memory_order_relaxed);
}

/* Written under free_lock only, read at any time: no need for an atomic addition. */
static void set_nr_free(struct om_system *sys, om_pfn_t n)
{
	atomic_store_explicit(&sys->nr_free, n, memory_order_relaxed);
}

static struct om_page *free_pop(struct om_system *sys, om_pfn_t reserve)
{
	struct om_page *page = NULL;
	om_pfn_t n;

	om_spin_lock(sys, &sys->free_lock, OM_RANK_FREE);
	n = atomic_load_explicit(&sys->nr_free, memory_order_relaxed);
	if (om_likely(n > reserve)) {
		page = om_page_of(sys, sys->free_head);
		sys->free_head = page->lru.next;
		set_nr_free(sys, n - 1);
	}
	om_spin_unlock(sys, &sys->free_lock);
	return page;
}

static void free_push(struct om_system *sys, struct om_page *page)
{
	om_spin_lock(sys, &sys->free_lock, OM_RANK_FREE);
	page->lru.next = sys->free_head;
	sys->free_head = om_page_pfn(sys, page);
	set_nr_free(sys, atomic_load_explicit(&sys->nr_free, memory_order_relaxed) + 1);
	om_spin_unlock(sys, &sys->free_lock);
}

struct om_page *om_frame_get(struct om_system *sys, enum om_kind kind, unsigned flags)
{
	om_pfn_t reserve =
	    kind == OM_KIND_DATA ? atomic_load_explicit(&sys->mark_min, memory_order_relaxed) : 0;
	struct om_page *page = OM_FAIL_HOOK(sys) ? NULL : free_pop(sys, reserve);

	if (om_unlikely(!page))
		return NULL;
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->kind != OM_KIND_FREE, "I7", page, page->kind, kind);
	page->kind = (uint8_t)kind;
	page->mapcount = 0;
	page->refs = 1;
	page->pins = 0;
	page->slot = 0;
	page->as = NULL;
	page->index = 0;
	page->lru.prev = page->lru.next = 0;
	atomic_store_explicit(&page->flags, (uint16_t)flags, memory_order_release);
	om_frame_unlock(sys, page);
	count_kind(sys, kind, 1);
	om_count(sys, OM_EV_PGALLOC, 1);
	return page;
}

struct om_page *om_frame_get_zeroed(struct om_system *sys, enum om_kind kind, unsigned flags)
{
	struct om_page *page = om_frame_get(sys, kind, flags);

	if (page)
		memset(om_page_ptr(sys, page), 0, OM_PAGE_SIZE);
	return page;
}

/* The frame has nothing left of its past (I7). Frame lock held, released. */
static void make_free(struct om_system *sys, struct om_page *page)
{
	unsigned kind = page->kind;

	page->kind = OM_KIND_FREE;
	page->refs = 0;
	page->as = NULL;
	atomic_store_explicit(&page->flags, 0, memory_order_release);
	om_frame_unlock(sys, page);
	count_kind(sys, kind, (om_pfn_t)-1);
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
	OM_BUG_ON(sys, page->mapcount || page->pins || page->refs > 1, "I7", page, page->mapcount,
		  page->refs);
	OM_BUG_ON(sys, flags & (OM_PG_LRU | OM_PG_ISOLATED | OM_PG_UNEVICTABLE | OM_PG_SWAPCACHE),
		  "I7", page, flags, page->kind);
	make_free(sys, page);
}

/* A batch on its way to the free list, chained through lru.next. */
struct chain {
	om_pfn_t head;
	struct om_page *last;
	om_pfn_t n;
};

/* The page is off its list, unless it is isolated: then its isolator frees it. */
static void chain_dead(struct om_system *sys, struct om_page *page, struct chain *c)
{
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->mapcount || page->refs != 1 || page->pins, "I7", page, page->mapcount,
		  page->refs);
	page->refs = 0;
	if (om_unlikely(om_page_test(page, OM_PG_ISOLATED | OM_PG_LRU | OM_PG_UNEVICTABLE))) {
		om_page_unlock_or_free(sys, page);
		return;
	}
	page->kind = OM_KIND_FREE;
	page->as = NULL;
	atomic_store_explicit(&page->flags, 0, memory_order_release);
	page->lru.next = c->head;
	c->head = om_page_pfn(sys, page);
	if (!c->n++)
		c->last = page;
	om_frame_unlock(sys, page);
}

void om_frame_put_batch(struct om_system *sys, struct om_page *const page[], unsigned n)
{
	struct chain c = {OM_NO_PFN, NULL, 0};

	om_lru_del_batch(sys, page, n);
	for (unsigned i = 0; i < n; i++)
		chain_dead(sys, page[i], &c);
	if (!c.n)
		return;
	count_kind(sys, OM_KIND_DATA, (om_pfn_t)-c.n);
	om_count(sys, OM_EV_PGFREE, c.n);
	om_spin_lock(sys, &sys->free_lock, OM_RANK_FREE);
	c.last->lru.next = sys->free_head;
	sys->free_head = c.head;
	set_nr_free(sys, atomic_load_explicit(&sys->nr_free, memory_order_relaxed) + c.n);
	om_spin_unlock(sys, &sys->free_lock);
}

/*
 * om_lru_isolate() takes pages under the LRU lock alone, so a page may turn from LRU to ISOLATED
 * under our eyes. Once it is not LRU it cannot: nobody lists it without the frame lock. If it is
 * isolated then, it belongs to the isolator, whose om_lru_putback() finds it dead.
 */
void om_frame_release_dead(struct om_system *sys, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_BUG_ON(sys, page->kind != OM_KIND_DATA, "I7", page, page->kind, flags);
	OM_BUG_ON(sys, page->mapcount || page->refs || page->pins, "I7", page, page->mapcount,
		  page->refs);
	OM_BUG_ON(sys, flags & OM_PG_SWAPCACHE, "I7", page, flags, page->slot);
	if (flags & OM_PG_LRU)
		om_lru_del(sys, page);
	else if (om_unlikely(flags & OM_PG_UNEVICTABLE))
		om_page_munlock_all(sys, page);
	if (om_unlikely(om_page_test(page, OM_PG_ISOLATED))) {
		om_frame_unlock(sys, page);
		return;
	}
	OM_ASSERT(sys, !om_page_test(page, OM_PG_LOCKED), "I7", page);
	make_free(sys, page);
}

/* ---- lists -------------------------------------------------------------------------------- */

void om_pfn_list_init(struct om_pfn_list *list)
{
	list->head = list->tail = OM_NO_PFN;
	list->count = 0;
}

void om_pfn_list_push(struct om_system *sys, struct om_pfn_list *list, struct om_page *page)
{
	om_pfn_t pfn = om_page_pfn(sys, page);

	page->lru.prev = OM_NO_PFN;
	page->lru.next = list->head;
	if (list->head == OM_NO_PFN)
		list->tail = pfn;
	else
		om_page_of(sys, list->head)->lru.prev = pfn;
	list->head = pfn;
	list->count++;
}

void om_pfn_list_push_tail(struct om_system *sys, struct om_pfn_list *list, struct om_page *page)
{
	om_pfn_t pfn = om_page_pfn(sys, page);

	page->lru.next = OM_NO_PFN;
	page->lru.prev = list->tail;
	if (list->tail == OM_NO_PFN)
		list->head = pfn;
	else
		om_page_of(sys, list->tail)->lru.next = pfn;
	list->tail = pfn;
	list->count++;
}

void om_pfn_list_del(struct om_system *sys, struct om_pfn_list *list, struct om_page *page)
{
	om_pfn_t prev = page->lru.prev, next = page->lru.next;

	if (prev == OM_NO_PFN)
		list->head = next;
	else
		om_page_of(sys, prev)->lru.next = next;
	if (next == OM_NO_PFN)
		list->tail = prev;
	else
		om_page_of(sys, next)->lru.prev = prev;
	list->count--;
}
