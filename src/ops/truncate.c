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

/* The address space whose entries are cleared now. */
static void begin_mm(struct om_gather *g, struct om_mm *mm, uintptr_t page[])
{
	/* Seen by all who see the first entry gone: the table's lock orders the two. */
	atomic_fetch_add_explicit(&mm->flush_pending, 1, memory_order_relaxed);
	om_gather_init(g, mm, page, OM_GATHER_FEW);
}

static void end_mm(struct om_gather *g)
{
	om_gather_finish(g);
	atomic_fetch_sub_explicit(&g->mm->flush_pending, 1, memory_order_release);
}

/*
 * As many parts of areas that may show pages [first, last] as one hold of the lock is for. One
 * flush for those of an address space that follow one another, unless their pages fill the gather.
 */
static void unmap_piece(const struct unmap *u, struct om_cursor *c, uintptr_t first, uintptr_t last)
{
	struct om_system *sys = u->mapping->sys;
	unsigned left = om_hold(sys);
	uintptr_t page[OM_GATHER_FEW];
	struct om_gather g;
	struct om_part part;

	g.mm = NULL;
	/* For writing: no fault fills an entry that is cleared, before the flush (hazard 75). */
	om_write_lock(sys, &u->mapping->lock, OM_RANK_MAPPING);
	while (om_i_mmap_next(u->mapping, c, first, last, &left, &part)) {
		if (g.mm && g.mm != part.vma->mm)
			end_mm(&g);
		if (g.mm != part.vma->mm)
			begin_mm(&g, part.vma->mm, page);
		zap_part(&g, u, &part);
	}
	if (g.mm)
		end_mm(&g);
	om_note_hold(sys, om_hold(sys) - left);
	om_write_unlock(sys, &u->mapping->lock);
}

static void unmap_all(const struct unmap *u, uintptr_t first, uintptr_t last)
{
	struct om_cursor c = {0};

	while (!c.done)
		unmap_piece(u, &c, first, last);
}

/* `page`, if it is one alone, may have lost all its entries before nonlinear areas are scanned. */
static void unmap_mapping(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                          bool files_only, struct om_page *page)
{
	const struct unmap u = {mapping, first, last, files_only};
	struct om_system *sys = mapping->sys;

	om_rwsem_write(sys, &mapping->shape, OM_RANK_SHAPE);
	unmap_all(&u, first, last);
	if (last < OM_NONLINEAR_INDEX && (!page || om_page_is_mapped(sys, page)))
		unmap_all(&u, OM_NONLINEAR_INDEX, OM_NONLINEAR_INDEX);
	om_rwsem_write_done(sys, &mapping->shape);
}

/* The page is locked, and as empty as what is shown in its place. */
static int fill_hole(struct om_mapping *mapping, uintptr_t index)
{
	unmap_mapping(mapping, index, index, true, NULL);
	return 0;
}

int om_file_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                    struct om_page **page, bool *read)
{
	int err = om_mapping_getpage(mapping, index, ahead, page, read);

	return err == OM_FILLED_HOLE ? fill_hole(mapping, index) : err;
}

int om_file_trypage(struct om_mapping *mapping, uintptr_t index, bool keep_hole,
                    const struct om_page *mine, struct om_page **page)
{
	int err = om_mapping_trypage(mapping, index, keep_hole, mine, page);

	return om_unlikely(err == OM_FILLED_HOLE) ? fill_hole(mapping, index) : err;
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
		unmap_mapping(mapping, index, index, true, page);
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
static void evict_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                        bool files_only)
{
	struct om_page *page;
	uintptr_t i = first;
	om_ientry_t e;

	unmap_mapping(mapping, first, last, files_only, NULL);
	while ((e = om_mapping_next(mapping, &i, last, &page))) {
		if (!(page ? evict_page(mapping, i, page) : om_mapping_drop_slot(mapping, i, e)))
			continue;
		if (i++ == last)
			break;
	}
}

void om_file_evict(struct om_mapping *mapping, uintptr_t first, uintptr_t last)
{
	evict_range(mapping, first, last, true);
}

void om_file_cut(struct om_mapping *mapping, uintptr_t first)
{
	OM_ASSERT(mapping->sys, om_rwsem_is_write_locked(&mapping->size_lock), "size lock",
	          mapping);
	evict_range(mapping, first, UINTPTR_MAX, false);
	unmap_mapping(mapping, first, UINTPTR_MAX, false, NULL);
}
