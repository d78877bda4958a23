/*
 * mapping.h: files: the page cache of an om_mapping, and swappable shared memory.
 *
 * A page in the index has `object` = mapping, `index` = its place and one reference. Whoever
 * wants it looks it up, takes a reference, takes the page lock and checks that it is still there.
 * Pages enter the index locked and not up to date, so that readers wait for the transfer.
 *
 * A page that is there is found without mapping->lock: om_index_peek() names a frame, and under its
 * frame lock the frame says whether it is that page of the file. It says so from the moment the
 * index names it until it leaves, and who makes it leave looks at its references, and at the
 * entries that map it, under the frame lock, too. That a page is not there is told by the index
 * alone, with the lock held.
 */
#ifndef OM_MAPPING_H
#define OM_MAPPING_H

#include "page/frame.h"
#include "store/index.h"
#include "store/readahead.h"

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

/* Can there be holes in it (om_mapping_punch())? */
static inline bool om_mapping_has_holes(const struct om_mapping *mapping)
{
	return om_mapping_is_shmem(mapping) || mapping->ops->punch;
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
 * The entry at `index`; a page comes referenced in *page, otherwise that is NULL. Takes FRAME, and
 * MAPPING for reading if there is no page.
 */
om_ientry_t om_mapping_find(struct om_mapping *mapping, uintptr_t index, struct om_page **page);

/* The page at `index`, referenced, or NULL (absent, or swapped out). As om_mapping_find(). */
struct om_page *om_mapping_lookup(struct om_mapping *mapping, uintptr_t index);

/*
 * The page at `index`, locked, referenced, up to date, and inside the file's size: read, swapped in
 * or zero-filled if it was not there. If it must be read from the store, others that are not there
 * either come along in one transfer, as `ahead` says (readahead.h); that they cannot be read is no
 * error. `*read` (may be NULL) is set if there was a transfer. 0, or OM_FILLED_HOLE: the page is
 * new, holds zeros, and areas may show the zero page in its place, which must end before the page
 * is written or unlocked (om_file_getpage() sees to it).
 * Errors: -OM_ENOFRAME, -OM_EIO, -OM_EFAULT (beyond the end). May sleep; no spinning lock held.
 */
#define OM_FILLED_HOLE 1
int om_mapping_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                       struct om_page **page, bool *read);

/*
 * The page at `index`, as om_mapping_getpage() gives it, if that takes no waiting: it is in memory
 * and not locked, or it is `mine`, which the caller has locked; or it is a hole of shared memory
 * that no area can show, which is filled with zeros, or with `keep_hole` stays one: OM_HOLE, and
 * *page is NULL.
 * Errors: -OM_EAGAIN (*page is the page, referenced, if its lock is what must be waited for, else
 * NULL), -OM_ENOFRAME, -OM_EFAULT (beyond the end). `mine` stays locked after an error. Any context
 * in which MAPPING may be taken.
 */
#define OM_HOLE 2
int om_mapping_trypage(struct om_mapping *mapping, uintptr_t index, bool keep_hole,
                       const struct om_page *mine, struct om_page **page);

/*
 * As om_mapping_getpage(), but a hole of shared memory stays one: OM_HOLE, and *page is NULL. It
 * may have been filled, or cut off, by the time this returns.
 */
int om_mapping_getpage_noalloc(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                               struct om_page **page, bool *read);

/*
 * Read pages [first, first + n) ahead, as far as frames are free; at the first that cannot be read
 * it ends. May sleep.
 */
void om_mapping_readahead(struct om_mapping *mapping, uintptr_t first, size_t n);

/*
 * The first entry in [*i, last], whose place *i becomes; 0 if there is none. A page comes
 * referenced in *page, a slot leaves it NULL. The entry may change as soon as this returns. Takes
 * MAPPING for reading.
 */
om_ientry_t om_mapping_next(struct om_mapping *mapping, uintptr_t *i, uintptr_t last,
                            struct om_page **page);

/* Is this page, whose page lock or frame lock is held, still page `index` of the file? */
static inline bool om_mapping_has(const struct om_mapping *mapping, const struct om_page *page,
                                  uintptr_t index)
{
	/* What an anonymous page names may be changing (mremap): that is not looked at. */
	return !om_page_test(page, OM_PG_ANON) && page->object == mapping && page->index == index;
}

/*
 * Is any frame, whose frame lock is held, page `index` of the file at this moment? The mapping is
 * alive, so no other object has its address.
 */
static inline bool om_mapping_names(const struct om_mapping *mapping, const struct om_page *page,
                                    uintptr_t index)
{
	OM_ASSERT(mapping->sys, om_held(mapping->sys, &page->lock), "frame lock", page);
	return page->kind == OM_KIND_DATA && om_mapping_has(mapping, page, index);
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

/* What a store's `write` said, as the library tells it: "not now", or an error. */
static inline int om_write_error(int err)
{
	return err == -OM_EAGAIN ? err : -OM_EIO;
}

/*
 * Write n <= OM_TRANSFER_MAX consecutive pages to their store, in one transfer; if that fails, each
 * alone, so that a bad neighbour harms nobody. All are locked, and their entries have been cleaned
 * (om_page_mkclean). 0, or the first error: pages that could not be written are dirty again;
 * -OM_EAGAIN, if the store does not write just now: then it is not asked for each. May sleep.
 */
int om_mapping_writepages(struct om_mapping *mapping, const om_pfn_t page[], unsigned n);

static inline int om_mapping_writepage(struct om_mapping *mapping, struct om_page *page)
{
	om_pfn_t pfn = om_page_pfn(mapping->sys, page);

	return om_mapping_writepages(mapping, &pfn, 1);
}

/* Consecutive dirty pages, each referenced and locked; and where to look for the next ones. */
struct om_run {
	uintptr_t next, last; /* in: places in the file */
	bool end;             /* `last` has been looked at */
	unsigned n;
	om_pfn_t page[OM_TRANSFER_MAX];
};

/*
 * The first dirty page in [next, last] and those that follow it; only the first one's lock is
 * waited for. False, with nothing locked, if there is none. Takes MAPPING for reading; may sleep.
 */
bool om_mapping_next_dirty(struct om_mapping *mapping, struct om_run *run);
/* Unlock the pages and drop the references. */
void om_run_put(struct om_system *sys, struct om_run *run);

/* Largest size whose page numbers fit a word. */
#define OM_MAPPING_MAX ((uint64_t)UINTPTR_MAX << OM_PAGE_SHIFT)

/* Create with one reference. -OM_ENOFRAME, -OM_EOVERFLOW (size beyond OM_MAPPING_MAX). */
int om_mapping_new(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint64_t size, struct om_mapping **mapping);

/*
 * One more shared area that may become writable (MAYWRITE); false if that is denied, or there are
 * too many. And one less.
 */
bool om_mapping_map_writable(struct om_mapping *mapping);
void om_mapping_unmap_writable(struct om_mapping *mapping);

/*
 * Shared memory: take slot entry `e`, seen at `index`, out of the index. False if it is not there
 * any more. Takes MAPPING.
 */
bool om_mapping_drop_slot(struct om_mapping *mapping, uintptr_t index, om_ientry_t e);

#endif
