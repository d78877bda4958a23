/*
 * reclaim.c: choosing victims and getting their frames back.
 *
 * Each kind (anonymous and file) has an active and an inactive list. Pages enter anonymous lists
 * active and file lists inactive; pages at the active tail that have not been used become
 * inactive; pages at the inactive tail that have not been used lose their frames. Being used once
 * at the inactive tail is a second chance, twice activates.
 *
 * Page tables that hold nothing are frames, too: tables.c. What somebody does who needs a frame:
 * request.c.
 *
 * A batch goes through stages, so that neighbours on the list are neighbours in swap and one
 * transfer: choose (lock, look whether used), back (find a slot for what has no store), unmap,
 * write, free.
 */
#include "reclaim/reclaim.h"

#include "page/put.h"
#include "reclaim/tables.h"
#include "reclaim/unmap.h"
#include "store/mapping.h"
#include "store/swap.h"

struct batch {
	struct om_page *page[OM_RECLAIM_BATCH]; /* locked victims; NULL: given up and put back */
	unsigned n;
};

static void give_up(struct om_system *sys, struct om_page **page, bool activate)
{
	if (activate)
		om_page_set(*page, OM_PG_ACTIVE);
	om_page_unlock(sys, *page);
	om_lru_putback(sys, *page);
	*page = NULL;
}

/* ---------------------------------------------------------------- choose -------------------- */

enum verdict { TAKE, KEEP, ACTIVATE };

static enum verdict judge(struct om_system *sys, struct om_page *page, bool force)
{
	unsigned flags = om_page_flags(page);
	bool was_seen = flags & OM_PG_REFERENCED;
	unsigned used;

	if (flags & OM_PG_UNEVICTABLE)
		return KEEP;
	used = om_page_referenced(sys, page);
	if (!used || force)
		return TAKE;
	if ((flags & OM_PG_SWAPBACKED) || was_seen || used > 1)
		return ACTIVATE;
	om_page_set(page, OM_PG_REFERENCED);
	return KEEP;
}

static void choose(struct om_system *sys, struct om_page *const from[], unsigned n, bool force,
                   struct batch *b)
{
	b->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct om_page *page = from[i];
		enum verdict v;

		if (!om_page_trylock(sys, page)) {
			om_lru_putback(sys, page);
			continue;
		}
		v = judge(sys, page, force);
		if (v == TAKE) {
			b->page[b->n++] = page;
			continue;
		}
		if (v == ACTIVATE)
			om_count(sys, OM_EV_PGACTIVATE, 1);
		give_up(sys, &page, v == ACTIVATE);
	}
}

/* ---------------------------------------------------------------- back ---------------------- */

/* Contents exist nowhere but in this frame? */
static bool needs_slot(struct om_system *sys, struct om_page *page)
{
	unsigned flags;
	bool live;

	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	live = page->mapcount || page->object;
	om_frame_unlock(sys, page);
	return live && (flags & OM_PG_SWAPBACKED) && !(flags & (OM_PG_SWAPCACHE | OM_PG_LAZYFREE));
}

/* Give slots to the pages that need one, in runs as long as the devices allow. */
static void back(struct om_system *sys, struct batch *b)
{
	unsigned left = 0, have = 0;
	uint32_t slot = 0;

	for (unsigned i = 0; i < b->n; i++)
		left += needs_slot(sys, b->page[i]);
	for (unsigned i = 0; i < b->n && left; i++) {
		if (!needs_slot(sys, b->page[i]))
			continue;
		if (!have)
			have = om_slot_alloc(sys, left, &slot);
		if (!have) {
			give_up(sys, &b->page[i], true);
			left--;
			continue;
		}
		om_swapcache_add(sys, b->page[i], slot++);
		om_page_set(b->page[i], OM_PG_DIRTY);
		have--;
		left--;
	}
	while (have--)
		om_slot_put(sys, slot++);
}

/* ---------------------------------------------------------------- unmap --------------------- */

static void unmap(struct om_system *sys, struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		enum om_unmap_result r;

		if (!b->page[i])
			continue;
		r = om_try_to_unmap(sys, b->page[i], &b->page[i + 1], b->n - i - 1);
		if (r != OM_UNMAP_SUCCESS)
			give_up(sys, &b->page[i], r == OM_UNMAP_FAIL);
	}
}

/* ---------------------------------------------------------------- write --------------------- */

/*
 * A store may be slow, or hang, and must not get hold of everybody who needs a frame. So only one
 * thread at a time writes to one file, OM_RECLAIM_WRITERS to files at all, OM_SWAP_WRITERS to one
 * swap device. For the others the pages stay: NULL, false.
 */
static struct om_mapping **begin_write(struct om_system *sys, struct om_mapping *mapping)
{
	struct om_reclaimers *r = &sys->reclaimers;
	struct om_mapping **place = NULL;
	bool busy = false;

	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	for (unsigned i = 0; i < OM_RECLAIM_WRITERS; i++) {
		busy |= r->being_written[i] == mapping;
		if (!r->being_written[i])
			place = &r->being_written[i];
	}
	if (busy)
		place = NULL;
	if (place)
		*place = mapping;
	om_spin_unlock(sys, &r->lock);
	return place;
}

static void end_write(struct om_system *sys, struct om_mapping **place)
{
	om_spin_lock(sys, &sys->reclaimers.lock, OM_RANK_LIST);
	*place = NULL;
	om_spin_unlock(sys, &sys->reclaimers.lock);
}

static bool begin_swap(struct om_system *sys, unsigned device)
{
	struct om_reclaimers *r = &sys->reclaimers;
	bool free;

	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	free = r->swap_writers[device] < OM_SWAP_WRITERS;
	r->swap_writers[device] += free;
	om_spin_unlock(sys, &r->lock);
	return free;
}

static void end_swap(struct om_system *sys, unsigned device)
{
	om_spin_lock(sys, &sys->reclaimers.lock, OM_RANK_LIST);
	sys->reclaimers.swap_writers[device]--;
	om_spin_unlock(sys, &sys->reclaimers.lock);
}

static bool is_dirty_swap(const struct om_page *page)
{
	return page && (om_page_flags(page) & (OM_PG_DIRTY | OM_PG_SWAPCACHE)) ==
	                   (OM_PG_DIRTY | OM_PG_SWAPCACHE);
}

/* Nobody holds the slot any more (the last entry went away meanwhile): writing would be in vain. */
static bool is_orphan(struct om_system *sys, struct om_page *page)
{
	bool orphan;

	om_frame_lock(sys, page);
	orphan = page->mapcount == 0 && !page->object && om_swapcache_is_sole(sys, page);
	om_frame_unlock(sys, page);
	return orphan;
}

/* Write the run of consecutive slots that begins at page i; returns its length. */
static unsigned write_run(struct om_system *sys, struct batch *b, unsigned i)
{
	unsigned n = 1, device = b->page[i]->slot >> OM_SWAP_DEVICE_SHIFT;
	bool may = begin_swap(sys, device);

	while (i + n < b->n && is_dirty_swap(b->page[i + n]) &&
	       b->page[i + n]->slot == b->page[i]->slot + n &&
	       om_slot_device(sys, b->page[i]->slot) == om_slot_device(sys, b->page[i + n]->slot))
		n++;
	if (!may || om_swap_write(sys, &b->page[i], n))
		for (unsigned k = 0; k < n; k++)
			give_up(sys, &b->page[i + k], true);
	if (may)
		end_swap(sys, device);
	return n;
}

/*
 * The file of a dirty page that has to go to its store; NULL for any other page. Without a mapping
 * it has been truncated; the page lock keeps the mapping from going now.
 */
static struct om_mapping *file_to_write(struct om_system *sys, struct om_page *page)
{
	const unsigned other = OM_PG_ANON | OM_PG_SWAPCACHE | OM_PG_SWAPBACKED;
	struct om_mapping *mapping = NULL;

	if (!page)
		return NULL;
	om_frame_lock(sys, page);
	if (om_page_test(page, OM_PG_DIRTY) && !om_page_test(page, other))
		mapping = page->object;
	om_frame_unlock(sys, page);
	return mapping;
}

/* Write the pages of `mapping` that begin with page i and follow one another; returns how many. */
static unsigned write_file_run(struct om_system *sys, struct batch *b, unsigned i,
                               struct om_mapping *mapping)
{
	struct om_mapping **place = begin_write(sys, mapping);
	struct om_page **run = &b->page[i];
	unsigned n = 1;

	while (i + n < b->n && n < OM_TRANSFER_MAX && file_to_write(sys, run[n]) == mapping &&
	       run[n]->index == run[0]->index + n)
		n++;
	if (!place || om_mapping_writepages(mapping, run, n))
		for (unsigned k = 0; k < n; k++)
			if (om_page_test(run[k], OM_PG_DIRTY))
				give_up(sys, &run[k], true);
	if (place)
		end_write(sys, place);
	return n;
}

static void write_out(struct om_system *sys, struct batch *b)
{
	for (unsigned i = 0; i < b->n;) {
		struct om_page *page = b->page[i];
		struct om_mapping *file;

		if (is_dirty_swap(page) && !is_orphan(sys, page)) {
			i += write_run(sys, b, i);
			continue;
		}
		file = file_to_write(sys, page);
		i += file ? write_file_run(sys, b, i, file) : 1;
	}
}

/* ---------------------------------------------------------------- free ---------------------- */

/* Take the page from its last holder; it dies when it is put back. */
static bool release(struct om_system *sys, struct om_page *page)
{
	struct om_mapping *mapping = NULL;
	bool swapcache, free = true;

	om_frame_lock(sys, page);
	if (!om_page_test(page, OM_PG_ANON))
		mapping = page->object;
	swapcache = om_page_test(page, OM_PG_SWAPCACHE);
	if (!mapping)
		free = page->mapcount == 0 && page->holds == (swapcache ? OM_ONE_REF : 0);
	if (free && swapcache && om_page_test(page, OM_PG_DIRTY))
		free = !page->object && om_swapcache_is_sole(sys, page);
	om_frame_unlock(sys, page);
	if (mapping)
		return om_mapping_evict(mapping, page);
	if (free && swapcache)
		om_swapcache_del(sys, page);
	return free;
}

unsigned om_reclaim_pages(struct om_system *sys, struct om_page *const from[], unsigned n,
                          bool force)
{
	unsigned freed = 0;
	struct batch b;

	om_might_sleep(sys);
	choose(sys, from, n, force, &b);
	back(sys, &b);
	unmap(sys, &b);
	write_out(sys, &b);
	for (unsigned i = 0; i < b.n; i++) {
		if (!b.page[i])
			continue;
		if (release(sys, b.page[i])) {
			freed++;
			if (om_page_test(b.page[i], OM_PG_LAZYFREE))
				om_count(sys, OM_EV_PGLAZYFREED, 1);
		}
		give_up(sys, &b.page[i], false);
	}
	om_count(sys, OM_EV_PGSCAN, n);
	om_count(sys, OM_EV_PGSTEAL, freed);
	return freed;
}

/* ---------------------------------------------------------------- lists --------------------- */

static om_pfn_t list_size(struct om_system *sys, enum om_lru_list list)
{
	om_pfn_t n;

	om_lru_lock(sys);
	n = sys->lru[list].count;
	om_lru_unlock(sys);
	return n;
}

/* Unused pages of the active tail become inactive, used ones go back to its head. */
static void age_active(struct om_system *sys, enum om_lru_list active, unsigned n)
{
	struct om_page *page[OM_RECLAIM_BATCH];

	n = om_lru_isolate(sys, active, page, n);
	for (unsigned i = 0; i < n; i++) {
		bool used = true;

		if (om_page_trylock(sys, page[i])) {
			used = om_page_referenced(sys, page[i]);
			om_page_unlock(sys, page[i]);
		}
		if (!used) {
			om_page_clear(page[i], OM_PG_ACTIVE);
			om_count(sys, OM_EV_PGDEACTIVATE, 1);
		}
		om_lru_putback(sys, page[i]);
	}
}

/* Scan about 1 / 2^prio of a pair of lists; 0 scans it all and takes used pages, too. */
static size_t shrink_pair(struct om_system *sys, enum om_lru_list inactive, unsigned prio,
                          size_t target)
{
	enum om_lru_list active = inactive + 1;
	om_pfn_t na = list_size(sys, active), ni = list_size(sys, inactive);
	size_t freed = 0, budget;

	budget = na > ni ? (na >> prio) + 1 : 0;
	for (size_t done = 0; done < budget; done += OM_RECLAIM_BATCH)
		age_active(sys, active, OM_RECLAIM_BATCH);

	budget = (list_size(sys, inactive) >> prio) + 1;
	for (size_t done = 0; done < budget && freed < target; done += OM_RECLAIM_BATCH) {
		struct om_page *page[OM_RECLAIM_BATCH];
		unsigned n = om_lru_isolate(sys, inactive, page, OM_RECLAIM_BATCH);

		if (!n)
			break;
		freed += om_reclaim_pages(sys, page, n, prio == 0);
	}
	return freed;
}

static size_t shrink(struct om_system *sys, size_t pages)
{
	size_t freed = 0;

	for (unsigned prio = 6; freed < pages; prio--) {
		freed += shrink_pair(sys, OM_LRU_INACTIVE_FILE, prio, pages - freed);
		if (freed < pages)
			freed += shrink_pair(sys, OM_LRU_INACTIVE_ANON, prio, pages - freed);
		if (prio ? freed < pages : !freed)
			freed += om_reclaim_tables(sys, prio, pages - freed);
		if (!prio)
			break;
	}
	return freed;
}

/* Returns what leave() wants to know. */
static uint32_t enter(struct om_system *sys)
{
	struct om_reclaimers *r = &sys->reclaimers;
	uint32_t hangs;

	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	atomic_fetch_add(&r->inside, 1);
	hangs = r->hangs;
	om_spin_unlock(sys, &r->lock);
	return hangs;
}

static void leave(struct om_system *sys, uint32_t hangs, bool won)
{
	struct om_reclaimers *r = &sys->reclaimers;

	if (won)
		atomic_fetch_add(&r->won, 1);
	om_spin_lock(sys, &r->lock, OM_RANK_LIST);
	atomic_fetch_sub(&r->inside, 1);
	if (r->hangs != hangs) /* we were taken for hung, too: it was not for ever */
		atomic_fetch_sub(&r->hung, 1);
	om_spin_unlock(sys, &r->lock);
	om_wake(sys, r);
}

size_t om_reclaim_step(struct om_system *sys, size_t pages)
{
	uint32_t hangs;
	size_t freed;

	om_might_sleep(sys);
	hangs = enter(sys);
	freed = shrink(sys, pages);
	leave(sys, hangs, freed);
	return freed;
}
