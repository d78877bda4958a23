/*
 * truncate.c: pages leave a file, and every address space with it.
 *
 * The size shrinks first; from then on no fault brings in a page beyond it. Entries are cleared
 * in all areas while the tree's lock is held for writing, so that fork, which holds it for
 * reading while it copies, cannot carry one past us. Then the pages go, one by one under the page
 * lock, which waits for faults that had found them before. Truncation looks for private copies
 * once more after that, because such a fault may just have made one (hazard 54).
 */
#include "area/mm.h"
#include "area/zap.h"
#include "base/mem.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* Clear the entries of one area that show pages [first, last]. */
static void unmap_area(struct om_vma *vma, uintptr_t first, uintptr_t last, bool files_only)
{
	struct om_zap_filter filter = {.files_only = files_only};
	uintptr_t start = vma->start, end = vma->end;
	struct om_mm *mm = vma->mm;
	struct om_gather g;

	if (om_vma_flags(vma) & OM_VM_NONLINEAR) {
		filter.by_index = filter.keep_offsets = true;
		filter.first = first;
		filter.last = last;
	} else {
		if (first > vma->pgoff)
			start += (first - vma->pgoff) << OM_PAGE_SHIFT;
		if (last - vma->pgoff < om_vma_pages(vma) - 1)
			end = vma->start + ((last - vma->pgoff + 1) << OM_PAGE_SHIFT);
	}
	/* Others see it once they see the first entry gone: the table's lock orders the two. */
	atomic_fetch_add_explicit(&mm->flush_pending, 1, memory_order_relaxed);
	om_gather_init(&g, mm);
	om_zap(&g, vma, start, end, filter.files_only || filter.by_index ? &filter : NULL);
	/* What is gone already, munmap or MADV_DONTNEED may have taken: their flush is to come. */
	if (om_rwsem_is_write_locked(&mm->mmap_lock))
		om_gather_flush_later(&g, start, end);
	om_gather_finish(&g);
	atomic_fetch_sub_explicit(&mm->flush_pending, 1, memory_order_release);
}

static void unmap_mapping(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                          bool files_only)
{
	struct om_system *sys = mapping->sys;
	struct om_interval_iter it;

	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	for (struct om_node *n =
	         om_interval_first(&it, sys, mapping->i_mmap, &om_file_tree, first, last);
	     n; n = om_interval_next(&it))
		unmap_area(om_container(n, struct om_vma, by_file), first, last, files_only);
	om_write_unlock(sys, &mapping->lock);
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
		unmap_mapping(mapping, index, index, true);
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

	unmap_mapping(mapping, first, last, files_only);
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
	unmap_mapping(mapping, first, UINTPTR_MAX, false);
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
