/*
 * walk.c: from a page to the entries that map it. The areas of a file are looked into here,
 * whatever the design; where an anonymous page is, the design knows.
 */
#include "rmap/rmap.h"
#include "store/mapping.h"

/* ---------------------------------------------------------------- files --------------------- */

struct probing {
	struct om_walk *w;
	const struct om_target *t;
};

static bool probe_part(void *arg, const struct om_part *p)
{
	const struct probing *v = arg;
	struct om_system *sys = v->w->sys;
	bool go = true;

	om_table_lock(sys, p->table);
	for (uintptr_t a = p->start; go && a < p->end; a += OM_PAGE_SIZE) {
		v->w->probed++;
		go = om_probe_entry(v->w, v->t, p->vma, p->table, om_table_pos(a));
	}
	om_table_unlock(sys, p->table);
	return go;
}

/* All nonlinear areas, or what the window shows of them. Only shared memory has them. */
static OM_NOINLINE void walk_nonlinear(struct om_walk *w, const struct om_target *t)
{
	struct om_mapping *mapping = t->object;
	struct om_cursor c = {.key = OM_NONLINEAR_INDEX};
	struct probing v = {w, t};

	if (!w->complete) {
		c = om_i_mmap_hand(mapping);
		om_i_mmap_window(mapping, &c, probe_part, &v);
		return;
	}
	while (!c.done && om_i_mmap_hold(mapping, &c, probe_part, &v))
		;
}

static struct om_vma *file_area(struct om_node *n)
{
	return om_container(n, struct om_vma, by_file);
}

/* The page lock keeps the page in its file. */
static OM_NOINLINE void walk_file(struct om_walk *w, struct om_page *page)
{
	struct om_system *sys = w->sys;
	struct om_mapping *mapping;
	struct om_target t;

	om_frame_lock(sys, page);
	om_target_set(&t, page);
	om_frame_unlock(sys, page);
	mapping = t.object;
	if (t.mapcount == 0)
		return;
	if (om_probe_areas(w, &t,
	                   &(struct om_areas){&om_file_tree, &mapping->i_mmap, &mapping->lock,
	                                      OM_RANK_MAPPING, file_area}) &&
	    om_mapping_is_shmem(mapping))
		walk_nonlinear(w, &t);
}

/* ---------------------------------------------------------------- the call ------------------ */

void om_rmap_walk(struct om_system *sys, struct om_page *page, struct om_walk *w)
{
	struct om_mapping *mapping = NULL;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	w->sys = sys;
	w->probed = 0;
	w->found = 0;
	if (om_page_test(page, OM_PG_ANON)) {
		om_anon_walk(w, page);
	} else {
		/* The page lock keeps the page in its file, or out of any. */
		if (w->complete)
			mapping = om_rmap_object(page);
		if (mapping)
			om_rwsem_write(sys, &mapping->shape, OM_RANK_SHAPE);
		walk_file(w, page);
		if (mapping)
			om_rwsem_write_done(sys, &mapping->shape);
	}
	om_rmap_count(sys, 1, w->probed, w->found);
}
