/*
 * truncate.c: pages leave a file, and every address space with it.
 *
 * The size shrinks first; from then on no fault brings in a page beyond it. Entries are cleared in
 * all areas, some at a time, while mapping->shape keeps fork and mremap from carrying one to where
 * we have been (i_mmap.h). Then the pages go, one by one under the page lock, which waits for
 * faults that had found them before. Truncation looks for private copies once more after that, for
 * such a fault may just have made one (hazard 54).
 */
#include "area/mm.h"
#include "area/zap.h"
#include "base/mem.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
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
}

/* One flush for each address space, unless its pages fill the gather. */
static void zap_parts(const struct unmap *u, struct om_part *part, unsigned n)
{
	struct om_gather g;

	for (unsigned i = 0; i < n; i++) {
		struct om_mm *mm;

		if (!part[i].vma)
			continue;
		mm = part[i].vma->mm;
		om_gather_init(&g, mm);
		for (unsigned k = i; k < n; k++) {
			if (!part[k].vma || part[k].vma->mm != mm)
				continue;
			zap_part(&g, u, &part[k]);
			part[k].vma = NULL;
		}
		om_gather_finish(&g);
	}
}

/* As many parts of areas that may show pages [first, last] as one hold of the lock is for. */
static void unmap_piece(const struct unmap *u, struct om_cursor *c, uintptr_t first, uintptr_t last)
{
	struct om_system *sys = u->mapping->sys;
	struct om_part part[OM_HOLD / 2]; /* of one area and one entry at least */
	unsigned n = 0, left = om_hold(sys);

	om_read_lock(sys, &u->mapping->lock, OM_RANK_MAPPING);
	while (om_i_mmap_next(u->mapping, c, first, last, &left, &part[n]))
		n++;
	zap_parts(u, part, n);
	om_note_hold(sys, om_hold(sys) - left);
	om_read_unlock(sys, &u->mapping->lock);
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
 * Pages [first, last] leave the file and all areas. What a fault brought back meanwhile is
 * evicted in the second round. There reclaim may turn the page into a slot, and a fault the slot
 * into a page, under our eyes: then the same place is looked at again.
 */
static void evict_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                        bool files_only)
{
	struct om_page *page;
	uintptr_t i = first;

	unmap_mapping(mapping, first, last, files_only, NULL);
	om_mapping_drop(mapping, first, last);
	while (om_mapping_next(mapping, &i, last, &page)) {
		if (!page)
			om_mapping_drop(mapping, i, i);
		else if (evict_page(mapping, i, page) && i++ == last)
			break;
	}
}

/*
 * The page of a byte, referenced and so there to stay, if it is in memory or, for shared memory,
 * in swap. Otherwise NULL: the store answers for its own zeros.
 */
static int hold_page(struct om_mapping *mapping, uint64_t offset, struct om_page **page)
{
	struct om_system *sys = mapping->sys;
	uintptr_t index = (uintptr_t)(offset >> OM_PAGE_SHIFT), i = index;
	int err;

	if (!om_mapping_next(mapping, &i, index, page))
		return 0;
	if (*page)
		return 0;
	err = om_mapping_getpage(mapping, index, 0, page, NULL);
	if (err) {
		*page = NULL;
		return err == -OM_EFAULT ? 0 : err;
	}
	om_page_unlock(sys, *page);
	return 0;
}

/* Both ends lie in the page, whose lock is held. */
static void zero_bytes(struct om_system *sys, struct om_page *page, uint64_t from, uint64_t to)
{
	memset((char *)om_page_ptr(sys, page) + (from & (OM_PAGE_SIZE - 1)), 0,
	       (size_t)(to - from));
	om_page_set(page, OM_PG_DIRTY);
}

/*
 * Zero bytes [from, to) of a held page (or NULL), unless it has left the file since, and put it.
 */
static void zero_held(struct om_mapping *mapping, struct om_page *page, uint64_t from, uint64_t to)
{
	struct om_system *sys = mapping->sys;

	if (!page)
		return;
	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, (uintptr_t)(from >> OM_PAGE_SHIFT)))
		zero_bytes(sys, page, from, to);
	om_page_unlock_put(sys, page);
}

/* Zero bytes [from, to) of one page. */
static int zero_part(struct om_mapping *mapping, uint64_t from, uint64_t to)
{
	struct om_page *page = NULL;
	int err = from < to ? hold_page(mapping, from, &page) : 0;

	if (!err)
		zero_held(mapping, page, from, to);
	return err;
}

static uint64_t page_end(uint64_t offset)
{
	return (offset + OM_PAGE_SIZE - 1) & ~(uint64_t)(OM_PAGE_SIZE - 1);
}

/*
 * Bytes between the new, or the old, end and the end of its page must read as zero from now on.
 * Done while both ends are inside the file.
 */
static int zero_tail(struct om_mapping *mapping, uint64_t size)
{
	uint64_t old = om_mapping_size(mapping), end = size < old ? size : old;

	return size == old ? 0 : zero_part(mapping, end, page_end(end));
}

/*
 * zero_tail() under the page lock, with the size of that moment: a writer raises the size inside
 * the page lock, so what it has just written is not taken for tail.
 */
static int zero_beyond(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	uint64_t size = om_mapping_size(mapping);
	uintptr_t index = (uintptr_t)(size >> OM_PAGE_SHIFT);
	struct om_page *page = NULL;
	int err = size & (OM_PAGE_SIZE - 1) ? hold_page(mapping, size, &page) : 0;

	if (err || !page)
		return err;
	om_page_lock(sys, page);
	size = om_mapping_size(mapping);
	if (om_mapping_has(mapping, page, index) && size >> OM_PAGE_SHIFT == index)
		zero_bytes(sys, page, size, page_end(size));
	om_page_unlock_put(sys, page);
	return 0;
}

int om_mapping_zero_beyond(struct om_mapping *mapping)
{
	unsigned tries = 0;
	int err;

	do
		err = zero_beyond(mapping);
	while (om_try_again(mapping->sys, &tries, 1, &err));
	return err;
}

int om_mapping_truncate(struct om_mapping *mapping, uint64_t size)
{
	uintptr_t first = (uintptr_t)(page_end(size) >> OM_PAGE_SHIFT);
	unsigned tries = 0;
	int err;

	om_might_sleep(mapping->sys);
	if (size > OM_MAPPING_MAX)
		return -OM_EOVERFLOW;
	do
		err = zero_tail(mapping, size);
	while (om_try_again(mapping->sys, &tries, 1, &err));
	if (err)
		return err;
	/* A write may have made it longer meanwhile. */
	if (size >= atomic_exchange_explicit(&mapping->size, size, memory_order_acq_rel))
		return 0;
	evict_range(mapping, first, UINTPTR_MAX, false);
	unmap_mapping(mapping, first, UINTPTR_MAX, false, NULL);
	return 0;
}

/*
 * Both partial pages are held before either changes: a punch that fails has changed nothing
 * (I10).
 */
static int zero_ends(struct om_mapping *mapping, uint64_t offset, uint64_t first, uint64_t last,
                     uint64_t end)
{
	struct om_system *sys = mapping->sys;
	struct om_page *head = NULL, *tail = NULL;
	unsigned tries = 0;
	int err = 0;

	if (offset < first)
		do
			err = hold_page(mapping, offset, &head);
		while (om_try_again(sys, &tries, 1, &err));
	if (!err && last < end)
		do
			err = hold_page(mapping, last, &tail);
		while (om_try_again(sys, &tries, 1, &err));
	if (!err) {
		zero_held(mapping, head, offset, first);
		zero_held(mapping, tail, last, end);
	} else if (head) {
		om_page_put(sys, head);
	}
	return err;
}

int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len < offset ? UINT64_MAX : offset + len;
	uint64_t first = page_end(offset), last = end & ~(uint64_t)(OM_PAGE_SIZE - 1);
	unsigned tries = 0;
	int err;

	om_might_sleep(mapping->sys);
	if (first < offset || first > last) { /* inside one page */
		do
			err = zero_part(mapping, offset, end);
		while (om_try_again(mapping->sys, &tries, 1, &err));
		return err;
	}
	err = zero_ends(mapping, offset, first, last, end);
	if (!err && first < last)
		evict_range(mapping, (uintptr_t)(first >> OM_PAGE_SHIFT),
		            (uintptr_t)((last >> OM_PAGE_SHIFT) - 1), true);
	return err;
}
