/*
 * truncate.c: pages leave a file, and every address space with it: behind a new end (resize.c), or
 * in a hole (punch.c).
 *
 * Entries are cleared in all areas, some at a time, while mapping->shape keeps fork and mremap from
 * carrying one to where we have been (i_mmap.h). Then the pages go, one by one under the page lock,
 * which waits for faults that had found them before. Truncation looks for private copies once more
 * after that, because such a fault may just have made one (hazard 54).
 *
 * Each place is emptied once. In a hole a store through a mapping or a write() may bring a page
 * back as soon as it is empty, and what it holds was written later (hazard 73).
 */
#include "ops/truncate.h"

#include "area/mm.h"
#include "area/zap.h"
#include "page/put.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* Entries that show these pages go, in all areas; `files_only`: not those of private copies. */
struct unmap {
	struct om_mapping *mapping;
	uintptr_t first, last;
	bool files_only;
	uintptr_t *gather; /* for so many pages */
	unsigned room;
};

static void zap_part(struct om_gather *g, const struct unmap *u, const struct om_part *p)
{
	bool nonlinear = om_vma_flags(p->vma) & OM_VM_NONLINEAR;
	const struct om_zap_filter filter = {.files_only = u->files_only,
	                                     .by_index = nonlinear,
	                                     .keep_offsets = nonlinear,
	                                     .first = u->first,
	                                     .last = u->last};

	om_zap(g, p->vma, p->start, p->end, u->files_only || nonlinear ? &filter : NULL);
	/* What is gone already, munmap may have taken: its flush is to come. */
	if (om_mm_is_changing(p->vma->mm))
		om_gather_flush_later(g, p->start, p->end);
}

/* Address spaces in a piece, each of which is flushed once, unless its pages fill the gather. */
#define PIECE_MMS 4

/* Parts of areas that may show pages [first, last]: as many as one hold of the lock is for. */
struct piece {
	uintptr_t first, last;
	struct om_cursor from, to;
	unsigned mms;
	struct om_mm *mm[PIECE_MMS];
};

/* False: one too many. */
static bool add_mm(struct piece *p, struct om_mm *mm)
{
	for (unsigned i = 0; i < p->mms; i++)
		if (p->mm[i] == mm)
			return true;
	if (p->mms == PIECE_MMS)
		return false;
	p->mm[p->mms++] = mm;
	return true;
}

/* The piece that begins at c, which moves behind it. Returns how much was looked at. */
static OM_NOINLINE unsigned find_piece(struct om_mapping *mapping, struct om_cursor *c,
                                       struct piece *p)
{
	unsigned left = om_hold(mapping->sys);
	struct om_cursor last = *c;
	struct om_part part;

	p->from = *c;
	p->mms = 0;
	while (om_i_mmap_next(mapping, c, p->first, p->last, &left, &part)) {
		if (!add_mm(p, part.vma->mm)) {
			*c = last; /* this part is for the next piece */
			break;
		}
		last = *c;
	}
	p->to = *c;
	return om_hold(mapping->sys) - left;
}

/* In the order in which the tree is gone through: om_cursor says what is behind it. */
static bool is_past(const struct om_cursor *c, const struct om_cursor *end)
{
	if (c->done || c->key != end->key)
		return c->done || c->key > end->key;
	return c->node > end->node || (c->node == end->node && c->addr >= end->addr);
}

/* Areas are as find_piece() has found them. Faults may have made tables meanwhile. */
static OM_NOINLINE void unmap_mm(const struct unmap *u, const struct piece *p, struct om_mm *mm)
{
	struct om_cursor c = p->from;
	struct om_gather g;
	struct om_part part;

	/* Seen by all who see the first entry gone: the table's lock orders the two. */
	atomic_fetch_add_explicit(&mm->flush_pending, 1, memory_order_relaxed);
	om_gather_init(&g, mm, u->gather, u->room);
	while (!is_past(&c, &p->to)) {
		unsigned left = om_hold(mm->sys);

		if (om_i_mmap_next(u->mapping, &c, p->first, p->last, &left, &part) &&
		    part.vma->mm == mm)
			zap_part(&g, u, &part);
	}
	om_gather_finish(&g);
	atomic_fetch_sub_explicit(&mm->flush_pending, 1, memory_order_release);
}

static void unmap_all(const struct unmap *u, uintptr_t first, uintptr_t last)
{
	struct om_system *sys = u->mapping->sys;
	struct piece p = {.first = first, .last = last};
	struct om_cursor c = {0};

	while (!c.done) {
		/* For writing: no fault fills a cleared entry before the flush (hazard 75). */
		om_write_lock(sys, &u->mapping->lock, OM_RANK_MAPPING);
		om_note_hold(sys, find_piece(u->mapping, &c, &p));
		for (unsigned i = 0; i < p.mms; i++)
			unmap_mm(u, &p, p.mm[i]);
		om_write_unlock(sys, &u->mapping->lock);
	}
}

/* `page`, if it is one alone, may have lost all its entries before nonlinear areas are scanned. */
OM_INLINE void unmap(const struct unmap *u, struct om_page *page)
{
	struct om_system *sys = u->mapping->sys;

	om_rwsem_write(sys, &u->mapping->shape, OM_RANK_SHAPE);
	unmap_all(u, u->first, u->last);
	if (u->last < OM_NONLINEAR_INDEX && (!page || om_page_is_mapped(sys, page)))
		unmap_all(u, OM_NONLINEAR_INDEX, OM_NONLINEAR_INDEX);
	om_rwsem_write_done(sys, &u->mapping->shape);
}

static OM_NOINLINE void unmap_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                                    bool files_only)
{
	uintptr_t room[OM_GATHER_PAGES / 2];
	const struct unmap u = {mapping, first, last, files_only, room, OM_GATHER_PAGES / 2};

	unmap(&u, NULL);
}

/* Of one page of the file: there may be little stack left. */
static OM_NOINLINE void unmap_page(struct om_mapping *mapping, uintptr_t index,
                                   struct om_page *page)
{
	uintptr_t room[OM_GATHER_FEW];
	const struct unmap u = {mapping, index, index, true, room, OM_GATHER_FEW};

	unmap(&u, page);
}

int om_file_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                    struct om_page **page, bool *read)
{
	int err = om_mapping_getpage(mapping, index, ahead, page, read);

	if (err != OM_FILLED_HOLE)
		return err;
	/* The page is locked, and as empty as what is shown in its place. */
	unmap_page(mapping, index, NULL);
	return 0;
}

/* ---------------------------------------------------------------- leaving the file ---------- */

enum evicted { EVICTED, GONE, BUSY };

/*
 * A page that was mapped again since. With its lock held no entry can come any more (hazard 55),
 * but one that munmap has cleared already counts until munmap's flush: then BUSY, and it cannot
 * take long. GONE: it is not there any more.
 */
static enum evicted try_evict(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	enum evicted result = GONE;

	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, index)) {
		unmap_page(mapping, index, page);
		result = om_page_is_mapped(sys, page) ? BUSY : EVICTED;
		if (result == EVICTED)
			om_mapping_remove(mapping, page);
	}
	om_page_unlock(sys, page);
	return result;
}

/* The page comes with a reference, which is dropped. False: it was not there any more. */
static bool evict_page(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	enum evicted result;

	while ((result = try_evict(mapping, index, page)) == BUSY)
		om_arch_pause();
	om_page_put(mapping->sys, page);
	return result == EVICTED;
}

/*
 * A place whose page has turned into a slot under our eyes (reclaim), or whose slot into a page (a
 * fault), is looked at again.
 */
static void evict_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last)
{
	struct om_page *page;
	uintptr_t i = first;
	om_ientry_t e;

	while ((e = om_mapping_next(mapping, &i, last, &page))) {
		if (!(page ? evict_page(mapping, i, page) : om_mapping_drop_slot(mapping, i, e)))
			continue;
		if (i++ == last)
			break;
	}
}

void om_file_evict(struct om_mapping *mapping, uintptr_t first, uintptr_t last)
{
	unmap_range(mapping, first, last, true);
	evict_range(mapping, first, last);
}

void om_file_cut(struct om_mapping *mapping, uintptr_t first)
{
	OM_ASSERT(mapping->sys, om_rwsem_is_write_locked(&mapping->size_lock), "size lock",
	          mapping);
	unmap_range(mapping, first, UINTPTR_MAX, false);
	evict_range(mapping, first, UINTPTR_MAX);
	unmap_range(mapping, first, UINTPTR_MAX, false);
}
