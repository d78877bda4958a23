/*
 * reclaim.c: choosing victims and getting their frames back.
 *
 * The hand finds pages that have not been used for long enough (hand.c, scan.c, balance.c). If it
 * has been round and there were too few of them, those leave, too, that would have been next, and
 * at last everything that can.
 *
 * Page tables that hold nothing are frames, too: tables.c. What somebody does who needs a frame:
 * request.c.
 *
 * A batch of victims goes through stages, so that neighbours in memory are neighbours in swap and
 * one transfer: sort, back (find a slot for what has no store), unmap, write, free.
 */
#include "reclaim/reclaim.h"

#include "page/age.h"
#include "page/put.h"
#include "reclaim/balance.h"
#include "reclaim/scan.h"
#include "reclaim/sweep.h"
#include "reclaim/tables.h"
#include "reclaim/unmap.h"
#include "reclaim/writers.h"
#include "store/mapping.h"
#include "store/swap.h"

/* It does not leave now, but when the hand comes again; `keep`: nor then, because it cannot. */
static void give_up(struct om_system *sys, om_pfn_t *victim, bool keep)
{
	struct om_page *page = om_page_of(sys, *victim);

	if (keep)
		om_page_set_age(page, 0);
	else
		om_region_wake(sys, page);
	om_page_unlock_put(sys, page);
	*victim = OM_NO_PFN;
}

/* NULL: it has been given up. */
static struct om_page *victim(struct om_system *sys, const struct om_victims *b, unsigned i)
{
	return b->page[i] == OM_NO_PFN ? NULL : om_page_of(sys, b->page[i]);
}

/* ---------------------------------------------------------------- sort ---------------------- */

static bool comes_before(const struct om_target *a, const struct om_target *b)
{
	uintptr_t x = (uintptr_t)a->object, y = (uintptr_t)b->object;

	return x != y ? x < y : a->index < b->index;
}

static struct om_target look_at(struct om_system *sys, struct om_page *page)
{
	struct om_target t;

	om_frame_lock(sys, page);
	om_target_set(&t, page);
	om_frame_unlock(sys, page);
	return t;
}

/* Where `t` belongs among the first n, which are in order. */
static unsigned place_of(struct om_system *sys, const struct om_victims *b, unsigned n,
                         const struct om_target *t)
{
	unsigned first = 0;

	while (first < n) {
		unsigned middle = (first + n) / 2;
		struct om_target other = look_at(sys, om_page_of(sys, b->page[middle]));

		if (comes_before(t, &other))
			n = middle;
		else
			first = middle + 1;
	}
	return first;
}

/*
 * Those of one table, or one file, come in order; an exclusive one may move to another table
 * meanwhile, and is just out of order then. Most are in order already.
 */
static OM_NOINLINE void sort(struct om_system *sys, struct om_victims *b)
{
	struct om_target last = {.page = NULL};

	for (unsigned i = 0; i < b->n; i++) {
		om_pfn_t pfn = b->page[i];
		struct om_target t = look_at(sys, om_page_of(sys, pfn));
		unsigned at = i;

		if (!i || !comes_before(&t, &last)) {
			last = t;
			continue;
		}
		for (unsigned place = place_of(sys, b, i, &t); at > place; at--)
			b->page[at] = b->page[at - 1];
		b->page[at] = pfn;
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
static OM_NOINLINE void back(struct om_system *sys, struct om_victims *b)
{
	unsigned left = 0, have = 0;
	uint32_t slot = 0;

	for (unsigned i = 0; i < b->n; i++)
		left += needs_slot(sys, om_page_of(sys, b->page[i]));
	for (unsigned i = 0; i < b->n && left; i++) {
		struct om_page *page = om_page_of(sys, b->page[i]);

		if (!needs_slot(sys, page))
			continue;
		if (!have)
			have = om_slot_alloc(sys, left, &slot);
		if (!have) {
			give_up(sys, &b->page[i], true);
			left--;
			continue;
		}
		om_swapcache_add(sys, page, slot++);
		om_page_set(page, OM_PG_DIRTY);
		have--;
		left--;
	}
	while (have--)
		om_slot_put(sys, slot++);
}

/* ---------------------------------------------------------------- unmap --------------------- */

/* Perhaps nonlinear areas have the page. */
static void sweep(struct om_page *page)
{
	if (!om_page_test(page, OM_PG_ANON) && om_mapping_is_shmem(page->object))
		om_sweep_nonlinear(page->object);
}

static OM_NOINLINE void unmap(struct om_system *sys, struct om_victims *b)
{
	om_unmap_exclusive(sys, b->page, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		struct om_page *page = victim(sys, b, i);
		enum om_unmap_result r;

		if (!page)
			continue;
		r = om_try_to_unmap(sys, page, &b->page[i + 1], b->n - i - 1);
		if (r == OM_UNMAP_AGAIN)
			sweep(page);
		if (r != OM_UNMAP_SUCCESS)
			give_up(sys, &b->page[i], r == OM_UNMAP_FAIL);
	}
}

/* ---------------------------------------------------------------- write --------------------- */

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

/*
 * A run could not be written: those pages stay that still are dirty. `err` is 0 if nobody has
 * tried.
 */
static OM_COLD void keep_run(struct om_system *sys, struct om_victims *b, unsigned i, unsigned n,
                             int err)
{
	for (unsigned k = i; k < i + n; k++)
		if (om_page_test(om_page_of(sys, b->page[k]), OM_PG_DIRTY))
			give_up(sys, &b->page[k], err && err != -OM_EAGAIN);
	b->put_off |= err == -OM_EAGAIN;
}

/* Write the run of consecutive slots that begins with `first`, page i; returns its length. */
static unsigned write_run(struct om_system *sys, struct om_victims *b, unsigned i,
                          const struct om_page *first)
{
	unsigned n = 1, device = first->slot >> OM_SWAP_DEVICE_SHIFT;
	_Atomic uint8_t *place = om_swap_writer_begin(sys, device);
	int err = 0;

	for (; i + n < b->n; n++) {
		struct om_page *next = victim(sys, b, i + n);

		if (!is_dirty_swap(next) || next->slot != first->slot + n ||
		    next->slot >> OM_SWAP_DEVICE_SHIFT != device)
			break;
	}
	if (place)
		err = om_swap_write(sys, &b->page[i], n);
	if (!place || err)
		keep_run(sys, b, i, n, err);
	if (place)
		om_swap_writer_end(sys, device, place);
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

/* Write the pages of `mapping` that begin with `first`, page i, and follow; returns how many. */
static unsigned write_file_run(struct om_system *sys, struct om_victims *b, unsigned i,
                               const struct om_page *first, struct om_mapping *mapping)
{
	struct om_mapping **place = om_file_writer_begin(sys, mapping);
	unsigned n = 1;
	int err = 0;

	for (; i + n < b->n && n < OM_TRANSFER_MAX; n++) {
		struct om_page *next = victim(sys, b, i + n);

		if (file_to_write(sys, next) != mapping || next->index != first->index + n)
			break;
	}
	if (place)
		err = om_mapping_writepages(mapping, &b->page[i], n);
	if (!place || err)
		keep_run(sys, b, i, n, err);
	if (place)
		om_file_writer_end(sys, place);
	return n;
}

static OM_NOINLINE void write_out(struct om_system *sys, struct om_victims *b)
{
	for (unsigned i = 0; i < b->n;) {
		struct om_page *page = victim(sys, b, i);
		struct om_mapping *file;

		if (is_dirty_swap(page) && !is_orphan(sys, page)) {
			i += write_run(sys, b, i, page);
			continue;
		}
		file = file_to_write(sys, page);
		i += file ? write_file_run(sys, b, i, page, file) : 1;
	}
}

/* ---------------------------------------------------------------- free ---------------------- */

/* Take the page from its last holder but us. */
static bool release(struct om_system *sys, struct om_page *page)
{
	struct om_mapping *mapping = NULL;
	bool swapcache, free = true;

	om_frame_lock(sys, page);
	if (!om_page_test(page, OM_PG_ANON))
		mapping = page->object;
	swapcache = om_page_test(page, OM_PG_SWAPCACHE);
	if (!mapping)
		free = page->mapcount == 0 && page->holds == (swapcache ? 2 : 1) * OM_ONE_REF;
	if (free && swapcache && om_page_test(page, OM_PG_DIRTY))
		free = !page->object && om_swapcache_is_sole(sys, page);
	om_frame_unlock(sys, page);
	if (mapping)
		return om_mapping_evict(mapping, page);
	if (free && swapcache)
		om_swapcache_del(sys, page);
	return free;
}

static bool free_victim(struct om_system *sys, struct om_victims *b, unsigned i,
                        enum om_age_kind kind)
{
	struct om_page *page = om_page_of(sys, b->page[i]);

	if (!release(sys, page)) {
		give_up(sys, &b->page[i], false);
		return false;
	}
	om_count(sys, kind == OM_AGE_ANON ? OM_EV_PGSTEAL_ANON : OM_EV_PGSTEAL_FILE, 1);
	if (om_page_test(page, OM_PG_LAZYFREE))
		om_count(sys, OM_EV_PGLAZYFREED, 1);
	om_page_unlock_put(sys, page);
	return true;
}

/* evicted[]: how many were freed, by kind, is added. */
static void reclaim_victims(struct om_system *sys, struct om_victims *b, unsigned evicted[])
{
	sort(sys, b);
	back(sys, b);
	unmap(sys, b);
	write_out(sys, b);
	for (unsigned i = 0; i < b->n; i++) {
		struct om_page *page = victim(sys, b, i);

		if (page) {
			enum om_age_kind kind = om_age_kind_of(om_page_flags(page));

			evicted[kind] += free_victim(sys, b, i, kind);
		}
	}
}

unsigned om_reclaim_pages(struct om_system *sys, const om_pfn_t page[], unsigned n)
{
	unsigned evicted[OM_NR_AGE_KINDS] = {0};
	struct om_victims b = {.n = 0};

	om_might_sleep(sys);
	for (unsigned i = 0; i < n; i++) {
		struct om_page *p = om_page_of(sys, page[i]);

		if (om_page_trylock(sys, p))
			b.page[b.n++] = page[i];
		else
			om_page_put(sys, p);
	}
	reclaim_victims(sys, &b, evicted);
	return evicted[OM_AGE_ANON] + evicted[OM_AGE_FILE];
}

/* ---------------------------------------------------------------- rounds -------------------- */

static size_t go_round(struct om_system *sys, struct om_round *round, enum om_scan how,
                       size_t pages)
{
	size_t freed = 0;

	round->how = how;
	round->left = sys->nr_frames;
	while (freed < pages && round->left) {
		unsigned evicted[OM_NR_AGE_KINDS] = {0};
		struct om_victims b = {.n = 0};
		size_t want = pages - freed;

		round->looked = 0;
		om_scan(sys, round, want < OM_RECLAIM_BATCH ? (unsigned)want : OM_RECLAIM_BATCH,
		        &b);
		reclaim_victims(sys, &b, evicted);
		round->put_off |= b.put_off;
		freed += evicted[OM_AGE_ANON] + evicted[OM_AGE_FILE];
		om_count(sys, OM_EV_PGSCAN, round->looked);
		if (how <= OM_SCAN_REST)
			om_balance(sys, round->looked, evicted);
	}
	return freed;
}

/*
 * Too few were old. Those that have the least time left are to leave: they are looked for where
 * they may be first, until there are so many that no others can have less.
 */
static size_t take_next(struct om_system *sys, struct om_round *round, size_t pages)
{
	unsigned early = OM_AGE_MAX;
	size_t freed = 0;

	for (unsigned time = 1; freed < pages && time < early; time = 2 * time + 1) {
		round->early = time;
		freed += go_round(sys, round, OM_SCAN_REST, pages - freed);
		early = om_round_early(round, pages - freed);
	}
	round->early = early;
	if (freed < pages)
		freed += go_round(sys, round, OM_SCAN_NEXT, pages - freed);
	return freed;
}

/*
 * Halves of all tables: the first look at one that was used lately is for its next to last chance.
 */
#define HALVES 5

static size_t shrink_tables(struct om_system *sys, size_t pages)
{
	size_t freed = 0;

	for (unsigned n = 0; n < HALVES && freed < pages; n++)
		freed += om_reclaim_tables(sys, OM_TABLES_UNUSED, pages - freed);
	return freed;
}

static size_t shrink(struct om_system *sys, size_t pages, bool *put_off)
{
	struct om_round round = {.early = 0};
	size_t freed = go_round(sys, &round, OM_SCAN_OLD, pages);

	if (freed < pages)
		freed += om_reclaim_tables(sys, OM_TABLES_FREE, pages - freed);
	if (freed < pages)
		freed += take_next(sys, &round, pages - freed);
	/* Before what is in use. */
	if (freed < pages)
		freed += shrink_tables(sys, pages - freed);
	if (freed < pages)
		freed += go_round(sys, &round, OM_SCAN_ALL, pages - freed);
	if (!freed)
		freed = om_reclaim_tables(sys, OM_TABLES_ALL, pages);
	if (put_off)
		*put_off = round.put_off;
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

size_t om_reclaim_some(struct om_system *sys, size_t pages, bool *put_off)
{
	uint32_t hangs;
	size_t freed;

	om_might_sleep(sys);
	hangs = enter(sys);
	freed = shrink(sys, pages, put_off);
	leave(sys, hangs, freed);
	return freed;
}

size_t om_reclaim_step(struct om_system *sys, size_t pages)
{
	return om_reclaim_some(sys, pages, NULL);
}
