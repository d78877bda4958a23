/*
 * getpage.c: finding the pages of a file, and bringing them in.
 *
 * A page enters the index locked and not up to date and is filled then, with no spinning lock held;
 * others who want it find it and sleep on its page lock. If filling fails it is taken out again,
 * and they try themselves.
 *
 * Shared memory comes from zeroes or from its swap slot. It leaves the slot for good then, so that
 * its contents are in one place only, and is dirty.
 */
#include "base/mem.h"
#include "page/age.h"
#include "page/put.h"
#include "store/mapping.h"
#include "store/readahead.h"
#include "store/shadow.h"
#include "store/swap.h"

/* ---- entering ---- */

/* mapping->lock held for writing; the index names the page now. */
static void attach(struct om_mapping *mapping, struct om_page *page, uintptr_t index)
{
	struct om_system *sys = mapping->sys;

	OM_ASSERT(sys, om_held(sys, &mapping->lock), "mapping lock", mapping);
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->mapcount, "I1", page, page->mapcount, index);
	page->object = mapping;
	page->index = index;
	om_page_clear(page, OM_PG_ANON | OM_PG_DIRECT);
	om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	om_mapping_count(mapping, 1);
}

/* A fresh page, locked and not up to date, with a reference for the caller; NULL: no frame. */
static struct om_page *fresh_page(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	unsigned flags = om_mapping_is_shmem(mapping) ? OM_PG_SWAPBACKED : 0;
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, flags);
	bool locked = page && om_page_trylock(sys, page);

	OM_BUG_ON(sys, page && !locked, "page lock", page, om_page_flags(page), 0);
	return page;
}

static bool is_absent(struct om_mapping *mapping, uintptr_t index)
{
	return !om_index_get(mapping->sys, &mapping->index, index);
}

/*
 * A fresh page takes its place in the index. -OM_EAGAIN if there is an entry already or the file
 * has become shorter, -OM_EBUSY if a hole is being made there, -OM_ENOFRAME. mapping->lock held for
 * writing.
 */
static int enter(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	int err;

	if (index >= om_mapping_pages(mapping) || !is_absent(mapping, index))
		return -OM_EAGAIN;
	if (om_unlikely(index >= mapping->hole_first && index < mapping->hole_end))
		return -OM_EBUSY;
	err = om_index_set(sys, &mapping->index, index, om_ientry_page(om_page_pfn(sys, page)));
	if (!err)
		attach(mapping, page, index);
	return err;
}

/* May areas show the zero page in holes? Who lets them says so with MAPPING held. */
static bool shows_holes(const struct om_mapping *mapping)
{
	return atomic_load_explicit(&mapping->holes_shown, memory_order_relaxed);
}

/*
 * A fresh page in the index, as enter() puts it there; with `unseen` not where an area may show a
 * hole: -OM_EAGAIN. On failure *result is not changed.
 */
static int enter_new(struct om_mapping *mapping, uintptr_t index, bool unseen,
                     struct om_page **result)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page = fresh_page(mapping);
	int err;

	if (!page)
		return -OM_ENOFRAME;
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	err = unseen && shows_holes(mapping) ? -OM_EAGAIN : enter(mapping, index, page);
	om_write_unlock(sys, &mapping->lock);
	if (err)
		om_page_unlock_put(sys, page);
	else
		*result = page;
	return err;
}

/* ---- the pages of a transfer ---- */

/*
 * Places [first, end) of `pfn` are the pages of the file from `index` on: new ones that this thread
 * has entered, or OM_NO_PFN, those that were there already.
 */
struct run {
	uintptr_t index;
	unsigned first, end;
	om_pfn_t pfn[OM_TRANSFER_MAX];
};

static struct om_page *page_at(struct om_system *sys, const struct run *run, unsigned at)
{
	return run->pfn[at] == OM_NO_PFN ? NULL : om_page_of(sys, run->pfn[at]);
}

/* A fresh page at a place that is absent; OM_NO_PFN: there is none. MAPPING held for writing. */
static om_pfn_t enter_ahead(struct om_mapping *mapping, uintptr_t index)
{
	struct om_page *page = fresh_page(mapping);

	if (!page)
		return OM_NO_PFN;
	if (enter(mapping, index, page)) {
		om_page_unlock_put(mapping->sys, page);
		return OM_NO_PFN;
	}
	return om_page_pfn(mapping->sys, page);
}

/*
 * Enter pages from place `at` on, up or down (`step`), `n` at most; what is there already is left
 * out, if the store can do that and it is not too much. Returns the last place that was entered, or
 * the one before `at`. MAPPING held for writing.
 */
static unsigned extend(struct om_mapping *mapping, struct run *run, unsigned at, int step,
                       unsigned n)
{
	unsigned last = at - (unsigned)step, gap = 0;

	for (; n; n--, at += (unsigned)step) {
		run->pfn[at] = OM_NO_PFN;
		if (!is_absent(mapping, run->index + at)) {
			if (++gap > mapping->ops->read_gap)
				break;
			continue;
		}
		run->pfn[at] = enter_ahead(mapping, run->index + at);
		if (run->pfn[at] == OM_NO_PFN)
			break;
		last = at;
		gap = 0;
	}
	return last;
}

/* `page` was missed at `index` and has been entered: enter what shall be read along. */
static void enter_window(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                         struct om_page *page, struct run *run)
{
	struct om_system *sys = mapping->sys;
	struct om_window w;
	unsigned at;

	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	w = om_readahead_plan(mapping, index, ahead);
	at = (unsigned)(index - w.first);
	run->index = w.first;
	run->pfn[at] = om_page_pfn(sys, page);
	run->first = extend(mapping, run, at - 1, -1, at);
	run->end = extend(mapping, run, at + 1, 1, w.n - at - 1) + 1;
	w.first += run->first;
	w.n = run->end - run->first;
	om_readahead_done(mapping, w);
	om_write_unlock(sys, &mapping->lock);
}

/* ---- filling ---- */

static int read_pages(struct om_mapping *mapping, const struct run *run)
{
	struct om_system *sys = mapping->sys;
	unsigned n = run->end - run->first, pages = 0;
	void *frame[OM_TRANSFER_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct om_page *page = page_at(sys, run, run->first + i);

		frame[i] = page ? om_page_ptr(sys, page) : NULL;
		pages += page != NULL;
	}
	om_might_transfer(sys);
	if (mapping->ops->read(mapping->store, run->index + run->first, n, frame))
		return -OM_EIO;
	om_count(sys, OM_EV_PGPGIN, pages);
	return 0;
}

/* The contents are valid: reclaim may have the page. It stays locked. */
static void page_arrived(struct om_system *sys, struct om_page *page, unsigned flags)
{
	if (!om_page_test(page, OM_PG_SWAPBACKED))
		om_page_set_unused(sys, page);
	om_page_set(page, OM_PG_UPTODATE | flags);
}

/* A wanted page that was evicted a short time ago: it should have stayed. */
static void note_refault(struct om_mapping *mapping, struct om_page *page, uintptr_t index)
{
	struct om_system *sys = mapping->sys;

	if (!om_shadow_take(sys, mapping, index))
		return;
	om_age_note_refault(sys, OM_AGE_FILE);
	om_page_set_age(page, 0);
	om_page_set(page, OM_PG_REFERENCED);
}

/*
 * Pages that were read ahead are there for whoever wants them, or could not be read. The one at
 * place `keep`, which was not, stays locked and referenced; of those behind it, `asked` were not
 * either.
 */
static void put_run(struct om_mapping *mapping, const struct run *run, unsigned keep,
                    unsigned asked, bool valid)
{
	struct om_system *sys = mapping->sys;

	for (unsigned i = run->first; i < run->end; i++) {
		struct om_page *page = page_at(sys, run, i);
		bool ahead = i < keep || i - keep > asked;

		if (!page || (i == keep && !valid))
			continue;
		if (valid)
			page_arrived(sys, page, ahead ? OM_PG_READAHEAD : 0);
		else
			om_mapping_remove(mapping, page);
		if (valid && ahead)
			om_count(sys, OM_EV_FILE_RA, 1);
		if (i != keep)
			om_page_unlock_put(sys, page);
	}
}

/* Fill a new page from the store, and others with it. An error of theirs alone does not count. */
static int fill_from_store(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                           struct om_page *page)
{
	unsigned keep, asked = ahead.pages ? ahead.pages - 1 : 0;
	struct run run;
	int err;

	enter_window(mapping, index, ahead, page, &run);
	keep = (unsigned)(index - run.index);
	err = read_pages(mapping, &run);
	put_run(mapping, &run, keep, asked, !err);
	if (err && run.end - run.first > 1) {
		run.first = keep;
		run.end = keep + 1;
		err = read_pages(mapping, &run);
		put_run(mapping, &run, keep, asked, !err);
	}
	if (!err)
		note_refault(mapping, page, index);
	return err;
}

/* A hole of shared memory gets a page; `unseen` as in enter_new(). On failure *page is NULL. */
static int fill_with_zeros(struct om_mapping *mapping, uintptr_t index, bool unseen,
                           struct om_page **page)
{
	struct om_system *sys = mapping->sys;
	int err = enter_new(mapping, index, unseen, page);

	if (err)
		return err;
	memset(om_page_ptr(sys, *page), 0, OM_PAGE_SIZE);
	page_arrived(sys, *page, OM_PG_DIRTY);
	/* Who showed a hole here said so before he let the page in. */
	return !unseen && shows_holes(mapping) ? OM_FILLED_HOLE : 0;
}

/* Nothing is at `index`: make a page and fill it. */
static int fill(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                struct om_page **page, bool *read)
{
	struct om_system *sys = mapping->sys;
	int err;

	if (om_mapping_is_shmem(mapping))
		return fill_with_zeros(mapping, index, false, page);
	err = enter_new(mapping, index, false, page);
	if (err)
		return err;
	*read = true;
	err = fill_from_store(mapping, index, ahead, *page);
	if (err) {
		om_mapping_remove(mapping, *page);
		om_page_unlock_put(sys, *page);
	}
	return err;
}

/* The page of slot entry e takes its place in the index, unless entry or size have changed. */
static bool take_place(struct om_mapping *mapping, uintptr_t index, om_ientry_t e,
                       struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	bool same;

	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	same = om_index_get(sys, &mapping->index, index) == e && index < om_mapping_pages(mapping);
	if (same) {
		/* Replacing an entry cannot fail. */
		om_index_set(sys, &mapping->index, index, om_ientry_page(om_page_pfn(sys, page)));
		mapping->nr_swapped--;
		attach(mapping, page, index);
	}
	om_write_unlock(sys, &mapping->lock);
	return same;
}

/* Does this locked page hold the contents of the slot? */
static bool caches(const struct om_page *page, uint32_t slot)
{
	unsigned want = OM_PG_SWAPCACHE | OM_PG_UPTODATE;

	return (om_page_flags(page) & want) == want && page->slot == slot;
}

/* Shared memory in a slot: read it back, and leave the slot. */
static int swap_in(struct om_mapping *mapping, uintptr_t index, om_ientry_t e,
                   struct om_page **result, bool *read)
{
	struct om_system *sys = mapping->sys;
	uint32_t slot = om_ientry_value(e);
	struct om_page *page;
	bool transfer;
	int err;

	om_stall_begin(sys);
	err = om_swap_readpage(sys, slot, &page, &transfer);
	om_stall_end(sys);
	*read |= transfer;
	if (err)
		return err;
	om_page_lock(sys, page);
	if (!caches(page, slot) || !take_place(mapping, index, e, page)) {
		om_page_unlock_put(sys, page);
		return -OM_EAGAIN;
	}
	/* The index's hold first: the cache's is then the last, and none reads the slot again. */
	om_slot_put(sys, slot);
	om_swapcache_del(sys, page);
	om_page_set(page, OM_PG_DIRTY);
	*result = page;
	return 0;
}

/* A page from the index, referenced: lock it; -OM_EAGAIN if it went away or was never filled. */
static int lock_found(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;

	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, index) && om_page_test(page, OM_PG_UPTODATE)) {
		om_readahead_used(mapping, page);
		return 0;
	}
	om_page_unlock_put(sys, page);
	return -OM_EAGAIN;
}

/* The page is locked: is it still what we looked for? */
static bool is_still_there(struct om_mapping *mapping, uintptr_t index, const struct om_page *page)
{
	return om_mapping_has(mapping, page, index) && om_page_test(page, OM_PG_UPTODATE) &&
	       index < om_mapping_pages(mapping);
}

int om_mapping_trypage(struct om_mapping *mapping, uintptr_t index, bool keep_hole,
                       const struct om_page *mine, struct om_page **page)
{
	om_ientry_t e;
	int err;

	*page = NULL;
	if (index >= om_mapping_pages(mapping))
		return -OM_EFAULT;
	e = om_mapping_find(mapping, index, page);
	if (!e && om_mapping_is_shmem(mapping)) {
		if (keep_hole)
			return OM_HOLE;
		err = fill_with_zeros(mapping, index, true, page);
		if (err)
			return err;
	} else if (!*page || (*page != mine && !om_page_trylock(mapping->sys, *page))) {
		return -OM_EAGAIN;
	}
	if (is_still_there(mapping, index, *page)) {
		om_readahead_used(mapping, *page);
		return 0;
	}
	if (*page != mine)
		om_page_unlock(mapping->sys, *page);
	om_page_put(mapping->sys, *page);
	*page = NULL;
	return -OM_EAGAIN;
}

/* The page is in a hole that is being made: until it has been. */
static int wait_for_hole(struct om_mapping *mapping)
{
	om_rwsem_read(mapping->sys, &mapping->hole_lock, OM_RANK_HOLE);
	om_rwsem_read_done(mapping->sys, &mapping->hole_lock);
	return -OM_EAGAIN;
}

static inline int getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                          bool alloc, struct om_page **page, bool *read)
{
	bool transfer = false;
	int err = -OM_EAGAIN;

	om_might_sleep(mapping->sys);
	while (err == -OM_EAGAIN) {
		om_ientry_t e;

		if (index >= om_mapping_pages(mapping))
			return -OM_EFAULT;
		e = om_mapping_find(mapping, index, page);
		if (!e && !alloc && om_mapping_is_shmem(mapping))
			return OM_HOLE;
		if (!e)
			err = fill(mapping, index, ahead, page, &transfer);
		else if (om_ientry_is_slot(e))
			err = swap_in(mapping, index, e, page, &transfer);
		else
			err = lock_found(mapping, index, *page);
		if (om_unlikely(err == -OM_EBUSY))
			err = wait_for_hole(mapping);
		/* A later shrinking waits for the page lock. */
		if (err >= 0 && index >= om_mapping_pages(mapping)) {
			om_page_unlock_put(mapping->sys, *page);
			err = -OM_EAGAIN;
		}
	}
	if (transfer && read)
		*read = true;
	return err;
}

int om_mapping_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                       struct om_page **page, bool *read)
{
	return getpage(mapping, index, ahead, true, page, read);
}

int om_mapping_getpage_noalloc(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                               struct om_page **page, bool *read)
{
	return getpage(mapping, index, ahead, false, page, read);
}

/* ---- read-ahead ---- */

/* Shared memory has nothing to read but slots; their own read-ahead brings the neighbours. */
static void readahead_slots(struct om_mapping *mapping, uintptr_t first, uintptr_t last)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	om_ientry_t e;
	bool read;

	for (uintptr_t i = first; (e = om_mapping_next(mapping, &i, last, &page)); i++) {
		if (page) {
			om_page_put(sys, page);
		} else {
			if (!om_readahead_room(sys))
				return;
			if (!om_swap_readpage(sys, om_ientry_value(e), &page, &read))
				om_page_put(sys, page);
		}
		if (i == last)
			return;
	}
}

/* Enter pages from `index` on that are absent, below `end`; the first of them is. */
static void enter_range(struct om_mapping *mapping, uintptr_t index, uintptr_t end, struct run *run)
{
	om_pfn_t room = om_readahead_room(mapping->sys);
	uintptr_t n = end - index;

	n = n < OM_TRANSFER_MAX ? n : OM_TRANSFER_MAX;
	n = n < room ? n : room;
	run->index = index;
	run->first = 0;
	om_write_lock(mapping->sys, &mapping->lock, OM_RANK_MAPPING);
	run->end = extend(mapping, run, 0, 1, (unsigned)n) + 1;
	om_write_unlock(mapping->sys, &mapping->lock);
}

/* The first place in [index, end) that is absent, or `end`; not too many looks at a time. */
static uintptr_t next_absent(struct om_mapping *mapping, uintptr_t index, uintptr_t end)
{
	bool found = false;

	while (!found && index < end) {
		om_read_lock(mapping->sys, &mapping->lock, OM_RANK_MAPPING);
		for (unsigned n = OM_TRANSFER_MAX; !found && n && index < end; n--) {
			found = is_absent(mapping, index);
			index += !found;
		}
		om_read_unlock(mapping->sys, &mapping->lock);
	}
	return index;
}

static OM_NOINLINE void readahead_pages(struct om_mapping *mapping, uintptr_t first, uintptr_t end)
{
	struct run run;
	int err = 0;

	for (uintptr_t i = first; !err && (i = next_absent(mapping, i, end)) < end; i += run.end) {
		enter_range(mapping, i, end, &run);
		if (!run.end)
			return;
		err = read_pages(mapping, &run);
		put_run(mapping, &run, OM_TRANSFER_MAX, 0, !err);
	}
}

void om_mapping_readahead(struct om_mapping *mapping, uintptr_t first, size_t n)
{
	uint64_t pages = om_mapping_pages(mapping);
	uintptr_t end;

	om_might_sleep(mapping->sys);
	if (first >= pages || n == 0)
		return;
	end = n < pages - first ? first + n : (uintptr_t)pages;
	if (om_mapping_is_shmem(mapping))
		readahead_slots(mapping, first, end - 1);
	else
		readahead_pages(mapping, first, end);
}
