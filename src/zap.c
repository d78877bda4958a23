/*
 * zap.c: taking pages out of an address space.
 *
 * An entry is cleared under its table's lock and its page put in the gather. The page still counts the entry,
 * so nobody can free it. When the gather is full, or the caller is done, one flush pays for all; then the
 * pages leave the reverse map, and those that nobody else holds are freed together: no frame is free while
 * a TLB can still reach it (I7).
 */
#include "zap.h"

#include "frame.h"
#include "lru.h"
#include "swap.h"
#include "vma.h"

/* ---------------------------------------------------------------- letting go ---------------- */

/* The last entry is gone, but the swap cache holds the page: perhaps it need not. Frame lock released. */
static void leave_swapcache(struct om_system *sys, struct om_page *page)
{
	om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	om_swapcache_try_free(sys, page);
	om_page_put(sys, page);
}

/* One gathered entry. True: the page is dead, and the caller has its only reference. */
static bool let_go(struct om_system *sys, struct om_page *page, uintptr_t bits)
{
	om_frame_lock(sys, page);
	/* After the flush: a store through a stale translation may have come last (hazard 14). */
	if (om_unlikely(bits & OM_GATHER_DIRTY))
		om_page_set(page, OM_PG_DIRTY);
	om_rmap_page_remove(sys, page, bits & OM_GATHER_LOCKED);
	if (om_page_is_dead(page)) {
		page->refs = 1;
		om_frame_unlock(sys, page);
		return true;
	}
	if (page->mapcount == 0 && om_page_test(page, OM_PG_SWAPCACHE))
		leave_swapcache(sys, page);
	else
		om_frame_unlock(sys, page);
	return false;
}

void om_gather_finish(struct om_gather *g)
{
	struct om_system *sys = g->mm->sys;
	struct om_page *dead[OM_GATHER_PAGES];
	unsigned n = 0;

	if (g->start < g->end)
		sys->ops->flush(sys->ctx, g->mm, g->start, g->end);
	for (unsigned i = 0; i < g->nr; i++) {
		uintptr_t bits = g->page[i] & OM_GATHER_BITS;
		struct om_page *page = (struct om_page *)(g->page[i] & ~OM_GATHER_BITS);

		if (let_go(sys, page, bits))
			dead[n++] = page;
	}
	if (n)
		om_frame_put_batch(sys, dead, n);
	om_gather_init(g, g->mm);
}

/* ---------------------------------------------------------------- clearing ------------------ */

/* Zapping part of one area; counters of one table at a time. */
struct zap {
	struct om_gather *g;
	struct om_vma *vma;
	const struct om_zap_filter *filter;
	uintptr_t locked; /* OM_GATHER_LOCKED, or 0 */
	size_t anon, file, swap;
};

/* Should this present page go? Entries of a page stay while the table is locked. */
static bool wanted(const struct zap *z, struct om_page *page)
{
	bool anon, inside;

	if (!z->filter || page->kind == OM_KIND_ZERO)
		return true;
	om_frame_lock(z->vma->mm->sys, page);
	anon = om_page_test(page, OM_PG_ANON);
	inside = !z->filter->by_index ||
	         (page->index >= z->filter->first && page->index <= z->filter->last);
	om_frame_unlock(z->vma->mm->sys, page);
	return anon ? !z->filter->files_only : inside;
}

/* Returns whether a flush is owed. */
static inline bool zap_present(struct zap *z, struct om_page *table, unsigned slot, om_pte_t pte)
{
	struct om_system *sys = z->vma->mm->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));
	uintptr_t bits = z->locked;

	if (om_unlikely(z->filter) && !wanted(z, page))
		return false;
	pte = om_entry_take(sys, table, slot, 0);
	if (om_unlikely(om_pte_pfn(pte) == sys->zero_pfn))
		return true; /* I8 */
	if (om_likely(om_page_test(page, OM_PG_ANON))) {
		z->anon++;
	} else {
		z->file++;
		if (om_pte_young(pte))
			om_page_set(page, OM_PG_REFERENCED);
		if (om_pte_dirty(pte))
			bits |= OM_GATHER_DIRTY;
	}
	z->g->page[z->g->nr++] = (uintptr_t)page | bits;
	return true;
}

static void zap_absent(struct zap *z, struct om_page *table, unsigned slot, om_pte_t pte)
{
	struct om_system *sys = z->vma->mm->sys;

	if (om_pte_is_swap(pte)) {
		if (z->filter && z->filter->files_only)
			return;
		om_entry_take(sys, table, slot, 0);
		z->swap++;
		om_swap_free_entry(sys, om_pte_slot(pte));
	} else if (!z->filter) {
		om_entry_take(sys, table, slot, 0);
	}
}

/* [addr, end) lies in one table. Returns how far it came before the gather was full. */
static uintptr_t zap_table(struct zap *z, struct om_page *table, uintptr_t addr, uintptr_t end)
{
	struct om_system *sys = z->vma->mm->sys;
	unsigned slot = om_table_slot(addr), first = slot;
	unsigned stop = slot + (unsigned)((end - addr) >> OM_PAGE_SHIFT);
	bool flush = false;

	om_table_lock(sys, table);
	for (; slot < stop && z->g->nr < OM_GATHER_PAGES; slot++) {
		om_pte_t pte = om_entry_get(sys, table, slot);

		if (om_likely(om_pte_present(pte)))
			flush |= zap_present(z, table, slot, pte);
		else if (!om_pte_none(pte))
			zap_absent(z, table, slot, pte);
		else if (table->mapcount == 0)
			slot = stop - 1; /* nothing is left in this table */
	}
	om_table_unlock(sys, table);
	end = addr + ((uintptr_t)(slot - first) << OM_PAGE_SHIFT);
	if (flush)
		om_gather_flush_later(z->g, addr, end);
	return end;
}

static void settle(struct zap *z)
{
	struct om_mm *mm = z->vma->mm;

	if (z->anon)
		atomic_fetch_sub_explicit(&mm->rss_anon, z->anon, memory_order_relaxed);
	if (z->file)
		atomic_fetch_sub_explicit(&mm->rss_file, z->file, memory_order_relaxed);
	if (z->swap)
		atomic_fetch_sub_explicit(&mm->swapents, z->swap, memory_order_relaxed);
	z->anon = z->file = z->swap = 0;
}

void om_zap(struct om_gather *g, struct om_vma *vma, uintptr_t start, uintptr_t end,
            const struct om_zap_filter *filter)
{
	struct zap z = {.g = g, .vma = vma, .filter = filter};
	struct om_page *table;

	if (om_vma_flags(vma) & OM_VM_LOCKED)
		z.locked = OM_GATHER_LOCKED;
	while ((table = om_table_next(vma->mm, start, end))) {
		uintptr_t base = om_table_addr(table, 0);
		uintptr_t stop = end - base > OM_TABLE_SPAN ? base + OM_TABLE_SPAN : end;

		start = zap_table(&z, table, start > base ? start : base, stop);
		settle(&z);
		if (g->nr == OM_GATHER_PAGES)
			om_gather_finish(g);
	}
}
