/*
 * zap_folded.c: taking out the pages of a folded table, all at once.
 *
 * As anywhere (zap.c) entries go first, then what CPUs keep of them, and then the pages: each still
 * counts its entry, so nobody else frees it. But they came as neighbours, and mostly nobody holds any
 * of them: then they are the machine's neighbours again, and no list is made of them.
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

/* A page that somebody holds leaves as any other. */
static OM_COLD void gather(struct om_gather *g, const struct om_vma *vma, struct om_page *page)
{
	if (g->nr == g->room)
		om_gather_finish(g);
	g->page[g->nr++] =
	    (uintptr_t)page | (om_vma_flags(vma) & OM_VM_LOCKED ? OM_GATHER_LOCKED : 0);
}

/* The frames from `pfn` on, of a block: those that were nobody's but ours are free. How many? */
static unsigned end_block(struct om_gather *g, const struct om_vma *vma, om_pfn_t pfn)
{
	struct om_system *sys = g->mm->sys;
	struct om_page *page = om_page_of(sys, pfn);
	struct om_piece piece = om_piece_range(pfn, BLOCK_PAGES);

#pragma GCC unroll 4
	for (unsigned i = 0; i < BLOCK_PAGES; i++) {
		if (om_likely(end_page(sys, page + i)))
			continue;
		gather(g, vma, page + i);
		piece.frames &= ~(1ull << (pfn + i) % OM_BLOCK);
		piece.n--;
	}
	if (piece.n)
		om_free_piece(sys, piece);
	return (unsigned)piece.n;
}

/* The first frame that the table has shown; OM_NO_PFN: it is not folded, or not ours alone. */
static om_pfn_t clear_all(struct om_mm *mm, struct om_page *table)
{
	struct om_system *sys = mm->sys;
	om_pfn_t first = OM_NO_PFN;

	om_table_lock(sys, table);
	if (om_table_is_folded(table) && om_table_is_sole(table, mm)) {
		first = om_pte_pfn(om_entry_get(sys, table, 0));
		om_table_empty_folded(sys, table);
	}
	om_table_unlock(sys, table);
	return first;
}

void om_zap_folded(struct om_gather *g, const struct om_vma *vma, struct om_page *table)
{
	struct om_system *sys = g->mm->sys;
	om_pfn_t first = clear_all(g->mm, table), n = 0;

	if (first == OM_NO_PFN)
		return;
	atomic_fetch_sub_explicit(&g->part->rss_anon, OM_TABLE_ENTRIES, memory_order_relaxed);
	for (om_pfn_t i = 0; i < OM_TABLE_ENTRIES; i += BLOCK_PAGES)
		n += end_block(g, vma, first + i);
	om_count_mapped(sys, OM_MAPPED_ANON, -(int)n);
	om_count(sys, OM_EV_PGFREE, n);
}
