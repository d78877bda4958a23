/*
 * verify_frame.c: om_verify()'s look at frames: every frame of the page array against what was
 * counted for it, the free frames, wherever they are, and the object caches. No frame may be lost:
 * each kind has somebody who reaches it.
 */
#include "page/unevictable.h"
#include "page/slab.h"
#include "rmap/rmap.h"
#include "store/swap.h"
#include "verify/verify.h"

/* ---------------------------------------------------------------- data pages ---------------- */

/* I12. Nobody is at work on the page. */
static void check_locked(struct om_check *c, struct om_page *page, const struct om_tally *tally)
{
	unsigned flags = om_page_flags(page);

	OM_CHECK(c, !(flags & (OM_PG_LOCKED | OM_PG_WAITERS)), "rest", page, flags, page->mapcount);
	if ((flags & OM_PG_UNEVICTABLE) && page->mlocked == OM_MLOCKED_MAX)
		return; /* it has lost count */
	OM_CHECK(c, !(flags & OM_PG_UNEVICTABLE) == !tally->locked, "I12", page, flags,
	         tally->locked);
	OM_CHECK(c, page->mlocked == tally->locked, "I12", page, page->mlocked, tally->locked);
}

/* What the state table of docs/design.md allows. */
static void check_state(struct om_check *c, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	if (!(flags & OM_PG_ANON)) {
		OM_CHECK(c, !(flags & (OM_PG_DIRECT | OM_PG_LAZYFREE)), "I2", page, flags,
		         page->object);
		OM_CHECK(c, page->object || !page->mapcount, "I4", page, page->mapcount, flags);
		return;
	}
	OM_CHECK(c, !page->object == !page->mapcount, "I4", page, page->object, page->mapcount);
	OM_CHECK(c, !(flags & OM_PG_DIRECT) || page->mapcount == 1, "I2", page, page->mapcount,
	         flags);
	OM_CHECK(c, !om_page_pins(page) || !page->mapcount || (flags & OM_PG_DIRECT), "I2", page,
	         om_page_pins(page), flags);
	if ((flags & OM_PG_DIRECT) && (flags & OM_PG_SWAPCACHE))
		OM_CHECK(c, om_slot_count(c->sys, page->slot) == 1, "I2", page, page->slot,
		         om_slot_count(c->sys, page->slot));
}

/* The caches' references are all there are at rest. */
static unsigned expected_refs(const struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	return (!(flags & OM_PG_ANON) && page->object) + !!(flags & OM_PG_SWAPCACHE);
}

static void check_data(struct om_check *c, struct om_page *page)
{
	const struct om_tally *tally = om_tally_of(c, page);
	unsigned flags = om_page_flags(page);

	OM_CHECK(c, page->mapcount == tally->seen, "I1", page, page->mapcount, tally->seen);
	OM_CHECK(c, om_page_refs(page) == expected_refs(page), "refs", page, om_page_refs(page),
	         flags);
	OM_CHECK(c, page->mapcount || page->holds, "I7", page, flags, page->object);
	OM_CHECK(c, (flags & OM_PG_UPTODATE) || !(page->mapcount || om_page_refs(page)), "page",
	         page, flags, page->mapcount);
	if (flags & OM_PG_SWAPCACHE)
		OM_CHECK(c, om_slot_pfn(c->sys, page->slot) == om_page_pfn(c->sys, page), "I11",
		         page, page->slot, om_slot_pfn(c->sys, page->slot));
	check_locked(c, page, tally);
	check_state(c, page);
}

/* ---------------------------------------------------------------- every frame --------------- */

/* Nothing of a data page's life is left, or has begun. A page table may be new. */
static void check_bare(struct om_check *c, struct om_page *page, unsigned refs)
{
	const unsigned table = OM_TABLE_NEW | OM_TABLE_MIXED | OM_TABLE_HELD | OM_TABLE_FOLDED;
	unsigned allowed = page->kind >= OM_KIND_TABLE ? table : 0;

	OM_CHECK(c, !(om_page_flags(page) & ~allowed), "I7", page, om_page_flags(page), page->kind);
	if (page->kind < OM_KIND_TABLE)
		OM_CHECK(c, page->holds == refs * OM_ONE_REF, "I7", page, page->holds, refs);
}

/* Frames that must have been reached from somewhere, exactly once. */
static void check_reached(struct om_check *c, struct om_page *page, unsigned refs)
{
	check_bare(c, page, refs);
	OM_CHECK(c, om_tally_of(c, page)->seen == 1, "lost frame", page, page->kind,
	         om_tally_of(c, page)->seen);
}

/* All owners have been seen to have the table, and nobody else. */
static void check_owners(struct om_check *c, const struct om_page *table)
{
	unsigned n = 0;

	om_for_each_owner (mm, table)
		n++;
	OM_CHECK(c, om_tally_of(c, table)->locked == n, "I13", table, om_tally_of(c, table)->locked,
	         n);
}

static void check_frame(struct om_check *c, struct om_page *page)
{
	OM_CHECK(c, atomic_load(&page->lock.state) == 0, "rest", page, page->kind, 0);
	switch (page->kind) {
	case OM_KIND_RESERVED:
		check_bare(c, page, 0);
		break;
	case OM_KIND_FREE:
		OM_CHECK(c, page->mapcount == 0 && !page->object, "I7", page, page->mapcount,
		         page->object);
		check_reached(c, page, 0);
		break;
	case OM_KIND_DATA:
		check_data(c, page);
		break;
	case OM_KIND_ZERO:
		OM_CHECK(c, om_page_pfn(c->sys, page) == c->sys->zero_pfn, "I8", page,
		         om_page_pfn(c->sys, page), c->sys->zero_pfn);
		OM_CHECK(c, page->mapcount == 0, "I8", page, page->mapcount, 0);
		check_bare(c, page, 0);
		break;
	case OM_KIND_USER:
		check_bare(c, page, 1);
		break;
	default:
		check_reached(c, page, 1);
		if (page->kind > OM_KIND_TABLE)
			check_owners(c, page);
	}
}

/* Sums over the page array, against the counters that are kept. */
struct frame_sums {
	om_pfn_t kind[OM_KIND_TABLE + 1];
	om_pfn_t unevictable, swapcache;
	struct om_mapped_pages mapped;
};

static void add_frame(const struct om_page *page, struct frame_sums *s)
{
	unsigned flags = om_page_flags(page);

	s->kind[page->kind < OM_KIND_TABLE ? page->kind : OM_KIND_TABLE]++;
	s->unevictable += !!(flags & OM_PG_UNEVICTABLE);
	s->swapcache += !!(flags & OM_PG_SWAPCACHE);
	if (page->kind != OM_KIND_DATA || !page->mapcount)
		return;
	if (!(flags & OM_PG_ANON))
		s->mapped.file++;
	else if (flags & OM_PG_DIRECT)
		s->mapped.direct++;
	else
		s->mapped.shared++;
}

static void check_sums(struct om_check *c, const struct frame_sums *s)
{
	static const uint8_t counted[] = {OM_KIND_DATA, OM_KIND_OBJECT, OM_KIND_INDEX, OM_KIND_USER,
	                                  OM_KIND_TABLE};
	struct om_system *sys = c->sys;
	struct om_mapped_pages mapped;

	for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		unsigned k = counted[i];

		OM_CHECK(c, s->kind[k] == om_frames_of_kind(sys, k), "kinds", NULL, s->kind[k],
		         om_frames_of_kind(sys, k));
	}
	OM_CHECK(c, s->kind[OM_KIND_FREE] == om_frames_free(sys), "I7", NULL, s->kind[OM_KIND_FREE],
	         om_frames_free(sys));
	OM_CHECK(c, sys->nr_frames - s->kind[OM_KIND_RESERVED] == sys->nr_owned, "lost frame", NULL,
	         s->kind[OM_KIND_RESERVED], sys->nr_owned);
	om_rmap_mapped(sys, &mapped);
	OM_CHECK(c, s->mapped.direct == mapped.direct, "mapped", NULL, s->mapped.direct,
	         mapped.direct);
	OM_CHECK(c, s->mapped.shared == mapped.shared, "mapped", NULL, s->mapped.shared,
	         mapped.shared);
	OM_CHECK(c, s->mapped.file == mapped.file, "mapped", NULL, s->mapped.file, mapped.file);
	OM_CHECK(c, s->unevictable == atomic_load(&sys->nr_unevictable), "I12", NULL,
	         s->unevictable, atomic_load(&sys->nr_unevictable));
	OM_CHECK(c, s->swapcache == om_swapcache_pages(sys), "I11", NULL, s->swapcache,
	         om_swapcache_pages(sys));
}

void om_check_frames(struct om_check *c)
{
	struct frame_sums sums = {{0}, 0, 0, {0, 0, 0}};

	for (om_pfn_t pfn = 0; pfn < c->sys->nr_frames; pfn++) {
		check_frame(c, om_page_of(c->sys, pfn));
		add_frame(om_page_of(c->sys, pfn), &sums);
	}
	check_sums(c, &sums);
}

/* ---------------------------------------------------------------- lists --------------------- */

/* n frames from *pfn on, all free; leaves it at what the last one names, which is *last. */
static bool check_linked(struct om_check *c, om_pfn_t *pfn, om_pfn_t n, om_pfn_t *last)
{
	for (om_pfn_t i = 0; i < n; i++) {
		struct om_page *page;

		if (!OM_CHECK(c, *pfn < c->sys->nr_frames, "I7", NULL, *pfn, i))
			return false;
		page = om_page_of(c->sys, *pfn);
		if (!OM_CHECK(c, page->kind == OM_KIND_FREE, "I7", page, page->kind, i))
			return false;
		om_tally_of(c, page)->seen++;
		*last = *pfn;
		*pfn = page->link.next;
	}
	return true;
}

static void check_part(struct om_check *c, om_pfn_t first, om_pfn_t last, om_pfn_t n)
{
	om_pfn_t pfn = first, end = OM_NO_PFN;

	if (n && check_linked(c, &pfn, n, &end))
		OM_CHECK(c, end == last, "I7", NULL, end, last);
}

static void check_frame_cache(struct om_check *c, const struct om_frame_cache *cache)
{
	const struct om_free_list *list = &cache->list;
	om_pfn_t n = atomic_load(&list->n), spare = atomic_load(&cache->spare_n);

	OM_CHECK(c, list->max || !(n + spare), "I7", cache, n, spare);
	OM_CHECK(c, n || list->head == OM_NO_PFN, "I7", cache, n, list->head);
	check_part(c, list->head, list->last, n);
	check_part(c, cache->spare_first, cache->spare_last, spare);
}

/* Both ways: a frame cannot be met twice, as it would need two predecessors. */
static bool check_links(struct om_check *c, const struct om_pfn_list *list,
                        bool (*member)(struct om_check *c, struct om_page *page, unsigned nr),
                        unsigned nr)
{
	om_pfn_t pfn = list->head, prev = OM_NO_PFN, n = 0;

	for (; n < list->count; n++) {
		struct om_page *page;

		if (!OM_CHECK(c, pfn < c->sys->nr_frames, "list", list, pfn, n))
			return false;
		page = om_page_of(c->sys, pfn);
		if (!member(c, page, nr) ||
		    !OM_CHECK(c, page->link.prev == prev, "list", page, page->link.prev, prev))
			return false;
		prev = pfn;
		pfn = page->link.next;
	}
	return OM_CHECK(c, pfn == OM_NO_PFN && list->tail == prev, "list", list, pfn, list->tail);
}

/* The frames of a run's bits are free, and its counts are what the bits say. */
static om_pfn_t check_run(struct om_check *c, const struct om_frame_run *run)
{
	om_pfn_t first = (om_pfn_t)(run - c->sys->frame_run) * OM_RUN, n = 0, whole = 0;

	for (om_pfn_t i = 0; i < OM_RUN; i++) {
		if (!(run->free[i / OM_BLOCK] >> i % OM_BLOCK & 1))
			continue;
		if (!OM_CHECK(c, first + i < c->sys->nr_frames, "I7", run, first + i, n))
			break;
		n++;
		om_tally_of(c, om_page_of(c->sys, first + i))->seen++;
		OM_CHECK(c, c->sys->page[first + i].kind == OM_KIND_FREE, "I7", run, first + i, n);
	}
	for (unsigned i = 0; i < OM_RUN / OM_BLOCK; i++)
		whole += !~run->free[i];
	OM_CHECK(c, run->n == n, "I7", run, run->n, n);
	OM_CHECK(c, run->whole == whole, "I7", run, run->whole, whole);
	return n;
}

/* Each run on the list belongs there; how many are. A run met twice would have two before it. */
static om_pfn_t check_run_list(struct om_check *c, unsigned list, om_pfn_t nr_runs)
{
	uint32_t prev = UINT32_MAX, nr = c->sys->runs.head[list];
	om_pfn_t n = 0;

	for (; nr != UINT32_MAX; n++) {
		const struct om_frame_run *run = &c->sys->frame_run[nr];

		if (!OM_CHECK(c, nr < nr_runs, "I7", NULL, nr, list) ||
		    !OM_CHECK(c, run->prev == prev, "I7", run, run->prev, prev) ||
		    !OM_CHECK(c, om_run_list(run) == list, "I7", run, run->n, list))
			return n;
		prev = nr;
		nr = run->next;
	}
	return n;
}

static void check_runs(struct om_check *c)
{
	om_pfn_t nr_runs = (c->sys->nr_frames + OM_RUN - 1) / OM_RUN, n = 0, used = 0, listed = 0;
	om_pfn_t reserve = om_frames_reserve(c->sys);

	for (om_pfn_t i = 0; i < nr_runs; i++) {
		om_pfn_t frames = check_run(c, &c->sys->frame_run[i]);

		n += frames;
		used += frames != 0;
	}
	for (unsigned list = 0; list < OM_NR_RUN_LISTS; list++)
		listed += check_run_list(c, list, nr_runs);
	OM_CHECK(c, listed == used, "I7", NULL, listed, used);
	OM_CHECK(c, c->sys->runs.n == n, "I7", NULL, c->sys->runs.n, n);
	OM_CHECK(c, c->sys->free.floor == (n > reserve ? n : reserve), "I7", NULL,
	         c->sys->free.floor, n);
}

void om_check_lists(struct om_check *c)
{
	struct om_system *sys = c->sys;
	om_pfn_t pfn = sys->free.head, last, n = atomic_load(&sys->free.n) - sys->runs.n;
	unsigned open = 0;

	if (check_linked(c, &pfn, n, &last))
		OM_CHECK(c, pfn == OM_NO_PFN, "I7", NULL, pfn, n);
	check_runs(c);
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		check_frame_cache(c, &sys->shard[i].cache);
		open += sys->shard[i].cache.list.max != 0;
	}
	OM_CHECK(c, open == atomic_load(&sys->nr_open), "I7", NULL, open,
	         atomic_load(&sys->nr_open));
}

/* ---------------------------------------------------------------- objects ------------------- */

static bool has_room(struct om_check *c, struct om_page *frame, unsigned name)
{
	return OM_CHECK(c, frame->kind == OM_KIND_OBJECT, "slab", frame, frame->kind, name) &&
	       OM_CHECK(c, frame->object && frame->slot == name, "slab", frame, frame->slot, name);
}

/* Objects in use and free ones make up the frame. */
static void check_object_frame(struct om_check *c, struct om_page *frame)
{
	size_t size = om_slab_of(c->sys, frame)->size, room = OM_PAGE_SIZE / size;
	char *base = om_page_ptr(c->sys, frame);
	size_t free = 0;

	for (void **object = frame->object; object && free <= room; object = *object, free++) {
		size_t offset = (size_t)((char *)object - base);

		if (!OM_CHECK(c, offset < room * size && offset % size == 0, "slab", frame, offset,
		              size))
			return;
	}
	OM_CHECK(c, frame->mapcount + free == room, "slab", frame, frame->mapcount, free);
	om_tally_of(c, frame)->seen++;
}

/* What the slabs of all CPUs should add up to. */
static void check_cache(struct om_check *c, enum om_cache cache, size_t reached)
{
	struct om_slab_sum sum = om_slab_sum(c->sys, cache);
	size_t frames = 0, in_use = 0, partial = 0;

	for (om_pfn_t pfn = 0; pfn < c->sys->nr_frames; pfn++) {
		struct om_page *frame = om_page_of(c->sys, pfn);

		if (frame->kind != OM_KIND_OBJECT || om_slab_cache(frame) != cache ||
		    !OM_CHECK(c, om_slab_owner(frame) <= c->sys->cpu_mask, "slab", frame,
		              frame->slot, cache))
			continue;
		check_object_frame(c, frame);
		frames++;
		in_use += frame->mapcount;
		partial += frame->object != NULL;
		OM_CHECK(c, frame->mapcount, "slab", frame, cache, pfn);
	}
	for (unsigned i = 0; i <= c->sys->cpu_mask; i++) {
		const struct om_pfn_list *list = &om_slab(c->sys, cache, i)->partial;

		check_links(c, list, has_room, om_slab_name(cache, i));
		partial -= list->count;
	}
	OM_CHECK(c, frames == sum.frames, "slab", NULL, frames, sum.frames);
	OM_CHECK(c, in_use == sum.objects, "slab", NULL, in_use, sum.objects);
	OM_CHECK(c, !partial, "slab", NULL, partial, cache);
	/* No object is lost, and none that is reached is free. */
	OM_CHECK(c, sum.objects == reached, "lost object", NULL, sum.objects, reached);
}

void om_check_objects(struct om_check *c)
{
	check_cache(c, OM_CACHE_VMA, c->vmas);
	for (unsigned i = 0; i < OM_NR_RMAP_CACHES; i++)
		check_cache(c, OM_CACHE_RMAP + i, c->anon.objects[i]);
	check_cache(c, OM_CACHE_OWNER, c->owners);
	check_cache(c, OM_CACHE_MM, c->mms);
	check_cache(c, OM_CACHE_MAPPING, c->mappings);
}
