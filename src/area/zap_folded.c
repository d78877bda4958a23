/*
 * zap_folded.c: taking out the pages of a folded table, all at once.
 *
 * They came as neighbours, and mostly nobody else has any of them: then they are the machine's
 * neighbours again, and no list is made of them. Entries of those that somebody holds stay, in a
 * table like any other by now, and go as all do (zap.c).
 */
#include "area/mm.h"
#include "area/zap.h"
#include "page/fold.h"
#include "page/put.h"

#define BLOCKS ((OM_TABLE_ENTRIES + OM_BLOCK - 1) / OM_BLOCK)

/* Its only entry is gone. False: somebody holds the page. */
static bool end_page(struct om_system *sys, struct om_page *page)
{
	bool ended;

	om_frame_lock(sys, page);
	ended = page->counts == 1 && om_page_end(sys, page, om_page_flags(page));
	om_frame_unlock(sys, page);
	return ended;
}

/* The frames from `pfn` on, of a block: a bit for each page that has ended. */
static uint64_t end_block(struct om_system *sys, om_pfn_t pfn)
{
	unsigned n = OM_TABLE_ENTRIES < OM_BLOCK ? OM_TABLE_ENTRIES : OM_BLOCK;
	struct om_page *page = om_page_of(sys, pfn);
	uint64_t held = 0;

#pragma GCC unroll 4
	for (unsigned i = 0; i < n; i++)
		if (om_unlikely(!end_page(sys, page + i)))
			held |= 1ull << (pfn + i) % OM_BLOCK;
	return om_piece_range(pfn, n).frames & ~held;
}

/*
 * TABLE held. `ended` gets the bits of each block; returns the first frame. The pages are nobody's
 * from now on, but cannot be another one's yet. No CPU goes by the table before it is shown, so the
 * one flush comes after the last access by these entries (I7).
 */
static om_pfn_t end_pages(struct om_system *sys, struct om_page *table, uint64_t ended[BLOCKS])
{
	om_pfn_t first = om_pte_pfn(om_entry_get(sys, table, 0));

	for (unsigned b = 0; b < BLOCKS; b++) {
		om_pfn_t pfn = first + b * OM_BLOCK;

		ended[b] = end_block(sys, pfn);
		om_table_clear_folded(sys, table, b * OM_BLOCK, ended[b] >> pfn % OM_BLOCK);
	}
	om_table_unfold_last(sys, table);
	return first;
}

static void free_ended(struct om_gather *g, om_pfn_t first, const uint64_t ended[BLOCKS])
{
	struct om_system *sys = g->mm->sys;
	om_pfn_t n = 0;

	for (unsigned b = 0; b < BLOCKS; b++) {
		om_pfn_t block = (first + b * OM_BLOCK) / OM_BLOCK * OM_BLOCK;
		struct om_piece piece = {block, om_count_bits(ended[b]), ended[b]};

		n += piece.n;
		if (piece.n)
			om_free_piece(sys, piece);
	}
	atomic_fetch_sub_explicit(&g->part->rss_anon, n, memory_order_relaxed);
	om_count_mapped(sys, OM_MAPPED_ANON, -(int)n);
	om_count(sys, OM_EV_PGFREE, n);
}

void om_zap_folded(struct om_gather *g, struct om_page *table)
{
	struct om_system *sys = g->mm->sys;
	uint64_t ended[BLOCKS];
	om_pfn_t first = OM_NO_PFN;

	om_table_lock(sys, table);
	if (om_table_is_folded(table) && om_table_is_sole(table, g->mm))
		first = end_pages(sys, table, ended);
	om_table_unlock(sys, table);
	if (first != OM_NO_PFN)
		free_ended(g, first, ended);
}
