/*
 * probe.c: looking at single entries, and at areas one by one, on the way from a page to the
 * entries that map it.
 */
#include "rmap/probe.h"

/* ---------------------------------------------------------------- one entry ----------------- */

static bool shows(struct om_walk *w, om_pte_t pte, const struct om_page *page)
{
	return om_pte_present(pte) && om_pte_pfn(pte) == om_page_pfn(w->sys, page);
}

OM_INLINE bool probe_entry(struct om_walk *w, const struct om_target *t, struct om_vma *vma,
                           struct om_page *table, unsigned pos)
{
	om_pte_t pte = om_entry_get(w->sys, table, pos);

	if (!shows(w, pte, t->page))
		return true;
	w->found++;
	return w->visit(w, t->page, vma, table, pos) == OM_WALK_GO && w->found < t->mapcount;
}

bool om_probe_entry(struct om_walk *w, const struct om_target *t, struct om_vma *vma,
                    struct om_page *table, unsigned pos)
{
	return probe_entry(w, t, vma, table, pos);
}

bool om_probe(struct om_walk *w, const struct om_target *t, struct om_mm *mm, struct om_vma *vma,
              uintptr_t addr)
{
	struct om_page *table = om_table_find(mm, addr);
	unsigned pos = om_table_pos(addr);
	bool go;

	if (!table)
		return true;
	w->probed++;
	/*
	 * Most relatives do not have the page any more. A look without the lock is enough to see
	 * that, as an entry that is there all the time shows the page all the time; who took it a
	 * moment ago may owe its flush, but then the page still counts it. A complete walk takes
	 * absence for a promise, so it waits for the flush (I9, hazard 14).
	 */
	if (!w->complete && !shows(w, om_arch_pte_load(om_table_entry(table, pos)), t->page))
		return true;
	om_table_lock(w->sys, table);
	/* A table with several owners is looked at once: by way of the first (I13). */
	go = om_table_mm(table) != mm || probe_entry(w, t, vma, table, pos);
	om_table_unlock(w->sys, table);
	return go;
}

/* ---------------------------------------------------------------- areas --------------------- */

static bool probe_linear(struct om_walk *w, const struct om_target *t, struct om_vma *vma)
{
	return om_probe(w, t, vma->mm, vma,
	                vma->start + ((t->index - vma->pgoff) << OM_PAGE_SHIFT));
}

/* Look into as many areas as one hold of the lock is for. False: the walk is over. */
static bool walk_hold(struct om_walk *w, const struct om_target *t, const struct om_areas *a,
                      struct om_cursor *c)
{
	struct om_system *sys = w->sys;
	struct om_interval_iter it;
	struct om_node *n, *last = NULL;
	unsigned looked = 0;
	bool go = true;

	om_read_lock(sys, a->lock, a->rank);
	n = om_interval_resume(&it, sys, *a->root, a->ops, t->index, t->index, c->key, c->node);
	while (n && looked < om_hold(sys)) {
		looked++;
		last = n;
		go = probe_linear(w, t, a->area(n));
		if (!go)
			break;
		n = om_interval_next(&it);
	}
	if (last) {
		c->key = a->ops->tree.key(last);
		c->node = (uintptr_t)last;
	}
	c->done = !n;
	om_note_hold(sys, looked);
	om_read_unlock(sys, a->lock);
	return go;
}

bool om_probe_areas(struct om_walk *w, const struct om_target *t, const struct om_areas *a)
{
	struct om_cursor c = {0};
	bool go;

	do
		go = walk_hold(w, t, a, &c);
	while (go && !c.done);
	return go;
}
