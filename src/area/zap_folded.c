/*
 * zap_folded.c: taking out the pages of a folded table, all at once.
 *
 * As anywhere (zap.c) entries go first, then what CPUs keep of them, and then the pages: each still
 * counts its entry, so nobody else frees it. But they came as neighbours, and mostly nobody holds
 * any of them: then they are the machine's neighbours again, and no list is made of them.
 */
#include "area/mm.h"
#include "area/zap.h"
#include "page/fold.h"
#include "page/put.h"

#define BLOCK_PAGES (OM_TABLE_ENTRIES < OM_BLOCK ? OM_TABLE_ENTRIES : OM_BLOCK)

/* Its only entry is gone. False: somebody holds the page. */
static bool end_page(struct om_system *sys, struct om_page *page)
{
	bool ended;

	om_frame_lock(sys, page);
	ended = page->counts == 1 && om_page_end(sys, page, om_page_flags(page));
	om_frame_unlock(sys, page);
	return ended;
}

om_pfn_t om_end_folded(struct om_gather *g, const struct om_vma *vma, om_pfn_t pfn)
{
	const uintptr_t bits = om_vma_flags(vma) & OM_VM_LOCKED ? OM_GATHER_LOCKED : 0;
	struct om_system *sys = g->mm->sys;
	struct om_page *page = om_page_of(sys, pfn);
	unsigned i = 0, left = BLOCK_PAGES - pfn % BLOCK_PAGES;
	uint64_t held = 0;
	struct om_piece piece;

#pragma GCC unroll 4
	for (; i < left; i++) {
		if (om_likely(end_page(sys, page + i)))
			continue;
		if (g->nr == g->room)
			break;
		g->page[g->nr++] = (uintptr_t)(page + i) | bits;
		held |= 1ull << (pfn + i) % OM_BLOCK;
	}
	if (!i)
		return pfn;
	piece = om_piece_range(pfn, i);
	piece.frames &= ~held;
	piece.n -= om_count_bits(held);
	if (piece.n)
		om_free_piece(sys, piece);
	om_count_mapped(sys, OM_MAPPED_ANON, -(int)piece.n);
	om_count(sys, OM_EV_PGFREE, piece.n);
	return pfn + i;
}

om_pfn_t om_clear_folded(struct om_gather *g, struct om_page *table)
{
	struct om_system *sys = g->mm->sys;
	om_pfn_t first = OM_NO_PFN;

	om_table_lock(sys, table);
	if (om_table_is_folded(table) && om_table_is_sole(table, g->mm)) {
		first = om_pte_pfn(om_entry_get(sys, table, 0));
		om_table_empty_folded(sys, table);
		atomic_fetch_sub_explicit(&g->part->rss_anon, OM_TABLE_ENTRIES,
		                          memory_order_relaxed);
	}
	om_table_unlock(sys, table);
	return first;
}
