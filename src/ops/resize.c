/*
 * resize.c: the end of a file moves, by truncation and by writing behind it.
 *
 * Truncation has the size lock alone, from before the size changes until every page behind the new
 * end is gone; whoever makes the file longer shares it. So what is written behind an end that was
 * seen stays (hazard 73): there is no page to be dropped any more. Others need no lock. A write
 * inside the file that truncation overtakes was there first; a store through a mapping behind the
 * end fails.
 *
 * No store works under the size lock. What must be in memory is brought there before (bring()), and
 * those who share the lock do not even wait for a page's lock, behind which a store may be at work.
 * Truncation does wait: it cannot end before the page goes.
 *
 * Bytes behind the end, up to the end of its page, read as zero whenever the end moves past them:
 * programs can store there through a mapping.
 */
#include "ops/resize.h"

#include "ops/bytes.h"
#include "ops/truncate.h"
#include "page/age.h"
#include "page/put.h"
#include "reclaim/reclaim.h"

/* ---------------------------------------------------------------- pages in memory ----------- */

/*
 * Page `index`, locked and referenced; NULL if there is none in memory. -OM_EAGAIN: bring() it
 * first, because it is in swap, or locked by somebody who is not waited for.
 */
static int lock_resident(struct om_mapping *mapping, uintptr_t index, bool wait,
                         struct om_page **page)
{
	struct om_system *sys = mapping->sys;

	OM_ASSERT(sys, om_rwsem_is_locked(&mapping->size_lock), "size lock", mapping);
	for (;;) {
		if (om_ientry_is_slot(om_mapping_find(mapping, index, page)))
			return -OM_EAGAIN;
		if (!*page)
			return 0;
		if (wait) {
			om_page_lock(sys, *page);
		} else if (!om_page_trylock(sys, *page)) {
			om_page_put(sys, *page);
			return -OM_EAGAIN;
		}
		if (om_mapping_has(mapping, *page, index))
			return 0;
		om_page_unlock_put(sys, *page);
	}
}

/*
 * The page is in memory, and was not locked just now; *held keeps it there. -OM_EAGAIN, or an
 * error.
 */
static int bring(struct om_mapping *mapping, uintptr_t index, struct om_page **held)
{
	struct om_page *page;
	int err;

	om_file_release(mapping, held);
	err = om_file_getpage(mapping, index, OM_ALONE, &page, NULL);
	if (!err) {
		om_page_unlock(mapping->sys, page);
		*held = page;
	}
	return !err || err == -OM_EFAULT ? -OM_EAGAIN : err; /* EFAULT: cut off meanwhile */
}

void om_file_release(struct om_mapping *mapping, struct om_page **held)
{
	if (*held)
		om_page_put(mapping->sys, *held);
	*held = NULL;
}

/* ---------------------------------------------------------------- the end of the file ------- */

static uint64_t page_end(uint64_t offset)
{
	return (offset + OM_PAGE_SIZE - 1) & ~(uint64_t)(OM_PAGE_SIZE - 1);
}

/*
 * The end is about to move behind its page. The size of the moment counts: others who share the
 * size lock raise it inside the page lock, so what they have just written is not taken for tail.
 */
static int zero_tail(struct om_mapping *mapping, bool wait, uintptr_t *want)
{
	struct om_system *sys = mapping->sys;
	uint64_t size = om_mapping_size(mapping);
	struct om_page *page;
	int err;

	*want = (uintptr_t)(size >> OM_PAGE_SHIFT);
	if (size == page_end(size))
		return 0;
	err = lock_resident(mapping, *want, wait, &page);
	if (err || !page) /* none: the store answers for its own zeros */
		return err;
	size = om_mapping_size(mapping);
	if (size >> OM_PAGE_SHIFT == *want)
		om_bytes_zero(sys, page, size, page_end(size));
	om_page_unlock_put(sys, page);
	return 0;
}

static void set_size(struct om_mapping *mapping, uint64_t size)
{
	OM_ASSERT(mapping->sys, om_rwsem_is_write_locked(&mapping->size_lock), "size lock",
	          mapping);
	atomic_store_explicit(&mapping->size, size, memory_order_release);
}

/* The file is at least this long now. Never shortens it. */
static void raise_size(struct om_mapping *mapping, uint64_t size)
{
	uint64_t old = om_mapping_size(mapping);

	OM_ASSERT(mapping->sys, om_rwsem_is_locked(&mapping->size_lock), "size lock", mapping);
	while (old < size &&
	       !atomic_compare_exchange_weak_explicit(&mapping->size, &old, size,
	                                              memory_order_release, memory_order_relaxed))
		;
}

/* ---------------------------------------------------------------- truncation ---------------- */

/* A writer who has the last page locked sees the old size, and its bytes are zeroed; or the new. */
static int shorten(struct om_mapping *mapping, uint64_t size, uintptr_t *want)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page = NULL;
	int err = 0;

	*want = (uintptr_t)(size >> OM_PAGE_SHIFT);
	if (size != page_end(size))
		err = lock_resident(mapping, *want, true, &page);
	if (err)
		return err;
	if (page)
		om_bytes_zero(sys, page, size, page_end(size));
	set_size(mapping, size);
	if (page)
		om_page_unlock_put(sys, page);
	om_file_cut(mapping, (uintptr_t)(page_end(size) >> OM_PAGE_SHIFT));
	return 0;
}

static int truncate_once(struct om_mapping *mapping, uint64_t size, uintptr_t *want)
{
	struct om_system *sys = mapping->sys;
	uint64_t old;
	int err = 0;

	om_rwsem_write(sys, &mapping->size_lock, OM_RANK_SIZE);
	old = om_mapping_size(mapping);
	if (size < old)
		err = shorten(mapping, size, want);
	else if (size > old)
		err = zero_tail(mapping, true, want);
	if (!err && size > old)
		set_size(mapping, size);
	om_rwsem_write_done(sys, &mapping->size_lock);
	return err;
}

int om_mapping_truncate(struct om_mapping *mapping, uint64_t size)
{
	struct om_page *held = NULL;
	unsigned tries = 0;
	uintptr_t want;
	int err;

	om_might_sleep(mapping->sys);
	if (size > OM_MAPPING_MAX)
		return -OM_EOVERFLOW;
	do {
		err = truncate_once(mapping, size, &want);
		if (err == -OM_EAGAIN)
			err = bring(mapping, want, &held);
	} while (err == -OM_EAGAIN || om_try_again(mapping->sys, &tries, 1, &err));
	om_file_release(mapping, &held);
	return err;
}

/* ---------------------------------------------------------------- writing at the end -------- */

#define WRITE_INSIDE 1 /* the file is long enough now */

/*
 * The size grows when the bytes are there, so that no reader sees it without them; but a page
 * behind the end can exist only after the size has grown.
 */
static int extend_locked(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n,
                         uintptr_t *want)
{
	struct om_system *sys = mapping->sys;
	uint64_t size = om_mapping_size(mapping);
	struct om_page *page;
	int err;

	if (offset + n <= size)
		return WRITE_INSIDE;
	if (offset > size) {
		err = zero_tail(mapping, false, want);
		if (err)
			return err;
	}
	*want = (uintptr_t)(offset >> OM_PAGE_SHIFT);
	if (*want >= om_mapping_pages(mapping)) {
		raise_size(mapping, offset + n);
		return WRITE_INSIDE;
	}
	err = lock_resident(mapping, *want, false, &page);
	if (err || !page)
		return -OM_EAGAIN;
	om_bytes_write(sys, page, offset, buf, n);
	raise_size(mapping, offset + n);
	om_page_touch(sys, page);
	om_page_unlock_put(sys, page);
	return 0;
}

int om_file_extend(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n,
                   struct om_page **held)
{
	struct om_system *sys = mapping->sys;
	uintptr_t want;
	int r;

	om_rwsem_read(sys, &mapping->size_lock, OM_RANK_SIZE);
	r = extend_locked(mapping, offset, buf, n, &want);
	om_rwsem_read_done(sys, &mapping->size_lock);
	if (r == -OM_EAGAIN)
		return bring(mapping, want, held);
	return r == WRITE_INSIDE ? -OM_EAGAIN : r;
}
