/*
 * punch.c: holes in files, fallocate(2) with PUNCH_HOLE and madvise(2) with MADV_REMOVE.
 *
 * Whole pages leave the file and all areas (truncate.c); of shared memory that is all there is to
 * do. A store has the old contents as well, and is told to forget them while no page of the hole is
 * in memory and none can come: who wants one waits (getpage.c). Before, it would be read from the
 * store as it was, and a program that writes to it would send it back there; afterwards, what has
 * been written meanwhile would be forgotten, too.
 *
 * Partial pages are zeroed in memory, and written back as any page that has changed. Both are held
 * there before anything changes: a punch that finds no memory for them has changed nothing (I10).
 */
#include "ops/bytes.h"
#include "ops/truncate.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "store/mapping.h"

/* ---------------------------------------------------------------- partial pages ------------- */

/* The page of a byte, referenced and so there to stay; NULL: it is zero, or behind the end. */
static int hold_page(struct om_mapping *mapping, uint64_t offset, struct om_page **page)
{
	uintptr_t index = (uintptr_t)(offset >> OM_PAGE_SHIFT);
	int err = om_mapping_getpage_noalloc(mapping, index, OM_ALONE, page, NULL);

	if (!err)
		om_page_unlock(mapping->sys, *page);
	else
		*page = NULL;
	return err == OM_HOLE || err == -OM_EFAULT ? 0 : err;
}

/* Zero bytes [from, to) of a held page (or NULL), unless it has left the file since, and put it. */
static void zero_held(struct om_mapping *mapping, struct om_page *page, uint64_t from, uint64_t to)
{
	struct om_system *sys = mapping->sys;

	if (!page)
		return;
	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, (uintptr_t)(from >> OM_PAGE_SHIFT)))
		om_bytes_zero(sys, page, from, to);
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

/* ---------------------------------------------------------------- whole pages --------------- */

/* No page enters in [first, end). HOLE held for writing. */
static void set_hole(struct om_mapping *mapping, uintptr_t first, uintptr_t end)
{
	struct om_system *sys = mapping->sys;

	OM_ASSERT(sys, om_rwsem_is_write_locked(&mapping->hole_lock), "hole lock", mapping);
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	mapping->hole_first = first;
	mapping->hole_end = end;
	om_write_unlock(sys, &mapping->lock);
}

static int punch_store(struct om_mapping *mapping, uintptr_t first, uintptr_t end)
{
	struct om_system *sys = mapping->sys;
	int err;

	om_rwsem_write(sys, &mapping->hole_lock, OM_RANK_HOLE);
	set_hole(mapping, first, end);
	om_file_evict(mapping, first, end - 1);
	om_might_transfer(sys);
	err = mapping->ops->punch(mapping->store, first, end - first);
	set_hole(mapping, 0, 0);
	om_rwsem_write_done(sys, &mapping->hole_lock);
	return err ? -OM_EIO : 0;
}

/* Pages [first, end). Behind the end of the file, at this moment, there are none. */
static int punch_pages(struct om_mapping *mapping, uintptr_t first, uintptr_t end)
{
	uint64_t pages = om_mapping_pages(mapping);

	end = end < pages ? end : (uintptr_t)pages;
	if (first >= end)
		return 0;
	if (!om_mapping_is_shmem(mapping))
		return punch_store(mapping, first, end);
	om_file_evict(mapping, first, end - 1);
	return 0;
}

/* ---------------------------------------------------------------- all of it ----------------- */

/* Bytes [offset, end), and the whole pages [first, last) among them. */
static int punch_around(struct om_mapping *mapping, uint64_t offset, uint64_t first, uint64_t last,
                        uint64_t end)
{
	struct om_page *head = NULL, *tail = NULL;
	int err = 0;

	if (offset < first)
		err = hold_page(mapping, offset, &head);
	if (!err && last < end)
		err = hold_page(mapping, last, &tail);
	if (!err)
		err = punch_pages(mapping, (uintptr_t)(first >> OM_PAGE_SHIFT),
		                  (uintptr_t)(last >> OM_PAGE_SHIFT));
	if (!err) {
		zero_held(mapping, head, offset, first);
		zero_held(mapping, tail, last, end);
		return 0;
	}
	if (head)
		om_page_put(mapping->sys, head);
	if (tail)
		om_page_put(mapping->sys, tail);
	return err;
}

static int punch(struct om_mapping *mapping, uint64_t offset, uint64_t end)
{
	uint64_t first = (offset + OM_PAGE_SIZE - 1) & ~(uint64_t)(OM_PAGE_SIZE - 1);
	uint64_t last = end & ~(uint64_t)(OM_PAGE_SIZE - 1);

	if (first < offset || first > last) /* inside one page */
		return zero_part(mapping, offset, end);
	return punch_around(mapping, offset, first, last, end);
}

int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len < offset ? UINT64_MAX : offset + len;
	unsigned tries = 0;
	int err;

	om_might_sleep(mapping->sys);
	if (!om_mapping_has_holes(mapping))
		return -OM_EOPNOTSUPP;
	do
		err = punch(mapping, offset, end);
	while (om_try_again(mapping->sys, &tries, 2, &err));
	return err;
}
