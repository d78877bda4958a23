/*
 * filefault.c: a page of a mapping is wanted.
 *
 * The page comes from the page cache locked, so that it can neither be truncated nor written back
 * until its entry is set. A write to a private area copies it at once; a read, or the first
 * access to a shared one, maps it read-only unless it is written now: so OM_PG_DIRTY is set
 * before any entry is writable, and the store has been asked if it wants to be (fetch.h).
 *
 * A read maps the pages around it as well, those that are there: programs run on, and an entry
 * costs a tenth of a fault. Nothing is read or allocated for them, and they are old until they
 * are used.
 *
 * Pages that are there are found without mapping->lock (mapping.h). So truncation may have cleared
 * the entry just now, and not have flushed: whoever is about to fill it asks om_mm_flush_pending(),
 * with the table's lock held.
 */
#include "base/mem.h"
#include "ops/fault.h"
#include "page/frame.h"
#include "page/put.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/*
 * om_fault_lock_absent(), when no CPU can still use what the entry showed before (hazard 75).
 * Truncation counts itself before it clears an entry under the table's lock, so who has that lock
 * sees the count. It flushes before it releases mapping->lock; with that lock, too, there is none
 * under way that has cleared this entry.
 */
static OM_COLD bool lock_again(struct om_fault *f)
{
	struct om_mapping *mapping = f->vma->mapping;
	bool same;

	om_table_unlock(f->sys, f->table);
	om_read_lock(f->sys, &mapping->lock, OM_RANK_MAPPING);
	same = om_fault_lock_absent(f);
	om_read_unlock(f->sys, &mapping->lock);
	return same;
}

static inline bool lock_settled(struct om_fault *f)
{
	if (!om_fault_lock_absent(f))
		return false;
	return om_likely(!om_mm_flush_pending(f->vma->mm)) || lock_again(f);
}

/* ---------------------------------------------------------------- private areas ------------- */

/*
 * Page `index` is a hole of shared memory, and stays one, inside the file, until the lock is
 * released. False, and not locked: it is not.
 */
static bool lock_hole(struct om_mapping *mapping, uintptr_t index)
{
	struct om_system *sys = mapping->sys;

	om_read_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	if (index < om_mapping_pages(mapping) && !om_index_get(sys, &mapping->index, index))
		return true;
	om_read_unlock(sys, &mapping->lock);
	return false;
}

/* A hole is read: the zero page, until somebody fills it. */
static int show_hole(struct om_fault *f, uintptr_t index)
{
	struct om_mapping *mapping = f->vma->mapping;

	if (lock_hole(mapping, index)) {
		atomic_store_explicit(&mapping->holes_shown, true, memory_order_relaxed);
		om_fault_zero(f);
		om_read_unlock(f->sys, &mapping->lock);
	}
	return OM_FAULT_MINOR;
}

/*
 * A copy of `from`, which is locked and referenced and stays so; or, if that is NULL, zeros,
 * because `index` is a hole.
 */
static int map_copy(struct om_fault *f, struct om_page *from, uintptr_t index)
{
	struct om_system *sys = f->sys;
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);
	bool same;

	if (!page)
		return -OM_ENOFRAME;
	if (om_likely(from))
		memcpy(om_page_ptr(sys, page), om_page_ptr(sys, from), OM_PAGE_SIZE);
	else
		memset(om_page_ptr(sys, page), 0, OM_PAGE_SIZE);
	if (om_unlikely(!om_rmap_prepare(f->vma))) {
		om_page_put(sys, page);
		return -OM_ENOFRAME;
	}
	if (!from && !lock_hole(f->vma->mapping, index)) {
		om_page_put(sys, page);
		return OM_FAULT_MINOR;
	}
	same = from ? lock_settled(f) : om_fault_lock_absent(f);
	if (same) {
		om_entry_install(sys, f->table, f->pos,
		                 om_fault_own_pte(f, om_page_pfn(sys, page)));
		om_rmap_page_new(sys, page, f->vma, f->table, f->pos);
		om_table_unlock(sys, f->table);
		atomic_fetch_add_explicit(&f->part->rss_anon, 1, memory_order_relaxed);
		om_count(sys, OM_EV_FAULT_COW, 1);
	}
	if (!from)
		om_read_unlock(sys, &f->vma->mapping->lock);
	if (!same)
		om_page_put(sys, page);
	return OM_FAULT_MINOR;
}

/* ---------------------------------------------------------------- pages of the file --------- */

static int map_file_page(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->sys;
	bool write = (f->access & OM_WRITE) && (om_vma_flags(f->vma) & OM_VM_SHARED);
	unsigned prot = write ? f->prot : f->prot & ~(unsigned)OM_PROT_WRITE;
	om_pte_t pte = om_pte_mkyoung(om_pte_make(om_page_pfn(sys, page), prot));

	if (write) {
		int r = om_fetch_mkwrite(sys, f->fetch, f->vma->mapping, page);

		if (om_unlikely(r))
			return r;
	}
	if (!lock_settled(f))
		return OM_FAULT_MINOR;
	if (!om_rmap_file_add(sys, page, f->vma)) {
		om_table_unlock(sys, f->table);
		return OM_FAULT_OOM;
	}
	if (write) {
		om_page_set(page, OM_PG_DIRTY);
		pte = om_pte_mkdirty(pte);
	}
	om_entry_install(sys, f->table, f->pos, pte);
	om_table_unlock(sys, f->table);
	atomic_fetch_add_explicit(&f->part->rss_file, 1, memory_order_relaxed);
	om_count(sys, OM_EV_FAULT_FILE, 1);
	return OM_FAULT_MINOR;
}

/* ---------------------------------------------------------------- around -------------------- */

#define AROUND_PAGES 16u /* a power of two, so that they lie in one table */

/*
 * Count an entry of page `index` of the file, if this is that page, valid and not in anybody's
 * hands. TABLE held.
 *
 * Whoever takes a page out of the file, or write permission from its entries, locks the page first,
 * and after that takes its frame lock and the locks of the tables that may map it. So if it is not
 * locked now, with both of ours held, he will find our entry.
 */
static inline bool add_free_page(struct om_fault *f, struct om_page *page, uintptr_t index)
{
	const unsigned want = OM_PG_UPTODATE, unwanted = OM_PG_LOCKED;
	struct om_system *sys = f->sys;
	bool done;

	OM_ASSERT(sys, om_held(sys, &f->table->lock), "table lock", f->table);
	om_frame_lock(sys, page);
	done = (om_page_flags(page) & (want | unwanted)) == want &&
	       om_mapping_names(f->vma->mapping, page, index) &&
	       om_rmap_file_add_locked(sys, page, f->vma);
	om_frame_unlock(sys, page);
	return done;
}

/* Map the page that the index has named for `pos`, read-only. TABLE held. */
static inline bool map_one(struct om_fault *f, unsigned pos, om_ientry_t e, uintptr_t index)
{
	struct om_system *sys = f->sys;
	struct om_page *page;
	om_pte_t pte;

	if (!om_ientry_is_page(e))
		return false;
	page = om_page_of(sys, om_ientry_value(e));
	if (!add_free_page(f, page, index))
		return false;
	pte = om_pte_make(om_page_pfn(sys, page), f->prot & ~(unsigned)OM_PROT_WRITE);
	om_entry_fill(sys, f->table, pos, pos == f->pos ? om_pte_mkyoung(pte) : pte);
	if (pos == f->pos)
		om_readahead_used(f->vma->mapping, page);
	return true;
}

/* Entries [*first, *end) of the table that are near the fault, in the area and in the file. */
static void around(const struct om_fault *f, uintptr_t index, unsigned *first, unsigned *end)
{
	const struct om_vma *vma = f->vma;
	uintptr_t below = (f->addr - vma->start) >> OM_PAGE_SHIFT;
	uintptr_t above = (vma->end - f->addr) >> OM_PAGE_SHIFT;
	uint64_t left = om_mapping_pages(vma->mapping);

	left = left > index ? left - index : 0;
	above = left < above ? (uintptr_t)left : above;
	*first = f->pos & ~(AROUND_PAGES - 1);
	*end = *first + AROUND_PAGES;
	if (f->pos - *first > below)
		*first = f->pos - (unsigned)below;
	if (*end - f->pos > above)
		*end = f->pos + (unsigned)above;
}

/* map_around(), with TABLE held. Returns how many were mapped. */
static unsigned fill_around(struct om_fault *f, uintptr_t index, bool *resolved)
{
	om_ientry_t e[AROUND_PAGES];
	unsigned first, end, n = 0;

	around(f, index, &first, &end);
	index -= f->pos - first;
	om_index_peek_many(f->sys, &f->vma->mapping->index, index, end - first, e);
	for (unsigned pos = first; pos < end; pos++) {
		if (!om_pte_none(om_entry_get(f->sys, f->table, pos)) ||
		    !map_one(f, pos, e[pos - first], index + pos - first))
			continue;
		*resolved |= pos == f->pos;
		n++;
	}
	return n;
}

/*
 * Map what is there of the pages around a read fault. True if the page that is wanted is among
 * them. The size is read with the table locked: what truncation cuts off after that, it looks for
 * in this table. While an entry may be owed a flush nothing is mapped: the page that is wanted
 * comes the other way.
 */
static bool map_around(struct om_fault *f, uintptr_t index)
{
	struct om_mm *mm = f->vma->mm;
	bool resolved = false;
	unsigned n = 0;

	om_table_lock(f->sys, f->table);
	if (om_likely(!om_mm_flush_pending(mm)))
		n = fill_around(f, index, &resolved);
	om_table_unlock(f->sys, f->table);
	if (n)
		atomic_fetch_add_explicit(&f->part->rss_file, n, memory_order_relaxed);
	return resolved;
}

/* Programs and data are mostly used together with what is near them. */
static struct om_ahead ahead(const struct om_fault *f)
{
	enum om_vma_flags flags = om_vma_flags(f->vma);

	if (flags & OM_VM_RAND_READ)
		return OM_ALONE;
	return (struct om_ahead){flags & OM_VM_SEQ_READ ? OM_READ_SEQUENTIAL : OM_READ_AROUND, 1};
}

/* ---------------------------------------------------------------- the fault ----------------- */

/*
 * A private area over a hole of shared memory needs no page in the file. But who fills the hole
 * takes the zero page away again, so locked memory that is only read has a page.
 */
static bool keeps_holes(const struct om_fault *f)
{
	return !(om_vma_flags(f->vma) & (OM_VM_SHARED | OM_VM_LOCKED));
}

/* The page is not there at once: note what to wait for, or the error of having waited. */
static int wait_for_page(struct om_fault *f, uintptr_t index, struct om_page *page)
{
	struct om_mapping *mapping = f->vma->mapping;

	if (page)
		return om_fetch_locked(f->sys, f->fetch, page);
	if (om_fetch_file_error(f->fetch, mapping, index))
		return OM_FAULT_BUS;
	return om_fetch_file(f->fetch, mapping, index, ahead(f));
}

int om_fault_file(struct om_fault *f, uintptr_t index)
{
	struct om_system *sys = f->sys;
	bool own = om_fault_wants_own(f) && !(om_vma_flags(f->vma) & OM_VM_SHARED);
	struct om_page *page;
	int r;

	if (!(f->access & OM_WRITE) && !own && !(om_vma_flags(f->vma) & OM_VM_NONLINEAR) &&
	    map_around(f, index)) {
		om_count(sys, OM_EV_FAULT_FILE, 1);
		return OM_FAULT_MINOR;
	}
	r = om_mapping_trypage(f->vma->mapping, index, own || keeps_holes(f),
	                       om_fetch_mine(f->fetch), &page);
	if (!r && page == om_fetch_mine(f->fetch))
		om_fetch_taken(f->fetch);
	if (r == -OM_EAGAIN)
		return wait_for_page(f, index, page);
	if (r && r != OM_HOLE)
		return r == -OM_ENOFRAME ? r : OM_FAULT_BUS;
	if (om_unlikely(!page) && !own)
		return show_hole(f, index);
	if (!own) {
		r = map_file_page(f, page);
		/* As many entries as can be counted map it: private memory can have a copy. */
		own = r == OM_FAULT_OOM && !(om_vma_flags(f->vma) & OM_VM_SHARED);
	}
	if (own)
		r = map_copy(f, page, index);
	if (om_unlikely(!page)) /* a hole was copied */
		return r;
	om_page_unlock_put(sys, page);
	return r;
}
