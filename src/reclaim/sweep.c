/*
 * sweep.c: a hand goes round over the entries of nonlinear areas.
 *
 * Nothing says where in a nonlinear area a page is shown, so to find it means to look at all
 * entries, for every page again, and the areas may be somebody's who only wants that. So reclaim
 * does not search for a page there. It looks at the next few entries, whatever page they show. One
 * that has been used becomes old, and its page young; one that is still old loses the page, and
 * says which page of the file it shows, as after remap_file_pages() (nonlinear.c). When the hand
 * has been round twice, a page that nobody uses is mapped nowhere, and reclaim, which meets it
 * again and again, takes it. An area may be as large as it likes: an entry costs those who reclaim
 * two looks, and whoever wants it back a fault.
 */
#include "reclaim/sweep.h"

#include "page/put.h"

/* Entries that are swept with one flush. */
#define SWEPT 8

struct swept {
	struct om_page *page[SWEPT];
	bool dirty[SWEPT];
	unsigned n;
};

/* May the page leave this entry? *index: what the entry says afterwards. TABLE held. */
static bool may_leave(struct om_system *sys, struct om_page *page, uintptr_t *index)
{
	bool free;

	om_frame_lock(sys, page);
	free = !om_page_pins(page) && !om_page_test(page, OM_PG_UNEVICTABLE);
	*index = page->index;
	om_frame_unlock(sys, page);
	return free;
}

/* TABLE held. */
static void sweep_entry(struct om_system *sys, struct om_page *table, unsigned pos, struct swept *s)
{
	om_pte_t pte = om_entry_get(sys, table, pos);
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));
	uintptr_t index;

	if (!om_pte_present(pte))
		return;
	if (om_pte_young(pte)) {
		om_entry_age(sys, table, pos);
		om_page_clear(page, OM_PG_AGE);
		return;
	}
	if (!may_leave(sys, page, &index))
		return;
	pte = om_entry_take(sys, table, pos, om_pte_mkfile(index));
	s->page[s->n] = page;
	s->dirty[s->n++] = om_pte_dirty(pte);
}

/* The entry is flushed; until now it kept the page. */
static void forget_entry(struct om_system *sys, struct om_page *page, bool dirty)
{
	if (dirty)
		om_page_set(page, OM_PG_DIRTY);
	om_frame_lock(sys, page);
	om_rmap_page_remove(sys, page, false);
	om_rmap_page_forget(sys, page);
	om_page_unlock_or_free(sys, page);
}

static void sweep_some(struct om_system *sys, struct om_mm *mm, struct om_page *table,
                       uintptr_t start, uintptr_t end)
{
	struct swept s;

	s.n = 0;
	om_table_lock(sys, table);
	for (uintptr_t a = start; a < end; a += OM_PAGE_SIZE)
		sweep_entry(sys, table, om_table_pos(a), &s);
	/* Before anybody can see that the entries are gone (hazard 9). */
	if (s.n)
		om_tlb_flush(mm, start, end, OM_FLUSH_PAGES);
	om_table_unlock(sys, table);
	atomic_fetch_sub_explicit(&mm->own.rss_file, s.n, memory_order_relaxed);
	for (unsigned i = 0; i < s.n; i++)
		forget_entry(sys, s.page[i], s.dirty[i]);
}

static bool sweep_part(void *arg, const struct om_part *p)
{
	const uintptr_t some = SWEPT * OM_PAGE_SIZE;

	for (uintptr_t a = p->start; a < p->end; a += some)
		sweep_some(arg, p->vma->mm, p->table, a, p->end - a < some ? p->end : a + some);
	return true;
}

void om_sweep_nonlinear(struct om_mapping *mapping)
{
	struct om_cursor hand = om_i_mmap_hand(mapping);

	om_i_mmap_window(mapping, &hand, sweep_part, mapping->sys);
	om_i_mmap_set_hand(mapping, &hand);
}
