/*
 * truncate.c: pages leave a file, and every address space with it.
 *
 * The size shrinks first; from then on no fault brings in a page beyond it. Entries are cleared in all areas
 * while the tree's lock is held for writing, so that fork, which holds it for reading while it copies, cannot
 * carry one past us. Then the pages go, one by one under the page lock, which waits for faults that had found
 * them before. Truncation looks for private copies once more after that, for such a fault may just have
 * made one (hazard 54).
 */
#include "mapping.h"
#include "mem.h"
#include "mm.h"
#include "reclaim.h"
#include "rmap.h"
#include "zap.h"

/* Clear the entries of one area that show pages [first, last]. */
static void unmap_area(struct om_vma *vma, uintptr_t first, uintptr_t last, bool files_only)
{
	struct om_zap_filter filter = {.files_only = files_only};
	uintptr_t start = vma->start, end = vma->end;
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
	om_gather_init(&g, vma->mm);
	om_zap(&g, vma, start, end, filter.files_only || filter.by_index ? &filter : NULL);
	om_gather_finish(&g);
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

/*
 * A page that was mapped again since. With its lock held no entry can come any more (hazard 55), but one that
 * munmap has cleared already counts until munmap's flush: then false, and it cannot take long.
 */
static bool try_evict(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	bool done = true;

	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, index)) {
		unmap_mapping(mapping, index, index, true);
		done = !om_page_is_mapped(sys, page);
		if (done)
			om_mapping_remove(mapping, page);
	}
	om_page_unlock(sys, page);
	return done;
}

/* The page comes with a reference, which is dropped. */
static void evict_page(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	while (!try_evict(mapping, index, page))
		om_arch_pause();
	om_page_put(mapping->sys, page);
}

/* Pages [first, last] leave the file and all areas. */
static void evict_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last, bool files_only)
{
	struct om_page *page;
	uintptr_t i = first;

	unmap_mapping(mapping, first, last, files_only);
	om_mapping_drop(mapping, first, last);
	while (om_mapping_next(mapping, &i, last, &page)) {
		if (page)
			evict_page(mapping, i, page);
		if (i++ == last)
			break;
	}
}

/* Zero bytes [from, to) of one page, if it is in memory or, for shared memory, in swap. */
static int zero_part(struct om_mapping *mapping, uint64_t from, uint64_t to)
{
	struct om_system *sys = mapping->sys;
	uintptr_t index = (uintptr_t)(from >> OM_PAGE_SHIFT), i = index;
	struct om_page *page;
	int err;

	if (from >= to || !om_mapping_next(mapping, &i, index, &page))
		return 0; /* not here: the store answers for its own zeros */
	if (page)
		om_page_put(sys, page);
	err = om_mapping_getpage(mapping, index, &page, NULL);
	if (err)
		return err == -OM_EFAULT ? 0 : err;
	memset((char *)om_page_ptr(sys, page) + (from & ~(uint64_t)OM_PAGE_MASK), 0,
	       (size_t)(to - from));
	om_page_set(page, OM_PG_DIRTY);
	om_page_unlock(sys, page);
	om_page_put(sys, page);
	return 0;
}

static uint64_t page_end(uint64_t offset)
{
	return (offset + OM_PAGE_SIZE - 1) & ~(uint64_t)(OM_PAGE_SIZE - 1);
}

/*
 * Bytes between the new, or the old, end and the end of its page must read as zero from now on. Done while
 * both ends are inside the file.
 */
static int zero_tail(struct om_mapping *mapping, uint64_t size)
{
	uint64_t old = om_mapping_size(mapping), end = size < old ? size : old;

	return size == old ? 0 : zero_part(mapping, end, page_end(end));
}

/*
 * The same under the page lock, with the size of that moment: a writer raises the size inside the page lock, so
 * what it has just written is not taken for tail.
 */
static int zero_beyond(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	uint64_t size = om_mapping_size(mapping);
	uintptr_t index = (uintptr_t)(size >> OM_PAGE_SHIFT), i = index;
	struct om_page *page;
	int err;

	if (!(size & ~(uint64_t)OM_PAGE_MASK) || !om_mapping_next(mapping, &i, index, &page))
		return 0;
	if (page)
		om_page_put(sys, page);
	err = om_mapping_getpage(mapping, index, &page, NULL);
	if (err)
		return err == -OM_EFAULT ? 0 : err;
	size = om_mapping_size(mapping);
	if (size >> OM_PAGE_SHIFT == index) {
		memset((char *)om_page_ptr(sys, page) + (size & ~(uint64_t)OM_PAGE_MASK), 0,
		       (size_t)(page_end(size) - size));
		om_page_set(page, OM_PG_DIRTY);
	}
	om_page_unlock(sys, page);
	om_page_put(sys, page);
	return 0;
}

int om_mapping_zero_beyond(struct om_mapping *mapping)
{
	int err;

	OM_RETRY_NOFRAME(mapping->sys, 1, err, zero_beyond(mapping));
	return err;
}

int om_mapping_truncate(struct om_mapping *mapping, uint64_t size)
{
	uint64_t old = om_mapping_size(mapping);
	uintptr_t first = (uintptr_t)(page_end(size) >> OM_PAGE_SHIFT);
	int err;

	om_might_sleep(mapping->sys);
	if (size > OM_MAPPING_MAX)
		return -OM_EOVERFLOW;
	OM_RETRY_NOFRAME(mapping->sys, 1, err, zero_tail(mapping, size));
	if (err)
		return err;
	atomic_store_explicit(&mapping->size, size, memory_order_release);
	if (size >= old)
		return 0;
	evict_range(mapping, first, UINTPTR_MAX, false);
	unmap_mapping(mapping, first, UINTPTR_MAX, false);
	return 0;
}

int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len < offset ? UINT64_MAX : offset + len;
	uint64_t first = page_end(offset), last = end & ~(uint64_t)(OM_PAGE_SIZE - 1);
	int err;

	om_might_sleep(mapping->sys);
	if (first < offset || first > last) { /* inside one page */
		OM_RETRY_NOFRAME(mapping->sys, 1, err, zero_part(mapping, offset, end));
		return err;
	}
	OM_RETRY_NOFRAME(mapping->sys, 1, err, zero_part(mapping, offset, first));
	if (!err)
		OM_RETRY_NOFRAME(mapping->sys, 1, err, zero_part(mapping, last, end));
	if (!err && first < last)
		evict_range(mapping, (uintptr_t)(first >> OM_PAGE_SHIFT),
		            (uintptr_t)((last >> OM_PAGE_SHIFT) - 1), true);
	return err;
}
