/*
 * unmap.c: try_to_unmap, page_referenced, page_mkclean: the three users of the reverse map.
 *
 * try_to_unmap never looks at an area's flags to respect mlock: an entry of a locked area is
 * counted in the page (I12), so a page that counts none has no such entry, even while mlock is
 * half way through its area. Pins are taken under the table's lock, which the visitor holds.
 */
#include "reclaim/unmap.h"

#include "area/vma.h"
#include "page/age.h"
#include "page/fold.h"
#include "page/unevictable.h"
#include "reclaim/reclaim.h"
#include "store/mapping.h"
#include "store/swap.h"

static void flush_entry(struct om_page *table, unsigned pos)
{
	uintptr_t addr = om_table_addr(table, pos);

	om_table_flush(table, addr, addr + OM_PAGE_SIZE);
}

/* What an entry becomes when its page leaves; false if the page must stay. */
static bool absent_entry(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                         om_pte_t *absent)
{
	unsigned flags;
	uint32_t swap_slot;
	uintptr_t index;
	bool held;

	om_frame_lock(sys, page);
	flags = om_page_flags(page);
	swap_slot = page->slot;
	index = page->index;
	held = om_page_pins(page) || (flags & OM_PG_UNEVICTABLE);
	om_frame_unlock(sys, page);
	*absent = 0;
	if (held)
		return false;
	if (!(flags & OM_PG_ANON)) {
		if (vma && (om_vma_flags(vma) & OM_VM_NONLINEAR))
			*absent = om_pte_mkfile(index);
		return true;
	}
	if (flags & OM_PG_LAZYFREE)
		return true;
	if (!(flags & OM_PG_SWAPCACHE) || !om_slot_dup_out(sys, swap_slot))
		return false;
	*absent = om_pte_mkswap(swap_slot);
	return true;
}

/* MADV_FREE'd, but written since: put the entry back. */
static void restore_lazyfree(struct om_system *sys, struct om_page *page, struct om_page *table,
                             unsigned pos, om_pte_t old)
{
	om_entry_install(sys, table, pos, old);
	om_frame_lock(sys, page);
	om_rmap_cancel_lazyfree(page);
	om_frame_unlock(sys, page);
}

/* The counters of those who lose an entry. */
static void account_unmapped(struct om_page *table, bool anon, om_pte_t absent)
{
	om_for_each_owner (mm, table) {
		atomic_fetch_sub_explicit(anon ? &mm->own.rss_anon : &mm->own.rss_file, 1,
		                          memory_order_relaxed);
		if (om_pte_is_swap(absent))
			atomic_fetch_add_explicit(&mm->own.swapents, 1, memory_order_relaxed);
	}
}

/* What om_try_to_unmap() is about. */
struct unmapping {
	struct om_page *page;
	enum om_unmap_result result;
};

/* An entry has to stay. Of another page, its own walk will tell. */
static enum om_walk_verdict keep(struct om_walk *w, const struct om_page *page)
{
	struct unmapping *u = w->arg;

	if (page == u->page)
		u->result = OM_UNMAP_FAIL;
	return OM_WALK_STOP;
}

/*
 * The entry was taken, and is flushed. Now the page leaves it; false: it must stay, as it was
 * written to after MADV_FREE. TABLE held.
 */
static OM_NOINLINE bool leave_entry(struct om_system *sys, struct om_page *page,
                                    struct om_page *table, unsigned pos, om_pte_t old,
                                    om_pte_t absent)
{
	bool anon = om_page_test(page, OM_PG_ANON);

	if (om_page_test(page, OM_PG_LAZYFREE) &&
	    (om_pte_dirty(old) || om_page_test(page, OM_PG_DIRTY))) {
		restore_lazyfree(sys, page, table, pos, old);
		return false;
	}
	if (om_pte_dirty(old))
		om_page_set(page, OM_PG_DIRTY);
	if (anon)
		om_rmap_entry_cleared(sys, page, table, pos);
	account_unmapped(table, anon, absent);
	if (om_pte_is_swap(absent))
		om_table_note(sys, table, OM_TABLE_MIXED);
	om_frame_lock(sys, page);
	om_rmap_page_remove(sys, page, false); /* a locked area would have kept the page */
	om_rmap_page_forget(sys, page);
	om_frame_unlock(sys, page);
	return true;
}

static enum om_walk_verdict unmap_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos)
{
	om_pte_t old, absent;

	if (!absent_entry(w->sys, page, vma, &absent))
		return keep(w, page);
	om_table_show(w->sys, table);
	old = om_entry_take(w->sys, table, pos, absent);
	flush_entry(table, pos);
	return leave_entry(w->sys, page, table, pos, old, absent) ? OM_WALK_GO : keep(w, page);
}

enum om_unmap_result om_try_to_unmap(struct om_system *sys, struct om_page *page,
                                     const om_pfn_t others[], unsigned n)
{
	struct unmapping u = {page, OM_UNMAP_AGAIN};
	struct om_walk w = {.visit = unmap_one, .arg = &u, .others = others, .nr_others = n};

	om_rmap_walk(sys, page, &w);
	return om_page_is_mapped(sys, page) ? u.result : OM_UNMAP_SUCCESS;
}

/* ---- exclusive pages, a table at a time ---- */

static struct om_page *table_of(struct om_system *sys, struct om_page *page)
{
	struct om_page *table;

	om_frame_lock(sys, page);
	table = om_anon_page_table(page);
	om_frame_unlock(sys, page);
	return table;
}

static struct om_page *table_of_victim(struct om_system *sys, om_pfn_t page)
{
	return page == OM_NO_PFN ? NULL : table_of(sys, om_page_of(sys, page));
}

/* TABLE held. The old entry; 0: the page has moved away, or has to stay. */
static om_pte_t take_entry(struct om_system *sys, struct om_page *table, struct om_page *page)
{
	unsigned pos;
	om_pte_t pte, absent;

	if (table_of(sys, page) != table)
		return 0;
	pos = (unsigned)page->index;
	pte = om_entry_get(sys, table, pos);
	if (!om_pte_present(pte) || om_pte_pfn(pte) != om_page_pfn(sys, page) ||
	    !absent_entry(sys, page, NULL, &absent))
		return 0;
	return om_entry_take(sys, table, pos, absent);
}

/* Pages [0, n) are shown by `table`, as far as we know. */
static void unmap_of_table(struct om_system *sys, struct om_page *table, const om_pfn_t page[],
                           unsigned n)
{
	om_pte_t old[OM_RECLAIM_BATCH];
	unsigned got = 0, first = OM_TABLE_ENTRIES, last = 0;

	om_table_lock_entries(sys, table);
	for (unsigned i = 0; i < n; i++) {
		struct om_page *p = om_page_of(sys, page[i]);
		unsigned pos;

		old[i] = take_entry(sys, table, p);
		if (!old[i])
			continue;
		pos = (unsigned)p->index;
		got++;
		first = pos < first ? pos : first;
		last = pos > last ? pos : last;
	}
	if (got)
		om_table_flush(table, om_table_addr(table, first),
		               om_table_addr(table, last) + OM_PAGE_SIZE);
	om_rmap_count(sys, got, got, got);
	for (unsigned i = 0; i < n; i++) {
		struct om_page *p = om_page_of(sys, page[i]);
		unsigned pos;

		if (!old[i])
			continue;
		pos = (unsigned)p->index;
		leave_entry(sys, p, table, pos, old[i], om_entry_get(sys, table, pos));
	}
	om_table_unlock(sys, table);
}

void om_unmap_exclusive(struct om_system *sys, const om_pfn_t page[], unsigned n)
{
	for (unsigned i = 0, end; i < n; i = end) {
		struct om_page *table = table_of_victim(sys, page[i]);

		for (end = i + 1; table && end < n; end++)
			if (table_of_victim(sys, page[end]) != table)
				break;
		if (table)
			unmap_of_table(sys, table, page + i, end - i);
	}
}

/* ---- use ---- */

static enum om_walk_verdict age_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                    struct om_page *table, unsigned pos)
{
	struct om_uses *uses = w->arg;

	(void)page;
	if (om_unlikely(om_table_is_folded(table)))
		om_table_spread_use(w->sys, table);
	if (om_pte_young(om_entry_age(w->sys, table, pos))) {
		uses->young++;
		uses->exec |= vma && (om_vma_flags(vma) & OM_VM_EXEC);
	}
	return OM_WALK_GO;
}

void om_page_referenced(struct om_system *sys, struct om_page *page, struct om_uses *uses)
{
	struct om_walk w = {.visit = age_one, .arg = uses};

	uses->young = 0;
	uses->exec = false;
	om_rmap_walk(sys, page, &w);
	if (uses->young && !om_page_test(page, OM_PG_ANON) && page->object)
		om_readahead_used(page->object, page);
}

static enum om_walk_verdict clean_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos)
{
	om_pte_t old;

	(void)vma;
	om_table_show(w->sys, table);
	old = om_entry_clean(w->sys, table, pos);
	if (om_pte_write(old) || om_pte_dirty(old))
		flush_entry(table, pos);
	if (om_pte_dirty(old))
		om_page_set(page, OM_PG_DIRTY);
	return OM_WALK_GO;
}

void om_page_mkclean(struct om_system *sys, struct om_page *page)
{
	struct om_walk w = {.visit = clean_one, .complete = true};

	om_rmap_walk(sys, page, &w);
}
