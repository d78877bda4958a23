/*
 * mapping.h: files: the page cache of an om_mapping, and swappable shared memory.
 *
 * A page in the index has `object` = mapping, `index` = its place and one reference. Whoever
 * wants it looks it up under mapping->lock, takes a reference, lets go, takes the page lock and
 * checks that it is still there. Pages enter the index locked and not up to date, so that readers
 * wait for the transfer.
 */
#ifndef OM_MAPPING_H
#define OM_MAPPING_H

#include "page/lru.h"
#include "store/index.h"

/* Pages of a mapping, rounded up from its size. */
static inline uint64_t om_mapping_pages(const struct om_mapping *mapping)
{
	uint64_t size = atomic_load_explicit(&mapping->size, memory_order_acquire);

	return (size >> OM_PAGE_SHIFT) + ((size & (OM_PAGE_SIZE - 1)) != 0);
}

static inline bool om_mapping_is_shmem(const struct om_mapping *mapping)
{
	return !mapping->ops || !mapping->ops->read;
}

/* n pages more (or fewer) in the index. mapping->lock held for writing. */
static inline void om_mapping_count(struct om_mapping *mapping, om_pfn_t n)
{
	struct om_system *sys = mapping->sys;

	mapping->nr_pages += n;
	atomic_fetch_add_explicit(&sys->nr_cached, n, memory_order_relaxed);
	if (om_mapping_is_shmem(mapping))
		atomic_fetch_add_explicit(&sys->nr_shmem, n, memory_order_relaxed);
}

/*
 * The entry at `index`; a page comes referenced in *page, otherwise that is NULL. Takes MAPPING
 * for reading.
 */
om_ientry_t om_mapping_find(struct om_mapping *mapping, uintptr_t index, struct om_page **page);

/* The page at `index`, referenced, or NULL (absent, or swapped out). Takes MAPPING for reading. */
struct om_page *om_mapping_lookup(struct om_mapping *mapping, uintptr_t index);

/*
 * The page at `index`, as om_mapping_getpage() gives it, if that takes no waiting: it is in memory
 * and not locked, or it is `mine`, which the caller has locked; or it is a hole of shared memory,
 * which is filled with zeros.
 * Errors: -OM_EAGAIN (*page is the page, referenced, if its lock is what must be waited for, else
 * NULL), -OM_ENOFRAME, -OM_EFAULT (beyond the end). `mine` stays locked after an error. Any context
 * in which MAPPING may be taken.
 */
int om_mapping_trypage(struct om_mapping *mapping, uintptr_t index, const struct om_page *mine,
                       struct om_page **page);

/*
 * The page at `index`, locked, referenced, up to date, and inside the file's size: read, swapped
 * in or zero-filled if it was not there. If it must be read from the store, up to `ahead` pages
 * that follow it and are not there either come along in one transfer; that they cannot be read is
 * no error. `*read` (may be NULL) is set if there was a transfer.
 * Errors: -OM_ENOFRAME, -OM_EIO, -OM_EFAULT (beyond the end). May sleep; no spinning lock held.
 */
int om_mapping_getpage(struct om_mapping *mapping, uintptr_t index, size_t ahead,
                       struct om_page **page, bool *read);

/* Read pages [first, first + n) ahead, as far as frames are free; no errors. May sleep. */
void om_mapping_readahead(struct om_mapping *mapping, uintptr_t first, size_t n);

/*
 * The first entry in [*i, last], whose place *i becomes; 0 if there is none. A page comes
 * referenced in *page, a slot leaves it NULL. The entry may change as soon as this returns. Takes
 * MAPPING for reading.
 */
om_ientry_t om_mapping_next(struct om_mapping *mapping, uintptr_t *i, uintptr_t last,
                            struct om_page **page);

/* Is this page, whose lock is held, still page `index` of the file? */
static inline bool om_mapping_has(const struct om_mapping *mapping, const struct om_page *page,
                                  uintptr_t index)
{
	return page->object == mapping && page->index == index && !om_page_test(page, OM_PG_ANON);
}

/*
 * Take a page out of the index and drop the index's reference; its swap slot goes, too. Nothing
 * maps the page. Page lock held, and a reference or isolation besides the index's. Takes MAPPING.
 */
void om_mapping_remove(struct om_mapping *mapping, struct om_page *page);

/*
 * Reclaim's form: take out a clean, unmapped page that nobody else references, checked under the
 * lock. False if it is in use. For shared memory with a slot (swapcache), the slot takes the
 * page's place in the index. Page lock held; the caller has isolated the page and holds no
 * reference. After true the mapping may be gone.
 */
bool om_mapping_evict(struct om_mapping *mapping, struct om_page *page);

/*
 * Write one dirty page to its store. Page lock held; the page's entries have been cleaned
 * (om_page_mkclean). 0, or an error and the page is dirty again. May sleep.
 */
int om_mapping_writepage(struct om_mapping *mapping, struct om_page *page);

/*
 * A write is about to leave a gap behind the end of the file: what programs have stored beyond
 * the end, in the last page, must never be read (truncate.c). Outermost: reclaims.
 * -OM_ENOMEM, -OM_EIO.
 */
int om_mapping_zero_beyond(struct om_mapping *mapping);

/* Largest size whose page numbers fit a word. */
#define OM_MAPPING_MAX ((uint64_t)UINTPTR_MAX << OM_PAGE_SHIFT)

/* Create with one reference. -OM_ENOFRAME, -OM_EOVERFLOW (size beyond OM_MAPPING_MAX). */
int om_mapping_new(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint64_t size, struct om_mapping **mapping);

/*
 * One more reference to a mapping found in sys->mappings, unless its last one is gone and it is
 * being taken down. list_lock held.
 */
bool om_mapping_tryget(struct om_mapping *mapping);

/* Drop index entries [first, last] that are pages not mapped, or slots; page by page. May sleep. */
void om_mapping_drop(struct om_mapping *mapping, uintptr_t first, uintptr_t last);

#endif
