/*
 * fileio.c: read, write and fsync through the page cache, and the creation of mappings.
 *
 * These are outermost functions: when a frame is missing they drop all locks, reclaim and
 * start the page again. Each works a page at a time, under the page lock, so what it moves within
 * one page is atomic with respect to other readers and writers, to truncation and to reclaim.
 */
#include "ops/bytes.h"
#include "ops/resize.h"
#include "ops/truncate.h"
#include "page/age.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "reclaim/unmap.h"
#include "store/mapping.h"

int om_mapping_create(struct om_system *sys, const struct om_store_ops *ops, void *store,
                      uint64_t size, struct om_mapping **mapping)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	do
		err = om_mapping_new(sys, ops, store, size, mapping);
	while (om_try_again(sys, &tries, 1, &err));
	om_check_low(sys);
	return err;
}

/* The part of [offset, offset + len) that lies in the page of `offset`. */
static size_t in_page(uint64_t offset, size_t len)
{
	size_t room = OM_PAGE_SIZE - (size_t)(offset & (OM_PAGE_SIZE - 1));

	return len < room ? len : room;
}

/*
 * The page of a byte, locked and referenced, or OM_HOLE; the others of the next `len` bytes may
 * come with it.
 */
static int lock_page(struct om_mapping *mapping, uint64_t offset, size_t len, struct om_page **page)
{
	uintptr_t index = (uintptr_t)(offset >> OM_PAGE_SHIFT);
	size_t pages = (((size_t)offset & (OM_PAGE_SIZE - 1)) + len - 1) / OM_PAGE_SIZE + 1;
	struct om_ahead ahead = {OM_READ_IN_ORDER,
	                         pages < OM_TRANSFER_MAX ? (unsigned)pages : OM_TRANSFER_MAX};
	unsigned tries = 0;
	int err;

	do
		err = om_mapping_getpage_noalloc(mapping, index, ahead, page, NULL);
	while (om_try_again(mapping->sys, &tries, 1, &err));
	return err;
}

/* How many of `len` bytes are in the page of `offset`, and inside the file at this moment. */
static size_t readable(const struct om_mapping *mapping, uint64_t offset, size_t len)
{
	uint64_t size = om_mapping_size(mapping), left = offset < size ? size - offset : 0;
	size_t n = in_page(offset, len);

	return n < left ? n : (size_t)left;
}

/* Read within one page; *n is how much, 0 at the end of the file. Holes are not filled by it. */
static int read_page(struct om_mapping *mapping, uint64_t offset, void *buf, size_t len, size_t *n)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	int err;

	*n = 0;
	if (!readable(mapping, offset, len))
		return 0;
	err = lock_page(mapping, offset, len, &page);
	if (err < 0)
		return err == -OM_EFAULT ? 0 : err; /* truncated just now */
	*n = readable(mapping, offset, len);
	if (err == OM_HOLE) {
		memset(buf, 0, *n);
		return 0;
	}
	om_bytes_read(sys, page, offset, buf, *n);
	om_page_touch(sys, page);
	om_page_unlock_put(sys, page);
	return 0;
}

int om_mapping_read(struct om_mapping *mapping, uint64_t offset, void *buf, size_t len,
                    size_t *done)
{
	size_t moved = 0, n;
	int err = 0;

	om_might_sleep(mapping->sys);
	while (moved < len && !err) {
		err = read_page(mapping, offset + moved, (char *)buf + moved, len - moved, &n);
		if (!n)
			break;
		moved += n;
	}
	if (done)
		*done = moved;
	om_check_low(mapping->sys);
	return err;
}

/*
 * Write within one page, inside the file. -OM_EAGAIN: it has become shorter, and the bytes may no
 * longer be inside.
 */
static int write_inside(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	int err = om_file_getpage(mapping, (uintptr_t)(offset >> OM_PAGE_SHIFT),
	                          (struct om_ahead){OM_READ_IN_ORDER, 1}, &page, NULL);

	if (err)
		return err == -OM_EFAULT ? -OM_EAGAIN : err;
	if (offset + n <= om_mapping_size(mapping)) {
		om_bytes_write(sys, page, offset, buf, n);
		om_page_touch(sys, page);
	} else {
		err = -OM_EAGAIN;
	}
	om_page_unlock_put(sys, page);
	return err;
}

static int write_page(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n)
{
	struct om_page *held = NULL;
	unsigned tries = 0;
	int err;

	do {
		if (offset + n <= om_mapping_size(mapping))
			err = write_inside(mapping, offset, buf, n);
		else
			err = om_file_extend(mapping, offset, buf, n, &held);
	} while (err == -OM_EAGAIN || om_try_again(mapping->sys, &tries, 1, &err));
	om_file_release(mapping, &held);
	return err;
}

int om_mapping_write(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t len,
                     size_t *done)
{
	size_t moved = 0;
	int err = 0;

	om_might_sleep(mapping->sys);
	if (offset > OM_MAPPING_MAX || len > OM_MAPPING_MAX - offset)
		err = -OM_EOVERFLOW;
	while (moved < len && !err) {
		size_t n = in_page(offset + moved, len - moved);

		err = write_page(mapping, offset + moved, (const char *)buf + moved, n);
		if (!err)
			moved += n;
	}
	if (done)
		*done = moved;
	om_check_low(mapping->sys);
	return err;
}

/* Their entries first: a program that stores from now on faults, and makes the page dirty again. */
static int sync_run(struct om_mapping *mapping, struct om_run *run)
{
	for (unsigned i = 0; i < run->n; i++)
		om_page_mkclean(mapping->sys, om_page_of(mapping->sys, run->page[i]));
	return om_mapping_writepages(mapping, run->page, run->n);
}

int om_mapping_sync(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = len && len <= UINT64_MAX - offset ? offset + len - 1 : UINT64_MAX;
	struct om_run run = {.next = (uintptr_t)(offset >> OM_PAGE_SHIFT)};
	int err = 0, run_err;

	om_might_sleep(mapping->sys);
	if (om_mapping_is_shmem(mapping) || offset > OM_MAPPING_MAX)
		return 0;
	run.last = end > OM_MAPPING_MAX ? UINTPTR_MAX : (uintptr_t)(end >> OM_PAGE_SHIFT);
	while (om_mapping_next_dirty(mapping, &run)) {
		run_err = sync_run(mapping, &run);
		om_run_put(mapping->sys, &run);
		err = err ? err : run_err;
	}
	return err;
}
