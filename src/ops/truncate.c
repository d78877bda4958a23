/*
 * truncate.c: pages leave a file, and every address space with it.
 *
 * The size lock keeps out all who would change the size or write(): so what is written after the
 * new size has been seen is written after all pages behind it have gone, and stays (hazard 73).
 * Stores through mappings are not kept out. Behind the new end they fail; in a hole that is being
 * punched they may bring a page back, so each place is emptied once and not looked at again.
 *
 * The size shrinks first; from then on no fault brings in a page beyond it. Entries are cleared
 * in all areas while the tree's lock is held for writing, so that fork, which holds it for
 * reading while it copies, cannot carry one past us. Then the pages go, one by one under the page
 * lock, which waits for faults that had found them before. Truncation looks for private copies
 * once more after that, for such a fault may just have made one (hazard 54).
 */
#include "ops/truncate.h"

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

int om_file_getpage(struct om_mapping *mapping, uintptr_t index, size_t ahead,
                    struct om_page **page, bool *read)
{
	int err = om_mapping_getpage(mapping, index, ahead, page, read);

	if (err != OM_FILLED_HOLE)
		return err;
	unmap_mapping(mapping, index, index, true);
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
 * Pages [first, last] leave the file and all areas. A place whose page has turned into a slot under
 * our eyes (reclaim), or whose slot into a page (a fault), is looked at again; one that has been
 * emptied is not: what is there now was written later.
 */
static void evict_range(struct om_mapping *mapping, uintptr_t first, uintptr_t last,
                        bool files_only)
{
	struct om_page *page;
	uintptr_t i = first;
	om_ientry_t e;

	OM_ASSERT(mapping->sys, om_rwsem_is_write_locked(&mapping->size_lock), "size lock",
	          mapping);
	unmap_mapping(mapping, first, last, files_only);
	while ((e = om_mapping_next(mapping, &i, last, &page))) {
		if (!(page ? evict_page(mapping, i, page) : om_mapping_drop_slot(mapping, i, e)))
			continue;
		if (i++ == last)
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
	err = om_file_getpage(mapping, index, 0, page, NULL);
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

/* ---------------------------------------------------------------- the end of the file ------- */

/*
 * Bytes behind the end must read as zero from now on, up to the end of its page. Under the page
 * lock, with the size of that moment: a write raises the size inside the page lock, so what it has
 * just written is not taken for tail.
 */
int om_mapping_zero_beyond(struct om_mapping *mapping)
{
	struct om_system *sys = mapping->sys;
	uint64_t size = om_mapping_size(mapping);
	uintptr_t index = (uintptr_t)(size >> OM_PAGE_SHIFT);
	struct om_page *page = NULL;
	int err = size & (OM_PAGE_SIZE - 1) ? hold_page(mapping, size, &page) : 0;

	OM_ASSERT(sys, om_rwsem_is_locked(&mapping->size_lock), "size lock", mapping);
	if (err || !page)
		return err;
	om_page_lock(sys, page);
	size = om_mapping_size(mapping);
	if (om_mapping_has(mapping, page, index) && size >> OM_PAGE_SHIFT == index)
		zero_bytes(sys, page, size, page_end(size));
	om_page_unlock_put(sys, page);
	return 0;
}

static int truncate_locked(struct om_mapping *mapping, uint64_t size)
{
	uintptr_t first = (uintptr_t)(page_end(size) >> OM_PAGE_SHIFT);
	uint64_t old = om_mapping_size(mapping);
	int err = 0;

	if (size > old)
		err = om_mapping_zero_beyond(mapping);
	else if (size < old)
		err = zero_part(mapping, size, page_end(size));
	if (err)
		return err;
	atomic_store_explicit(&mapping->size, size, memory_order_release);
	if (size < old) {
		evict_range(mapping, first, UINTPTR_MAX, false);
		unmap_mapping(mapping, first, UINTPTR_MAX, false);
	}
	return 0;
}

static int truncate_once(struct om_mapping *mapping, uint64_t size)
{
	struct om_system *sys = mapping->sys;
	int err;

	om_rwsem_write(sys, &mapping->size_lock, OM_RANK_SIZE);
	err = truncate_locked(mapping, size);
	om_rwsem_write_done(sys, &mapping->size_lock);
	return err;
}

int om_mapping_truncate(struct om_mapping *mapping, uint64_t size)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(mapping->sys);
	if (size > OM_MAPPING_MAX)
		return -OM_EOVERFLOW;
	do
		err = truncate_once(mapping, size);
	while (om_try_again(mapping->sys, &tries, 1, &err));
	return err;
}

/* ---------------------------------------------------------------- holes --------------------- */

/*
 * Both partial pages are held before either changes: a punch that fails has changed nothing
 * (I10).
 */
static int zero_ends(struct om_mapping *mapping, uint64_t offset, uint64_t first, uint64_t last,
                     uint64_t end)
{
	struct om_page *head = NULL, *tail = NULL;
	int err = 0;

	if (offset < first)
		err = hold_page(mapping, offset, &head);
	if (!err && last < end)
		err = hold_page(mapping, last, &tail);
	if (!err) {
		zero_held(mapping, head, offset, first);
		zero_held(mapping, tail, last, end);
	} else if (head) {
		om_page_put(mapping->sys, head);
	}
	return err;
}

static int punch_locked(struct om_mapping *mapping, uint64_t offset, uint64_t end)
{
	uint64_t first = page_end(offset), last = end & ~(uint64_t)(OM_PAGE_SIZE - 1);
	int err;

	if (first < offset || first > last) /* inside one page */
		return zero_part(mapping, offset, end);
	err = zero_ends(mapping, offset, first, last, end);
	if (!err && first < last)
		evict_range(mapping, (uintptr_t)(first >> OM_PAGE_SHIFT),
		            (uintptr_t)((last >> OM_PAGE_SHIFT) - 1), true);
	return err;
}

static int punch_once(struct om_mapping *mapping, uint64_t offset, uint64_t end)
{
	struct om_system *sys = mapping->sys;
	int err;

	om_rwsem_write(sys, &mapping->size_lock, OM_RANK_SIZE);
	err = punch_locked(mapping, offset, end);
	om_rwsem_write_done(sys, &mapping->size_lock);
	return err;
}

int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len < offset ? UINT64_MAX : offset + len;
	unsigned tries = 0;
	int err;

	om_might_sleep(mapping->sys);
	do
		err = punch_once(mapping, offset, end);
	while (om_try_again(mapping->sys, &tries, 2, &err));
	return err;
}
