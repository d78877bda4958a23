/*
 * mapping.c: the life of a mapping, looking up its pages, and how they leave it. How they come in
 * is in getpage.c.
 *
 * While a page is in the index its page lock keeps the mapping alive: the last om_mapping_put()
 * must take every page out, under its page lock, before the mapping goes. So reclaim, which comes
 * from the page, needs no reference to the mapping.
 *
 * A page of shared memory exists nowhere else, so it is dirty from the start, until it has been
 * written to a slot. When it leaves memory the slot takes its place in the index.
 *
 * Nothing here reclaims: see fileio.c for the functions that do.
 */
#include "store/mapping.h"

#include "page/put.h"
#include "page/slab.h"
#include "store/shadow.h"
#include "store/swap.h"

/* ---- looking up ---- */

/* Without the mapping's lock: the page, referenced, or NULL, which says nothing. */
static inline struct om_page *find_page(struct om_mapping *mapping, uintptr_t index)
{
	struct om_system *sys = mapping->sys;
	om_ientry_t e = om_index_peek(sys, &mapping->index, index);
	struct om_page *page;
	bool there;

	if (!om_ientry_is_page(e))
		return NULL;
	page = om_page_of(sys, om_ientry_value(e));
	om_frame_lock(sys, page);
	there = om_mapping_names(mapping, page, index);
	if (there)
		om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	return there ? page : NULL;
}

static OM_NOINLINE om_ientry_t find_locked(struct om_mapping *mapping, uintptr_t index,
                                           struct om_page **page)
{
	struct om_system *sys = mapping->sys;
	om_ientry_t e;

	*page = NULL;
	om_read_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	e = om_index_get(sys, &mapping->index, index);
	if (om_ientry_is_page(e)) {
		*page = om_page_of(sys, om_ientry_value(e));
		om_page_ref(sys, *page);
	}
	om_read_unlock(sys, &mapping->lock);
	return e;
}

om_ientry_t om_mapping_find(struct om_mapping *mapping, uintptr_t index, struct om_page **page)
{
	*page = find_page(mapping, index);
	if (om_likely(*page))
		return om_ientry_page(om_page_pfn(mapping->sys, *page));
	return find_locked(mapping, index, page);
}

struct om_page *om_mapping_lookup(struct om_mapping *mapping, uintptr_t index)
{
	struct om_page *page;

	om_mapping_find(mapping, index, &page);
	return page;
}

om_ientry_t om_mapping_next(struct om_mapping *mapping, uintptr_t *i, uintptr_t last,
                            struct om_page **page)
{
	struct om_system *sys = mapping->sys;
	om_ientry_t e;

	*page = NULL;
	om_read_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	e = om_index_next(sys, &mapping->index, i);
	if (*i > last)
		e = 0;
	if (om_ientry_is_page(e)) {
		*page = om_page_of(sys, om_ientry_value(e));
		om_page_ref(sys, *page);
	}
	om_read_unlock(sys, &mapping->lock);
	return e;
}

/* ---- leaving ---- */

/* mapping->lock held for writing, frame lock held; the index has forgotten the page. */
static void detach_locked(struct om_mapping *mapping, struct om_page *page)
{
	struct om_system *sys = mapping->sys;

	OM_ASSERT(sys, om_held(sys, &mapping->lock), "mapping lock", mapping);
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	page->object = NULL;
	om_page_unref_locked(sys, page);
	OM_BUG_ON(sys, om_page_is_dead(page), "I7", page, page->index, om_page_refs(page));
	om_mapping_count(mapping, (om_pfn_t)-1);
}

void om_mapping_remove(struct om_mapping *mapping, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	om_ientry_t e;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	/* The slot first: the index's reference keeps the page alive. */
	if (om_page_test(page, OM_PG_SWAPCACHE))
		om_swapcache_del(sys, page);
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	e = om_index_clear(sys, &mapping->index, page->index);
	OM_BUG_ON(sys, e != om_ientry_page(om_page_pfn(sys, page)), "index", page, page->index, e);
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->object != mapping || page->mapcount, "I1", page, page->index,
	          page->mapcount);
	detach_locked(mapping, page);
	om_frame_unlock(sys, page);
	om_write_unlock(sys, &mapping->lock);
}

/* Only index, swap cache and the caller hold the page, and its contents are safe elsewhere. */
static bool is_evictable(const struct om_mapping *mapping, const struct om_page *page)
{
	unsigned flags = om_page_flags(page);
	unsigned holds = (flags & OM_PG_SWAPCACHE ? 3 : 2) * OM_ONE_REF;

	if (page->object != mapping || page->mapcount || page->holds != holds)
		return false;
	if (om_mapping_is_shmem(mapping) && !(flags & OM_PG_SWAPCACHE))
		return false;
	return !(flags & OM_PG_DIRTY);
}

/*
 * Detach the page if it can be evicted; shared memory's slot gets the count of the index (I11).
 * False if it cannot, or the slot's count is full. mapping->lock held for writing.
 */
static bool try_detach(struct om_mapping *mapping, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	bool done;

	om_frame_lock(sys, page);
	done = is_evictable(mapping, page) &&
	       (!om_mapping_is_shmem(mapping) || om_slot_dup(sys, page->slot));
	if (done)
		detach_locked(mapping, page);
	om_frame_unlock(sys, page);
	return done;
}

bool om_mapping_evict(struct om_mapping *mapping, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	bool done;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	done = try_detach(mapping, page);
	/* The page names no file any more, so nobody finds it before the index has followed. */
	if (done && om_mapping_is_shmem(mapping)) {
		/* Replacing an entry cannot fail. */
		om_index_set(sys, &mapping->index, page->index, om_ientry_slot(page->slot));
		mapping->nr_swapped++;
	} else if (done) {
		om_readahead_evicted(mapping, page);
		om_index_clear(sys, &mapping->index, page->index);
		om_shadow_leave(sys, mapping, page->index);
	}
	om_write_unlock(sys, &mapping->lock);
	/* The mapping may be gone from here on: only the page's slot may be touched. */
	if (done && om_page_test(page, OM_PG_SWAPCACHE))
		om_swapcache_del(sys, page);
	return done;
}

/* ---- writing ---- */

static int write_pages(struct om_mapping *mapping, const om_pfn_t page[], unsigned n)
{
	struct om_system *sys = mapping->sys;
	void *frame[OM_TRANSFER_MAX] = {NULL};
	int err;

	for (unsigned i = 0; i < n; i++) {
		struct om_page *p = om_page_of(sys, page[i]);

		OM_ASSERT(sys, om_page_test(p, OM_PG_LOCKED), "page lock", p);
		frame[i] = om_arch_frame(&sys->arch, page[i]);
		/* Before the write starts, so that a store that comes while it runs is not lost. */
		om_page_clear(p, OM_PG_DIRTY);
	}
	om_might_transfer(sys);
	err = mapping->ops->write(mapping->store, om_page_of(sys, page[0])->index, n, frame);
	if (!err) {
		om_count(sys, OM_EV_PGPGOUT, n);
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		om_page_set(om_page_of(sys, page[i]), OM_PG_DIRTY);
	return om_write_error(err);
}

int om_mapping_writepages(struct om_mapping *mapping, const om_pfn_t page[], unsigned n)
{
	int err, first = 0;

	om_might_sleep(mapping->sys);
	if (om_mapping_is_shmem(mapping))
		return 0; /* reclaim writes it to swap */
	if (!mapping->ops->write)
		return -OM_EIO;
	err = write_pages(mapping, page, n);
	if (!err || n == 1 || err == -OM_EAGAIN)
		return err;
	for (unsigned i = 0; i < n; i++) {
		err = write_pages(mapping, &page[i], 1);
		first = first ? first : err;
	}
	return first;
}

/*
 * Lock a referenced page if it is page `index` of the file and dirty; else drop the reference. With
 * one page locked the next may only be tried.
 */
static bool lock_dirty(struct om_mapping *mapping, struct om_page *page, uintptr_t index, bool wait)
{
	struct om_system *sys = mapping->sys;

	/* A locked page may be under a write that reclaim has begun: that is waited for, too. */
	if (om_page_test(page, wait ? OM_PG_DIRTY | OM_PG_LOCKED : OM_PG_DIRTY)) {
		if (wait)
			om_page_lock(sys, page);
		if (wait || om_page_trylock(sys, page)) {
			if (om_mapping_has(mapping, page, index) && om_page_test(page, OM_PG_DIRTY))
				return true;
			om_page_unlock(sys, page);
		}
	}
	om_page_put(sys, page);
	return false;
}

/* The first dirty page at or after run->next. */
static bool begin_run(struct om_mapping *mapping, struct om_run *run)
{
	struct om_page *page;

	while (om_mapping_next(mapping, &run->next, run->last, &page)) {
		uintptr_t at = run->next;

		run->end = at == run->last;
		run->next = at + 1;
		if (page && lock_dirty(mapping, page, at, true)) {
			run->page[0] = om_page_pfn(mapping->sys, page);
			return true;
		}
		if (run->end)
			return false;
	}
	return false;
}

bool om_mapping_next_dirty(struct om_mapping *mapping, struct om_run *run)
{
	if (run->end || !begin_run(mapping, run))
		return false;
	for (run->n = 1; run->n < OM_TRANSFER_MAX && !run->end; run->n++) {
		struct om_page *page = om_mapping_lookup(mapping, run->next);

		if (!page || !lock_dirty(mapping, page, run->next, false))
			break;
		run->page[run->n] = om_page_pfn(mapping->sys, page);
		run->end = run->next++ == run->last;
	}
	return true;
}

void om_run_put(struct om_system *sys, struct om_run *run)
{
	for (unsigned i = 0; i < run->n; i++)
		om_page_unlock_put(sys, om_page_of(sys, run->page[i]));
}

/* ---- dropping ---- */

/* Take a referenced page, which no area shows, out of the index if it is there still. */
static void drop_page(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;

	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, index))
		om_mapping_remove(mapping, page);
	om_page_unlock_put(sys, page);
}

bool om_mapping_drop_slot(struct om_mapping *mapping, uintptr_t index, om_ientry_t e)
{
	struct om_system *sys = mapping->sys;
	bool there;

	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	there = om_index_get(sys, &mapping->index, index) == e;
	if (there) {
		om_index_clear(sys, &mapping->index, index);
		mapping->nr_swapped--;
	}
	om_write_unlock(sys, &mapping->lock);
	if (there)
		om_swap_free_entry(sys, om_ientry_value(e));
	return there;
}

/* All that is there. An entry that has changed under our eyes is looked at again. */
static void drop_all(struct om_mapping *mapping)
{
	struct om_page *page;
	uintptr_t i = 0;
	om_ientry_t e;

	while ((e = om_mapping_next(mapping, &i, UINTPTR_MAX, &page)))
		if (page)
			drop_page(mapping, i, page);
		else
			om_mapping_drop_slot(mapping, i, e);
}

/* Errors have nobody to be told to. */
static void write_all(struct om_mapping *mapping)
{
	struct om_run run = {.last = UINTPTR_MAX};

	if (om_mapping_is_shmem(mapping) || !mapping->ops->write)
		return;
	while (om_mapping_next_dirty(mapping, &run)) {
		(void)om_mapping_writepages(mapping, run.page, run.n);
		om_run_put(mapping->sys, &run);
	}
}

/* ---- life ---- */

static void link_mapping(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;

	om_spin_lock(sys, &sys->list_lock, OM_RANK_LIST);
	mapping->next = sys->mappings;
	if (mapping->next)
		mapping->next->prev = mapping;
	sys->mappings = mapping;
	om_spin_unlock(sys, &sys->list_lock);
}

static void unlink_mapping(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;

	om_spin_lock(sys, &sys->list_lock, OM_RANK_LIST);
	if (mapping->next)
		mapping->next->prev = mapping->prev;
	if (mapping->prev)
		mapping->prev->next = mapping->next;
	else
		sys->mappings = mapping->next;
	om_spin_unlock(sys, &sys->list_lock);
}

int om_mapping_new(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint64_t size, struct om_mapping **mapping)
{
	struct om_mapping *m;

	OM_BUG_ON(sys, ops && !ops->read && ops->write, "om_store_ops.read", ops, 0, 0);
	OM_BUG_ON(sys, ops && ops->punch && !ops->write, "om_store_ops.write", ops, 0, 0);
	if (size > OM_MAPPING_MAX)
		return -OM_EOVERFLOW;
	m = om_object_alloc(sys, OM_CACHE_MAPPING);
	if (!m)
		return -OM_ENOFRAME;
	m->sys = sys;
	m->ops = ops;
	m->store = store;
	atomic_init(&m->refs, 1);
	atomic_init(&m->size, size);
	om_index_init(&m->index);
	link_mapping(m);
	*mapping = m;
	return 0;
}

uint64_t om_mapping_size(const struct om_mapping *mapping)
{
	return atomic_load_explicit(&mapping->size, memory_order_acquire);
}

void om_mapping_get(struct om_mapping *mapping)
{
	uintptr_t old = atomic_fetch_add_explicit(&mapping->refs, 1, memory_order_relaxed);

	/* Each is held by an object of its own, so it cannot count past the bytes of memory. */
	OM_BUG_ON(mapping->sys, old == 0, "mapping refs", mapping, old, 0);
}

bool om_mapping_tryget(struct om_mapping *mapping)
{
	uintptr_t refs = atomic_load_explicit(&mapping->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(&mapping->refs, &refs, refs + 1,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

/* ---- who may write ---- */

/* Areas that may write are counted up from 0, those who deny it down. */
static bool count_up(_Atomic int32_t *count)
{
	int32_t n = atomic_load_explicit(count, memory_order_relaxed);

	while (n >= 0 && n < INT32_MAX)
		if (atomic_compare_exchange_weak_explicit(count, &n, n + 1, memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

static bool count_down(_Atomic int32_t *count)
{
	int32_t n = atomic_load_explicit(count, memory_order_relaxed);

	while (n <= 0 && n > INT32_MIN)
		if (atomic_compare_exchange_weak_explicit(count, &n, n - 1, memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

bool om_mapping_map_writable(struct om_mapping *mapping)
{
	return count_up(&mapping->i_mmap_writable);
}

void om_mapping_unmap_writable(struct om_mapping *mapping)
{
	int32_t old = atomic_fetch_sub_explicit(&mapping->i_mmap_writable, 1, memory_order_release);

	OM_BUG_ON(mapping->sys, old <= 0, "i_mmap_writable", mapping, old, 0);
}

uint32_t om_mapping_writably_mapped(const struct om_mapping *mapping)
{
	int32_t n = atomic_load_explicit(&mapping->i_mmap_writable, memory_order_acquire);

	return n > 0 ? (uint32_t)n : 0;
}

/* A device may still write to a page that was pinned through an area that is gone. */
static bool is_pinned(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	bool pinned = false;

	for (uintptr_t i = 0; !pinned && om_mapping_next(mapping, &i, UINTPTR_MAX - 1, &page);
	     i++) {
		if (!page)
			continue;
		om_frame_lock(sys, page);
		pinned = om_page_pins(page);
		om_frame_unlock(sys, page);
		om_page_put(sys, page);
	}
	return pinned;
}

int om_mapping_deny_writable(struct om_mapping *mapping)
{
	if (!count_down(&mapping->i_mmap_writable))
		return -OM_EBUSY;
	if (!is_pinned(mapping))
		return 0;
	om_mapping_allow_writable(mapping);
	return -OM_EBUSY;
}

void om_mapping_allow_writable(struct om_mapping *mapping)
{
	int32_t old = atomic_fetch_add_explicit(&mapping->i_mmap_writable, 1, memory_order_release);

	OM_BUG_ON(mapping->sys, old >= 0, "om_mapping_allow_writable", mapping, old, 0);
}

/* ---- the last reference ---- */

/*
 * A page that cannot be written back is dropped all the same: nobody is left who could be told.
 * Call om_mapping_sync() before, to know.
 */
void om_mapping_put(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	uintptr_t old = atomic_fetch_sub_explicit(&mapping->refs, 1, memory_order_acq_rel);

	OM_BUG_ON(sys, old == 0, "mapping refs", mapping, old, 0);
	if (old != 1)
		return;
	om_might_sleep(sys);
	OM_BUG_ON(sys, mapping->i_mmap, "I5", mapping, mapping->nr_pages, 0);
	write_all(mapping);
	drop_all(mapping);
	OM_BUG_ON(sys, mapping->nr_pages || mapping->nr_swapped, "index", mapping,
	          mapping->nr_pages, mapping->nr_swapped);
	unlink_mapping(mapping);
	if (mapping->ops && mapping->ops->release)
		mapping->ops->release(mapping->store);
	om_object_free(sys, OM_CACHE_MAPPING, mapping);
}
