/*
 * table_free.c: taking page tables off the tree of tables, to free or to move them.
 *
 * They are freed with mmap_lock held for writing: by munmap, exit and failed forks after every area
 * over them has left the reverse map (I5); or one by one, when they hold nothing, by area/trim.c,
 * which says how.
 */
#include "page/frame.h"
#include "page/table.h"

/* ---------------------------------------------------------------- ranges -------------------- */

/* Clear an upper entry in use; returns the table it named. */
static struct om_page *unlink_child(struct om_mm *mm, struct om_page *table, unsigned pos)
{
	struct om_system *sys = mm->sys;
	om_pte_t e;

	om_table_lock(sys, table);
	e = om_entry_take(sys, table, pos, 0);
	om_table_unlock(sys, table);
	return om_page_of(sys, om_pte_pfn(e));
}

/*
 * Take `table`, already unlinked from its parent, and all below it off the tree and onto *list.
 * Most tables have few children, near `hint`: start there.
 */
static void unlink_subtree(struct om_mm *mm, struct om_page *table, unsigned level, uintptr_t hint,
                           om_pfn_t *list)
{
	struct om_system *sys = mm->sys;

	for (unsigned i = om_level_pos(hint, level), n = 0;
	     level > 1 && table->mapcount && n < OM_TABLE_ENTRIES;
	     i = (i + 1) % OM_TABLE_ENTRIES, n++) {
		if (!om_pte_none(om_arch_pte_load(om_table_entry(table, i))))
			unlink_subtree(mm, unlink_child(mm, table, i), level - 1, hint, list);
	}
	/* A walker may still be on its way here, and look at `entries`: they stay, and are none. */
	om_table_lock(sys, table);
	OM_BUG_ON(sys, table->mapcount != 0, "I5", table, table->mapcount, table->index);
	table->link.next = *list;
	om_table_unlock(sys, table);
	*list = om_page_pfn(sys, table);
}

/* What om_table_unlink_range() was asked for, and what it has found. */
struct hole {
	uintptr_t start, end, floor, ceiling;
	struct om_table_list list;
};

/* Unlink child i of `table`, of this level, with all below it; the child covers from `from` on. */
static void unlink_whole(struct om_mm *mm, struct om_page *table, unsigned i, unsigned level,
                         uintptr_t from, struct hole *h)
{
	unlink_subtree(mm, unlink_child(mm, table, i), level - 1, h->start, &h->list.first);
	if (h->list.start > from)
		h->list.start = from;
	h->list.end = from + om_level_span(level);
}

/* While a large range leaves, faults may add children to a table that goes on: it is not asked. */
static bool is_used_up(const struct om_mm *mm, const struct om_page *table)
{
	return !atomic_load_explicit(&mm->emptying, memory_order_relaxed) && !table->mapcount;
}

/*
 * Unlink the children of `table`, whose range begins at `base`, that the hole allows; descend at
 * its edges.
 */
static void unlink_range(struct om_mm *mm, struct om_page *table, unsigned level, uintptr_t base,
                         struct hole *h)
{
	uintptr_t span = om_level_span(level);
	uintptr_t from = base > h->start ? base : h->start & ~(span - 1);

	for (unsigned i = om_level_pos(from, level);
	     i < OM_TABLE_ENTRIES && from < h->end && !is_used_up(mm, table); i++, from += span) {
		om_pte_t e = om_arch_pte_load(om_table_entry(table, i));

		if (om_pte_none(e))
			continue;
		if (from >= h->floor && from + (span - 1) <= h->ceiling - 1)
			unlink_whole(mm, table, i, level, from, h);
		else if (level > 2)
			unlink_range(mm, om_page_of(mm->sys, om_pte_pfn(e)), level - 1, from, h);
		if (from + span < from)
			break;
	}
}

struct om_table_list om_table_unlink_range(struct om_mm *mm, uintptr_t start, uintptr_t end,
                                           uintptr_t floor, uintptr_t ceiling)
{
	struct hole h = {start, end, floor, ceiling, {OM_NO_PFN, UINTPTR_MAX, 0}};

	OM_ASSERT(mm->sys, om_rwsem_is_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	atomic_store_explicit(&mm->own.table_hint, &mm->sys->no_table, memory_order_relaxed);
	unlink_range(mm, mm->root, OM_LEVELS, 0, &h);
	return h.list;
}

void om_table_free_list(struct om_mm *mm, const struct om_table_list *list)
{
	om_pfn_t next = list->first;

	if (next == OM_NO_PFN)
		return;
	/* MMUs cache upper entries, too: no table is reused before these are gone (I7). */
	om_tlb_flush(mm, list->start, list->end, OM_FLUSH_TABLES);
	while (next != OM_NO_PFN) {
		struct om_page *table = om_page_of(mm->sys, next);

		next = table->link.next;
		om_table_free(mm, table);
	}
}

/* ---------------------------------------------------------------- single tables ------------- */

static inline unsigned level_of(const struct om_page *table)
{
	return table->kind - OM_KIND_TABLE;
}

uintptr_t om_table_last(const struct om_page *table)
{
	return om_table_addr(table, 0) + (om_level_span(level_of(table) + 1) - 1);
}

struct om_page *om_table_lowest(struct om_mm *mm, uintptr_t addr, uintptr_t end)
{
	while (addr < end) {
		struct om_page *table = mm->root;
		unsigned l = OM_LEVELS;
		uintptr_t next;

		for (; l > 1; l--) {
			om_pte_t e = om_arch_pte_load(om_table_entry(table, om_level_pos(addr, l)));

			if (!om_pte_present(e))
				break;
			table = om_likely(!om_pte_is_big(e)) ? om_page_of(mm->sys, om_pte_pfn(e))
			                                     : om_table_find(mm, addr);
		}
		if (l == 1 || (table->mapcount == 0 && table != mm->root))
			return table;
		next = (addr & ~(om_level_span(l) - 1)) + om_level_span(l);
		if (next < addr) /* the last span of the machine's addresses */
			return NULL;
		addr = next;
	}
	return NULL;
}

/* The table is locked, and not empty. */
static enum om_table_use use_of_entries(struct om_system *sys, struct om_page *table)
{
	enum om_table_use use = OM_TABLE_ZEROS;
	uint32_t left = table->mapcount;

	for (unsigned pos = 0; left; pos++) {
		om_pte_t pte = om_entry_get(sys, table, pos);

		if (om_pte_none(pte))
			continue;
		if (!om_pte_present(pte) || om_pte_pfn(pte) != sys->zero_pfn)
			return OM_TABLE_USED;
		if (om_pte_young(om_entry_age(sys, table, pos)))
			use = OM_TABLE_YOUNG;
		left--;
	}
	return use;
}

enum om_table_use om_table_use(struct om_mm *mm, struct om_page *table, bool zeros)
{
	struct om_system *sys = mm->sys;
	enum om_table_use use = OM_TABLE_USED;

	OM_ASSERT(sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	om_table_lock(sys, table);
	if (table->mapcount == 0)
		use = OM_TABLE_EMPTY;
	else if (zeros && level_of(table) == 1 && !om_table_is_shared(table))
		use = use_of_entries(sys, table);
	om_table_unlock(sys, table);
	return use;
}

void om_table_clear_zeros(struct om_mm *mm, struct om_page *table)
{
	struct om_system *sys = mm->sys;
	uintptr_t start = om_table_addr(table, 0);

	OM_ASSERT(sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	om_table_lock(sys, table);
	for (unsigned pos = 0; table->mapcount; pos++)
		om_entry_take(sys, table, pos, 0);
	/* Nobody shall find nothing here as long as a CPU can still read the zeros. */
	om_tlb_flush(mm, start, start + OM_TABLE_SPAN, OM_FLUSH_PAGES);
	om_table_unlock(sys, table);
}

void om_table_unlink(struct om_mm *mm, struct om_page *table)
{
	unsigned above = level_of(table) + 1;
	uintptr_t addr = om_table_addr(table, 0);
	struct om_page *gone;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	OM_BUG_ON(mm->sys, table->mapcount != 0, "I5", table, table->mapcount, addr);
	atomic_store_explicit(&mm->own.table_hint, &mm->sys->no_table, memory_order_relaxed);
	gone = unlink_child(mm, om_table_at_level(mm, addr, above), om_level_pos(addr, above));
	OM_BUG_ON(mm->sys, gone != table, "I5", table, gone, addr);
}

void om_table_free_unlinked(struct om_mm *mm, struct om_page *const table[], unsigned n)
{
	struct om_system *sys = mm->sys;
	uintptr_t start = UINTPTR_MAX, last = 0;

	for (unsigned i = 0; i < n; i++) {
		uintptr_t from = om_table_addr(table[i], 0), to = om_table_last(table[i]);

		/* One that came by a page's own pointer may still look at the entries. */
		om_table_lock(sys, table[i]);
		OM_BUG_ON(sys, table[i]->mapcount != 0, "I5", table[i], table[i]->mapcount, from);
		om_table_unlock(sys, table[i]);
		start = from < start ? from : start;
		last = to > last ? to : last;
	}
	/* MMUs cache upper entries, too: no table is reused before these are gone (I7). */
	if (n)
		om_tlb_flush(mm, start, last < OM_VA_LIMIT ? last + 1 : OM_VA_LIMIT,
		             OM_FLUSH_TABLES);
	for (unsigned i = 0; i < n; i++)
		om_table_free(mm, table[i]);
}

/* ---------------------------------------------------------------- moving -------------------- */

/* Free the leaf table at `addr`, which `upper` names and in which no entry is in use. */
static void free_empty(struct om_mm *mm, struct om_page *upper, uintptr_t addr)
{
	struct om_page *table = unlink_child(mm, upper, om_level_pos(addr, 2));

	OM_BUG_ON(mm->sys, table->mapcount != 0, "I5", table, table->mapcount, addr);
	om_tlb_flush(mm, addr, addr + OM_TABLE_SPAN, OM_FLUSH_TABLES);
	om_table_free(mm, table);
}

/* `upper` names it, or maps its run, at addr, and does not any more. Returns the entry. */
static om_pte_t take_away(struct om_system *sys, struct om_page *upper, uintptr_t addr)
{
	om_pte_t e;

	om_table_lock_second(sys, upper);
	e = om_entry_take(sys, upper, om_level_pos(addr, 2), 0);
	om_table_unlock(sys, upper);
	return e;
}

static void bring_in(struct om_system *sys, struct om_page *upper, uintptr_t addr, om_pte_t e)
{
	om_table_lock_second(sys, upper);
	om_entry_install(sys, upper, om_level_pos(addr, 2), e);
	om_table_unlock(sys, upper);
}

bool om_table_move(struct om_mm *mm, uintptr_t from, uintptr_t to, struct om_table_stock *stock)
{
	struct om_system *sys = mm->sys;
	struct om_page *src = om_table_upper(mm, from), *dst;
	struct om_page *table = om_table_find(mm, from), *old = om_table_find(mm, to);
	om_pte_t e;

	if (!table)
		return false;
	OM_ASSERT(sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	dst = om_table_make_upper(mm, to, stock);
	atomic_store_explicit(&mm->own.table_hint, &mm->sys->no_table, memory_order_relaxed);
	if (old)
		free_empty(mm, dst, to);
	/*
	 * Until the old translations are flushed, nobody may find the entries at the new address: a
	 * walker would flush the wrong one (hazard 8). Nor unfold the table on the way.
	 */
	om_table_lock(sys, table);
	e = take_away(sys, src, from);
	om_tlb_flush(mm, from, from + OM_TABLE_SPAN, OM_FLUSH_ALL);
	table->index = to >> OM_PAGE_SHIFT;
	bring_in(sys, dst, to, om_pte_is_big(e) ? e : om_pte_mktable(om_page_pfn(sys, table)));
	om_table_unlock(sys, table);
	return true;
}
