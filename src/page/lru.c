/*
 * lru.c: the page lists.
 *
 * A page is in one of four states: LRU (on the list that SWAPBACKED and ACTIVE name), ISOLATED
 * (owned by whoever isolated it), UNEVICTABLE (counted only; it may be isolated at the same time),
 * or none of them (new, or about to be freed). It enters a list under its frame lock and the LRU
 * lock. It leaves one under both, or, isolated from the tail, under the LRU lock alone: then LRU
 * turns into ISOLATED in one atomic step after the links are done with, so that whoever holds the
 * frame lock sees one or the other, and may use the link words (`mlocked`) as soon as it sees
 * ISOLATED.
 */
#include "page/lru.h"

#include "page/frame.h"

static inline void assert_frame_locked(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_ASSERT(sys, page->kind == OM_KIND_DATA, "I8", page);
}

void om_lru_init(struct om_system *sys)
{
	atomic_init(&sys->lru_lock.state, 0);
	for (unsigned i = 0; i < OM_NR_LRU; i++)
		om_pfn_list_init(&sys->lru[i]);
	atomic_init(&sys->nr_unevictable, 0);
}

void om_lru_add(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	if (om_page_test(page, OM_PG_LRU | OM_PG_ISOLATED | OM_PG_UNEVICTABLE))
		return;
	om_lru_lock(sys);
	om_pfn_list_push(sys, om_lru_list_of(sys, om_page_flags(page)), page);
	om_page_set(page, OM_PG_LRU);
	om_lru_unlock(sys);
}

void om_lru_del(struct om_system *sys, struct om_page *page)
{
	unsigned flags;

	assert_frame_locked(sys, page);
	if (!om_page_test(page, OM_PG_LRU))
		return;
	om_lru_lock(sys);
	flags = om_page_flags(page);
	if (om_likely(flags & OM_PG_LRU)) {
		om_pfn_list_del(sys, om_lru_list_of(sys, flags), page);
		om_page_clear(page, OM_PG_LRU);
	}
	om_lru_unlock(sys);
}

/*
 * Pages that came one after the other are neighbours on their list, too: such a run, page[0] to
 * page[n - 1] from tail to head, all with these flags, is cut out as one, and is then chained as
 * the free list wants it. Clears the flags of the run; returns its length. LRU lock held; page[0]
 * is listed.
 */
static unsigned cut_run(struct om_system *sys, struct om_page *const page[], unsigned n,
                        unsigned flags)
{
	struct om_page *p = page[0];
	unsigned len = 0;
	struct om_pfn_list *list = om_lru_list_of(sys, flags);
	om_pfn_t next = p->lru.next, prev;

	do {
		atomic_store_explicit(&p->flags, 0, memory_order_release);
		prev = p->lru.prev;
		if (++len == n || prev == OM_NO_PFN)
			break;
		p = om_page_of(sys, prev);
	} while (p == page[len] && om_page_flags(p) == flags);
	if (prev == OM_NO_PFN)
		list->head = next;
	else
		om_page_of(sys, prev)->lru.next = next;
	if (next == OM_NO_PFN)
		list->tail = prev;
	else
		om_page_of(sys, next)->lru.prev = prev;
	list->count -= len;
	return len;
}

/* The chain of frames on its way to the free list. */
struct chain {
	struct om_page *first, *last;
	om_pfn_t n;
};

/* Put pages, chained from head[0] down to tail[0], before the chain. */
static void prepend(struct om_system *sys, struct chain *c, struct om_page *head,
                    struct om_page *tail, unsigned n)
{
	if (c->n)
		tail->lru.next = om_page_pfn(sys, c->first);
	else
		c->last = tail;
	c->first = head;
	c->n += n;
}

void om_lru_free_dying(struct om_system *sys, struct om_page *const page[], unsigned n)
{
	struct chain c = {NULL, NULL, 0};
	unsigned shared = 0;

	om_lru_lock(sys);
	om_work(sys, n);
	for (unsigned i = 0, run; i < n; i += run) {
		unsigned flags = om_page_flags(page[i]);

		run = 1;
		if (om_likely(flags & OM_PG_LRU))
			run = cut_run(sys, page + i, n - i, flags);
		else if (flags & OM_PG_ISOLATED)
			om_page_set(page[i], OM_PG_ORPHAN);
		else
			atomic_store_explicit(&page[i]->flags, 0, memory_order_release);
		if (!(flags & OM_PG_DIRECT))
			shared += run;
		if (!(flags & OM_PG_ISOLATED))
			prepend(sys, &c, page[i + run - 1], page[i], run);
	}
	om_lru_unlock(sys);
	om_count_mapped(sys, OM_MAPPED_ANON, -(int)n);
	om_count_mapped(sys, OM_MAPPED_SHARED, -(int)shared);
	if (c.n)
		om_frame_free_chain(sys, c.first, c.last, c.n);
}

void om_lru_move(struct om_system *sys, struct om_page *page, unsigned set, unsigned clear,
                 bool tail)
{
	unsigned old, now;

	assert_frame_locked(sys, page);
	OM_ASSERT(sys, !((set | clear) & ~(OM_PG_ACTIVE | OM_PG_SWAPBACKED)), "lru", page);
	om_lru_lock(sys);
	old = om_page_set(page, set);
	om_page_clear(page, clear);
	if (old & OM_PG_LRU) {
		now = (old | set) & ~clear;
		om_pfn_list_del(sys, om_lru_list_of(sys, old), page);
		if (tail)
			om_pfn_list_push_tail(sys, om_lru_list_of(sys, now), page);
		else
			om_pfn_list_push(sys, om_lru_list_of(sys, now), page);
	}
	om_lru_unlock(sys);
}

/* LRU lock held; the page is on `list`. */
static void isolate(struct om_system *sys, struct om_pfn_list *list, struct om_page *page)
{
	om_pfn_list_del(sys, list, page);
	atomic_fetch_xor_explicit(&page->flags, OM_PG_LRU | OM_PG_ISOLATED, memory_order_acq_rel);
}

unsigned om_lru_isolate(struct om_system *sys, enum om_lru_list list, struct om_page **batch,
                        unsigned n)
{
	struct om_pfn_list *from = &sys->lru[list];
	unsigned got = 0;

	om_lru_lock(sys);
	while (got < n && from->tail != OM_NO_PFN) {
		batch[got] = om_page_of(sys, from->tail);
		isolate(sys, from, batch[got++]);
	}
	om_work(sys, got);
	om_lru_unlock(sys);
	return got;
}

bool om_lru_isolate_page(struct om_system *sys, struct om_page *page)
{
	unsigned flags;

	assert_frame_locked(sys, page);
	om_lru_lock(sys);
	flags = om_page_flags(page);
	if (flags & OM_PG_LRU)
		isolate(sys, om_lru_list_of(sys, flags), page);
	om_lru_unlock(sys);
	return flags & OM_PG_LRU;
}

/* ---- locked pages (I12) ------------------------------------------------------------------- */

void om_page_mlock(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	if (om_page_test(page, OM_PG_UNEVICTABLE)) {
		page->mlocked++;
		return;
	}
	om_lru_del(sys, page);
	page->mlocked = 1;
	om_page_set(page, OM_PG_UNEVICTABLE);
	atomic_fetch_add_explicit(&sys->nr_unevictable, 1, memory_order_relaxed);
	om_count(sys, OM_EV_UNEVICTABLE_IN, 1);
}

/* An isolated page goes back to its list when it is put back, a dead one nowhere. */
static void make_evictable(struct om_system *sys, struct om_page *page)
{
	page->mlocked = 0;
	om_page_clear(page, OM_PG_UNEVICTABLE);
	atomic_fetch_sub_explicit(&sys->nr_unevictable, 1, memory_order_relaxed);
	om_count(sys, OM_EV_UNEVICTABLE_OUT, 1);
	if (!om_page_is_dead(page))
		om_lru_add(sys, page);
}

void om_page_munlock(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	OM_BUG_ON(sys, !om_page_test(page, OM_PG_UNEVICTABLE) || page->mlocked == 0, "I12", page,
	          om_page_flags(page), page->mlocked);
	if (page->mlocked == 1)
		make_evictable(sys, page);
	else
		page->mlocked--;
}

void om_page_munlock_all(struct om_system *sys, struct om_page *page)
{
	assert_frame_locked(sys, page);
	OM_ASSERT(sys, page->mapcount == 0, "I12", page);
	if (om_page_test(page, OM_PG_UNEVICTABLE))
		make_evictable(sys, page);
}

/* ---- use ---------------------------------------------------------------------------------- */

void om_page_touch(struct om_system *sys, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	if (!(flags & OM_PG_REFERENCED)) {
		om_page_set(page, OM_PG_REFERENCED);
		return;
	}
	if (flags & OM_PG_ACTIVE)
		return;
	om_frame_lock(sys, page);
	if (!om_page_test(page, OM_PG_ACTIVE)) {
		om_page_clear(page, OM_PG_REFERENCED);
		om_lru_move(sys, page, OM_PG_ACTIVE, 0, false);
		om_count(sys, OM_EV_PGACTIVATE, 1);
	}
	om_frame_unlock(sys, page);
}
