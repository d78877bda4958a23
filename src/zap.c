/*
 * zap.c: taking pages out of an address space.
 *
 * For each entry: clear it, take the page out of the reverse map and a reference at the same time, put it in
 * the gather. When the gather is full, or the caller is done, one flush pays for all, and the references are
 * dropped: no frame is free while a TLB can still reach it (I7).
 */
#include "zap.h"

#include "lru.h"
#include "swap.h"
#include "vma.h"

void om_gather_finish(struct om_gather *g)
{
	struct om_system *sys = g->mm->sys;

	if (g->start < g->end)
		sys->ops->flush(sys->ctx, g->mm, g->start, g->end);
	for (unsigned i = 0; i < g->nr; i++) {
		if (om_unlikely(om_page_test(g->page[i], OM_PG_SWAPCACHE)))
			om_swapcache_try_free(sys, g->page[i]);
		om_page_put(sys, g->page[i]);
	}
	om_gather_init(g, g->mm);
}

/* Counters of one table's worth of zapping. */
struct zap {
	struct om_gather *g;
	struct om_vma *vma;
	const struct om_zap_filter *filter;
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

static void zap_present(struct zap *z, struct om_page *table, unsigned slot, om_pte_t pte)
{
	struct om_system *sys = z->vma->mm->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (om_unlikely(z->filter) && !wanted(z, page))
		return;
	pte = om_entry_take(sys, table, slot, 0);
	om_gather_flush_later(z->g, om_table_addr(table, slot));
	if (om_pte_pfn(pte) == sys->zero_pfn)
		return; /* I8 */
	if (om_page_test(page, OM_PG_ANON)) {
		z->anon++;
	} else {
		z->file++;
		if (om_pte_dirty(pte))
			om_page_set(page, OM_PG_DIRTY);
		if (om_pte_young(pte))
			om_page_set(page, OM_PG_REFERENCED);
	}
	om_rmap_page_remove(sys, page, z->vma, true);
	z->g->page[z->g->nr++] = page;
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
	unsigned slot = om_table_slot(addr);

	om_table_lock(sys, table);
	for (; addr < end && z->g->nr < OM_GATHER_PAGES; addr += OM_PAGE_SIZE, slot++) {
		om_pte_t pte = om_entry_get(sys, table, slot);

		if (om_pte_present(pte)) {
			zap_present(z, table, slot, pte);
		} else if (!om_pte_none(pte)) {
			zap_absent(z, table, slot, pte);
		} else if (table->mapcount == 0) {
			addr = end; /* nothing is left in this table */
			break;
		}
	}
	om_table_unlock(sys, table);
	return addr;
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

	while ((table = om_table_next(vma->mm, start, end))) {
		uintptr_t base = om_table_addr(table, 0);
		uintptr_t stop = end - base > OM_TABLE_SPAN ? base + OM_TABLE_SPAN : end;

		start = zap_table(&z, table, start > base ? start : base, stop);
		settle(&z);
		if (g->nr == OM_GATHER_PAGES)
			om_gather_finish(g);
	}
}
