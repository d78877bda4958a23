/*
 * zap.c: taking pages out of an address space.
 *
 * An entry is cleared under its table's lock and its page put in the gather. The page still
 * counts the entry, so nobody can free it. When the gather is full, or the caller is done, one
 * flush pays for all; then the pages leave the reverse map, and those that nobody else holds are
 * freed together: no frame is free while a TLB can still reach it (I7).
 *
 * The flush does not wait where a file's page could be written: write-back, which looks at entries
 * under their table's lock alone, takes the absence of one for a promise that no CPU writes through
 * it (hazard 14). Nor does it wait where threads may fault meanwhile (`at_once`): who finds the
 * entry gone fills it again, and no CPU must be left that uses the old page.
 */
#include "area/zap.h"

#include "area/mm.h"
#include "page/age.h"
#include "page/fold.h"
#include "page/frame.h"
#include "page/put.h"
#include "page/share.h"
#include "store/readahead.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- letting go ---------------- */

/*
 * The last entry is gone, but the swap cache holds the page: perhaps it need not. Frame lock
 * released.
 */
static void leave_swapcache(struct om_system *sys, struct om_page *page)
{
	om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	om_swapcache_try_free(sys, page);
	om_page_put(sys, page);
}

/* One gathered entry. */
static inline void put_zapped(struct om_system *sys, struct om_page *page, uintptr_t bits,
                              struct om_dead *d)
{
	om_frame_lock(sys, page);
	if (page->counts == 1 && om_rmap_page_die(sys, page, d)) {
		om_frame_unlock(sys, page);
		return;
	}
	om_rmap_page_remove(sys, page, bits & OM_GATHER_LOCKED);
	if (page->mapcount) {
		om_frame_unlock(sys, page);
		return;
	}
	om_rmap_page_forget(sys, page);
	if (om_page_test(page, OM_PG_SWAPCACHE))
		leave_swapcache(sys, page);
	else
		om_page_unlock_or_free(sys, page);
}

void om_gather_finish(struct om_gather *g)
{
	struct om_system *sys = g->mm->sys;
	uintptr_t *end = g->page + g->nr;
	struct om_dead dead;

	if (g->start < g->end) {
		/* Only these may put it off: see om_mm_flush_pending(). */
		OM_ASSERT(sys, om_mm_is_changing(g->mm) || om_mm_flush_pending(g->mm), "I9", g->mm);
		om_tlb_flush(g->mm, g->start, g->end, OM_FLUSH_PAGES);
	}
	om_rmap_dead_init(&dead);
	for (uintptr_t *p = g->page; p < end; p++)
		put_zapped(sys, (struct om_page *)(*p & ~OM_GATHER_BITS), *p & OM_GATHER_BITS,
		           &dead);
	om_rmap_dead_done(sys, &dead);
	om_gather_empty(g);
}

/* ---------------------------------------------------------------- clearing ------------------ */

/* Zapping part of one area; counters of one table at a time. */
struct zap {
	struct om_gather *g;
	struct om_vma *vma;
	const struct om_zap_filter *filter;
	size_t anon, file, swap;
	bool written; /* a file's page could be written through an entry of this table */
};

/* Should this present page go? Entries of a page stay while the table is locked. */
static OM_COLD bool wanted(struct om_system *sys, const struct zap *z, struct om_page *page)
{
	bool anon, inside;

	if (page->kind == OM_KIND_ZERO)
		return true;
	om_frame_lock(sys, page);
	anon = om_page_test(page, OM_PG_ANON);
	inside = !z->filter->by_index ||
	         (page->index >= z->filter->first && page->index <= z->filter->last);
	om_frame_unlock(sys, page);
	return anon ? !z->filter->files_only : inside;
}

/* The entry of a file page is gone. Returns what to gather. */
static OM_COLD uintptr_t zap_file(struct om_system *sys, struct zap *z, struct om_page *page,
                                  om_pte_t pte, uintptr_t bits)
{
	z->file++;
	z->written |= om_pte_write(pte);
	if (om_pte_young(pte)) {
		om_page_touch(sys, page);
		om_readahead_used(page->object, page);
	}
	return (uintptr_t)page | bits;
}

static OM_COLD void zap_absent(struct om_system *sys, struct zap *z, struct om_page *table,
                               unsigned pos, om_pte_t pte)
{
	if (om_pte_is_swap(pte)) {
		if (z->filter && z->filter->files_only)
			return;
		om_entry_take(sys, table, pos, 0);
		z->swap++;
		om_swap_free_entry(sys, om_pte_slot(pte));
	} else if (!om_pte_none(pte) && !z->filter) {
		om_entry_take(sys, table, pos, 0);
	}
}

/*
 * An entry of a nonlinear area goes on to say which page it shows. It counts in the page until
 * the gather is finished, so `index` stands. Returns the old entry.
 */
static OM_COLD om_pte_t leave_offset(struct om_system *sys, struct om_page *table, unsigned pos,
                                     struct om_page *page, bool *kept)
{
	*kept = true;
	return om_entry_take(sys, table, pos, om_pte_mkfile(page->index));
}

/*
 * Zap entries [pos, stop) of a locked table, for which the gather has room. Returns where it
 * stopped: `stop`, or earlier if nothing is left in the table. *flush: a present entry was
 * cleared.
 */
static unsigned zap_entries(struct om_system *sys, struct zap *z, struct om_page *table,
                            unsigned pos, unsigned stop, bool *flush)
{
	const uintptr_t bits = om_vma_flags(z->vma) & OM_VM_LOCKED ? OM_GATHER_LOCKED : 0;
	uintptr_t *first = z->g->page + z->g->nr, *out = first;
	uint32_t used = table->mapcount;
	bool kept = false;

	for (; pos < stop; pos++) {
		om_pte_t pte = om_entry_get(sys, table, pos);
		struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

		if (om_unlikely(!om_pte_present(pte))) {
			if (!om_pte_none(pte))
				zap_absent(sys, z, table, pos, pte);
			else if (table->mapcount == 0)
				break;
			continue;
		}
		if (om_unlikely(z->filter) && !wanted(sys, z, page))
			continue;
		if (om_unlikely(z->filter && z->filter->keep_offsets))
			pte = leave_offset(sys, table, pos, page, &kept);
		else
			pte = om_entry_clear(sys, table, pos);
		if (om_likely(om_page_test(page, OM_PG_ANON))) {
			om_rmap_entry_cleared(sys, page, table, pos);
			*out++ = (uintptr_t)page | bits;
		} else if (om_likely(page->kind != OM_KIND_ZERO)) { /* I8 */
			*out++ = zap_file(sys, z, page, pte, bits);
		}
	}
	z->anon += (size_t)(out - first) - z->file;
	z->g->nr += (unsigned)(out - first);
	*flush = kept || used != table->mapcount;
	return pos;
}

/* [addr, end) lies in one table. Returns how far it came before the gather was full. */
OM_INLINE uintptr_t zap_table(struct om_system *sys, struct zap *z, struct om_page *table,
                              uintptr_t addr, uintptr_t end)
{
	unsigned pos = om_table_pos(addr), room = z->g->room - z->g->nr;
	unsigned want = (unsigned)((end - addr) >> OM_PAGE_SHIFT), n = want < room ? want : room;
	uintptr_t stop;
	unsigned stopped;
	bool flush;

	om_table_lock_entries(sys, table);
	stopped = zap_entries(sys, z, table, pos, pos + n, &flush);
	stop = om_table_addr(table, stopped);
	if (om_unlikely(z->written || (z->g->at_once && flush))) {
		om_tlb_flush(z->vma->mm, addr, stop, OM_FLUSH_PAGES);
		z->written = flush = false;
	}
	om_table_unlock(sys, table);
	if (flush)
		om_gather_flush_later(z->g, addr, stop);
	return stopped == pos + n ? stop : end;
}

static void settle_gather(struct om_mm_part *part, struct zap *z)
{
	if (z->anon)
		atomic_fetch_sub_explicit(&part->rss_anon, z->anon, memory_order_relaxed);
	if (z->file)
		atomic_fetch_sub_explicit(&part->rss_file, z->file, memory_order_relaxed);
	if (z->swap)
		atomic_fetch_sub_explicit(&part->swapents, z->swap, memory_order_relaxed);
	z->anon = z->file = z->swap = 0;
}

bool om_zap_shared(struct om_mm *mm, struct om_page *table)
{
	struct om_table_figures f = {0, 0};

	if (!om_table_leave(mm, table, &f))
		return false;
	atomic_fetch_sub_explicit(&mm->own.rss_anon, f.anon, memory_order_relaxed);
	atomic_fetch_sub_explicit(&mm->own.swapents, f.swap, memory_order_relaxed);
	return true;
}

void om_zap_table(struct om_gather *g, struct om_vma *vma, struct om_page *table)
{
	struct zap z = {.g = g, .vma = vma};
	uintptr_t start = om_table_addr(table, 0), end = start + OM_TABLE_SPAN;

	while (start < end) {
		start = zap_table(vma->mm->sys, &z, table, start, end);
		settle_gather(g->part, &z);
		if (g->nr == g->room)
			om_gather_finish(g);
	}
}

/* Is the table left to its other owners? A shared one lies in the area, and goes whole (I13). */
static OM_COLD bool zap_shared(struct om_gather *g, const struct om_vma *vma,
                               const struct om_table_part *part)
{
	struct om_system *sys = vma->mm->sys;

	if (!om_zap_shared(vma->mm, part->table))
		return false;
	OM_BUG_ON(sys, part->end - part->start != OM_TABLE_SPAN || g->at_once, "I13", part->table,
	          part->start, part->end);
	return true;
}

/* False: the table is not folded any more, or is shared. */
static OM_NOINLINE bool zap_folded(struct om_gather *g, const struct om_vma *vma,
                                   struct om_page *table)
{
	om_pfn_t pfn = om_clear_folded(g, table), end = pfn + OM_TABLE_ENTRIES;

	if (pfn == OM_NO_PFN)
		return false;
	while (pfn < end) {
		pfn = om_end_folded(g, vma, pfn);
		if (g->nr == g->room)
			om_gather_finish(g);
	}
	return true;
}

void om_zap(struct om_gather *g, struct om_vma *vma, uintptr_t start, uintptr_t end,
            const struct om_zap_filter *filter)
{
	struct zap z = {.g = g, .vma = vma, .filter = filter};
	struct om_table_part part = {.upper = NULL};

	while (start < end && om_table_part(vma->mm, start, end, &part)) {
		if ((om_unlikely(om_table_is_shared(part.table)) && zap_shared(g, vma, &part)) ||
		    (om_unlikely(om_table_is_folded(part.table)) && !filter &&
		     part.end - part.start == OM_TABLE_SPAN && zap_folded(g, vma, part.table))) {
			start = part.end;
			continue;
		}
		start = zap_table(vma->mm->sys, &z, part.table, part.start, part.end);
		settle_gather(g->part, &z);
		if (g->nr == g->room)
			om_gather_finish(g);
	}
}
