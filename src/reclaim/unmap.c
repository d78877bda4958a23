/*
 * unmap.c: try_to_unmap, page_referenced, page_mkclean: the three users of the reverse map.
 *
 * try_to_unmap never looks at an area's flags to respect mlock: an entry of a locked area is
 * counted in the page (I12), so a page that counts none has no such entry, even while mlock is
 * half way through its area. Pins are taken under the table's lock, which the visitor holds.
 */
#include "reclaim/unmap.h"

#include "area/vma.h"
#include "page/lru.h"
#include "reclaim/sweep.h"
#include "store/mapping.h"
#include "store/swap.h"

static void flush_entry(struct om_page *table, unsigned pos)
{
	om_tlb_flush_page(om_table_mm(table), om_table_addr(table, pos));
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
	om_page_clear(page, OM_PG_LAZYFREE);
	om_page_set(page, OM_PG_DIRTY);
	om_lru_move(sys, page, OM_PG_SWAPBACKED | OM_PG_ACTIVE, 0, false);
	om_frame_unlock(sys, page);
}

/* The counters of the mm that loses an entry. */
static void account_unmapped(struct om_mm *mm, bool anon, om_pte_t absent)
{
	atomic_fetch_sub_explicit(anon ? &mm->rss_anon : &mm->rss_file, 1, memory_order_relaxed);
	if (om_pte_is_swap(absent))
		atomic_fetch_add_explicit(&mm->swapents, 1, memory_order_relaxed);
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

static enum om_walk_verdict unmap_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos)
{
	bool anon = om_page_test(page, OM_PG_ANON);
	bool lazyfree = om_page_test(page, OM_PG_LAZYFREE);
	om_pte_t old, absent;

	if (!absent_entry(w->sys, page, vma, &absent))
		return keep(w, page);
	old = om_entry_take(w->sys, table, pos, absent);
	flush_entry(table, pos);
	if (lazyfree && (om_pte_dirty(old) || om_page_test(page, OM_PG_DIRTY))) {
		restore_lazyfree(w->sys, page, table, pos, old);
		return keep(w, page);
	}
	if (om_pte_dirty(old))
		om_page_set(page, OM_PG_DIRTY);
	if (anon)
		om_rmap_entry_cleared(w->sys, page, table, pos);
	account_unmapped(om_table_mm(table), anon, absent);
	om_frame_lock(w->sys, page);
	om_rmap_page_remove(w->sys, page,
	                    false); /* an entry that is locked would have kept the page */
	om_rmap_page_forget(w->sys, page);
	om_frame_unlock(w->sys, page);
	return OM_WALK_GO;
}

/* Perhaps nonlinear areas have the page. */
static void sweep(struct om_mapping *mapping)
{
	if (om_mapping_is_shmem(mapping))
		om_sweep_nonlinear(mapping);
}

enum om_unmap_result om_try_to_unmap(struct om_system *sys, struct om_page *page,
                                     struct om_page *const others[], unsigned n)
{
	struct unmapping u = {page, OM_UNMAP_AGAIN};
	struct om_walk w = {.visit = unmap_one, .arg = &u, .others = others, .nr_others = n};

	om_rmap_walk(sys, page, &w);
	if (!om_page_is_mapped(sys, page))
		return OM_UNMAP_SUCCESS;
	if (u.result == OM_UNMAP_AGAIN && !om_page_test(page, OM_PG_ANON))
		sweep(page->object);
	return u.result;
}

static enum om_walk_verdict age_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                    struct om_page *table, unsigned pos)
{
	unsigned *used = w->arg;

	(void)page;
	(void)vma;
	*used += om_pte_young(om_entry_age(w->sys, table, pos));
	return OM_WALK_GO;
}

unsigned om_page_referenced(struct om_system *sys, struct om_page *page)
{
	unsigned used = 0;
	struct om_walk w = {.visit = age_one, .arg = &used};

	om_rmap_walk(sys, page, &w);
	if (om_page_clear(page, OM_PG_REFERENCED) & OM_PG_REFERENCED)
		used++;
	if (used && !om_page_test(page, OM_PG_ANON) && page->object)
		om_readahead_used(page->object, page);
	return used;
}

static enum om_walk_verdict clean_one(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos)
{
	om_pte_t old = om_entry_clean(w->sys, table, pos);

	(void)vma;
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
