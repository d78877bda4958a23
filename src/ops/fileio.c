/*
 * fileio.c: read, write and fsync through the page cache, and the creation of mappings.
 *
 * These are outermost functions: when a frame is missing they drop all locks, reclaim and
 * start the page again. Each works a page at a time, under the page lock, so what it moves within
 * one page is atomic with respect to other readers and writers, to truncation and to reclaim.
 */
#include "base/mem.h"
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
 * The page of a byte, locked and referenced; the others of the next `len` bytes may come with it.
 */
static int lock_page(struct om_mapping *mapping, uint64_t offset, size_t len, struct om_page **page)
{
	uintptr_t index = (uintptr_t)(offset >> OM_PAGE_SHIFT);
	unsigned tries = 0;
	int err;

	do
		err = om_mapping_getpage(mapping, index, (len - 1) >> OM_PAGE_SHIFT, page, NULL);
	while (om_try_again(mapping->sys, &tries, 1, &err));
	return err;
}

/* Where in memory a byte of this page is. */
static char *byte_of(struct om_system *sys, const struct om_page *page, uint64_t offset)
{
	return (char *)om_page_ptr(sys, page) + (offset & (OM_PAGE_SIZE - 1));
}

/* Read within one page; *n is how much, 0 at the end of the file. */
static int read_page(struct om_mapping *mapping, uint64_t offset, void *buf, size_t len, size_t *n)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	uint64_t size;
	int err;

	*n = 0;
	if (offset >= om_mapping_size(mapping))
		return 0;
	err = lock_page(mapping, offset, len, &page);
	if (err)
		return err == -OM_EFAULT ? 0 : err; /* truncated just now */
	size = om_mapping_size(mapping);
	if (offset < size) {
		*n = in_page(offset, len);
		if (*n > size - offset)
			*n = (size_t)(size - offset);
		memcpy(buf, byte_of(sys, page, offset), *n);
	}
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

/* The file is at least this long now. Never shortens it. */
static void raise_size(struct om_mapping *mapping, uint64_t size)
{
	uint64_t old = om_mapping_size(mapping);

	while (old < size &&
	       !atomic_compare_exchange_weak_explicit(&mapping->size, &old, size,
	                                              memory_order_release, memory_order_relaxed))
		;
}

/*
 * Write n bytes within one page. The size grows when they are there, so that no reader sees it
 * without them; but a page beyond the end exists only after the size has grown.
 */
static int write_page(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	int err;

	do {
		if (offset >> OM_PAGE_SHIFT >= om_mapping_pages(mapping))
			raise_size(mapping, offset + n);
		err = lock_page(mapping, offset, n, &page);
	} while (err == -OM_EFAULT); /* truncated just now */
	if (err)
		return err;
	memcpy(byte_of(sys, page, offset), buf, n);
	om_page_set(page, OM_PG_DIRTY);
	raise_size(mapping, offset + n);
	om_page_touch(sys, page);
	om_page_unlock_put(sys, page);
	return 0;
}

int om_mapping_write(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t len,
                     size_t *done)
{
	size_t moved = 0;
	int err = 0;

	om_might_sleep(mapping->sys);
	if (offset > OM_MAPPING_MAX || len > OM_MAPPING_MAX - offset)
		err = -OM_EOVERFLOW;
	else if (len && offset > om_mapping_size(mapping))
		err = om_mapping_zero_beyond(mapping);
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

/*
 * Write a referenced page, if it is dirty, and drop the reference. A locked page may be under a
 * write that reclaim has begun; waiting for its lock waits for that write.
 */
static int sync_page(struct om_mapping *mapping, uintptr_t index, struct om_page *page)
{
	struct om_system *sys = mapping->sys;
	int err = 0;

	if (!om_page_test(page, OM_PG_DIRTY | OM_PG_LOCKED)) {
		om_page_put(sys, page);
		return 0;
	}
	om_page_lock(sys, page);
	if (om_mapping_has(mapping, page, index) && om_page_test(page, OM_PG_DIRTY)) {
		om_page_mkclean(sys, page);
		err = om_mapping_writepage(mapping, page);
	}
	om_page_unlock_put(sys, page);
	return err;
}

int om_mapping_sync(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	uint64_t end = len && len <= UINT64_MAX - offset ? offset + len - 1 : UINT64_MAX;
	uintptr_t i, last;
	struct om_page *page;
	int err = 0, page_err;

	om_might_sleep(mapping->sys);
	if (om_mapping_is_shmem(mapping) || offset > OM_MAPPING_MAX)
		return 0;
	last = end > OM_MAPPING_MAX ? UINTPTR_MAX : (uintptr_t)(end >> OM_PAGE_SHIFT);
	for (i = (uintptr_t)(offset >> OM_PAGE_SHIFT); om_mapping_next(mapping, &i, last, &page);
	     i++) {
		page_err = sync_page(mapping, i, page);
		if (!err)
			err = page_err;
		if (i == last)
			break;
	}
	return err;
}
