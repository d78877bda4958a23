/*
 * rfc_vma.c: full object-based reverse mapping as in Andrea Arcangeli's RFC of 10 March 2004,
 * with the repairs that it needs and nothing more.
 *
 *     direct   object = om_vma         the area that its one entry is in; index = page number of
 *                                      the entry's address
 *     shared   object = om_anon_vma    look in all areas of the list that cover the linear `index`
 *
 * Faults allocate nothing. Fork makes one anon_vma for an area and all its descendants, queues both
 * areas in its list, and turns each direct page shared under its frame lock, before the second
 * entry is there (as posted, the last mapper would take the pointer over). A sole owner's write
 * fault turns it direct again. The anon_vma goes with the last area.
 *
 * A pointer to an area is wrong as soon as the page belongs to another one, and dangles when the
 * area goes: so each call that gives pages another area looks at all of their entries. Split: those
 * of the upper part. Merge: those of the area that goes. mremap: each one that it moves; so no
 * table moves as a whole. That is what the repairs cost; each is bounded by the size of the area
 * alone, and holds the lock of its file meanwhile, if it has one.
 *
 * The walk from a direct page. With the frame lock held the page stays mapped, and so the area
 * that it names stays alive: the last that happens to a page in an area is om_rmap_page_remove(),
 * and an adoption takes the lock, too. But the table's lock comes first in the order. The RFC,
 * which had the same trouble with PG_maplock, tried the table's lock and gave the page up if that
 * failed. Here the walk finds the table, lets go, locks the table, and looks again whether the page
 * is still found there. No number of the area is read on the way, because nothing that a walker
 * could hold keeps an area from being resized: hence the address in the page.
 *
 * The walk from a shared page goes through the whole list with its lock held, as posted: an
 * area that is cut into a thousand is looked at a thousand times.
 */
#include "rmap/rivals/area_list.h"
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "rfc_vma",
    .object_bytes = {sizeof(struct om_anon_vma)},
    .vma_bytes = 3 * sizeof(void *), /* anon_vma, and two links */
    .mm_bytes = sizeof(void *),
    .moves_shared = true,
    .moves_tables = false,
    .bounded = false,
    .shares_tables = false,
    .objectless_fault = true,
};

/* ---------------------------------------------------------------- pages --------------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	OM_BUG_ON(sys, !vma->anon_vma, "I4", page, vma->start, pos);
	page->object = vma->anon_vma;
	page->index = om_vma_index(vma, om_table_addr(table, pos));
	return true;
}

/* ---------------------------------------------------------------- repairs ------------------- */

/*
 * The table is locked. Not by om_entry_get(), which counts as work under the file's lock: that has
 * no bound here, which traits.bounded admits.
 */
static void adopt_entry(struct om_system *sys, struct om_vma *vma, struct om_page *table,
                        unsigned pos)
{
	om_pte_t pte = om_arch_pte_load(om_table_entry(table, pos));
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (!om_pte_present(pte) || !om_page_test(page, OM_PG_DIRECT))
		return;
	om_frame_lock(sys, page);
	om_rfc_point(page, vma, table, pos);
	om_frame_unlock(sys, page);
}

/*
 * The direct pages that lie in `part` name `vma` from now on. mmap_lock keeps others from adding
 * pages. An entry that is gone although its page counts it is no trouble: whoever took it has
 * mmap_lock, or the file's lock, until the page no longer names an area.
 */
static void adopt(struct om_vma *vma, const struct om_vma *part)
{
	struct om_system *sys = vma->mm->sys;
	unsigned looked = 0;

	if (!om_vma_had_anon(part))
		return;
	OM_ASSERT(sys, om_rwsem_is_write_locked(&vma->mm->own.mmap_lock), "mmap_lock", vma);
	om_for_each_table (t, vma->mm, part->start, part->end) {
		unsigned pos = om_table_pos(t.start);
		unsigned n = (unsigned)((t.end - t.start) >> OM_PAGE_SHIFT);

		om_table_lock(sys, t.table);
		for (unsigned i = 0; i < n; i++)
			adopt_entry(sys, vma, t.table, pos + i);
		om_table_unlock(sys, t.table);
		looked = part->mapping ? looked + n : n;
		om_note_hold(sys, looked);
	}
}

static void anon_vma_put(struct om_system *sys, struct om_anon_vma *av)
{
	if (atomic_fetch_sub_explicit(&av->refs, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_RMAP, av);
}

static int make_anon_vma(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = om_object_alloc(sys, OM_CACHE_RMAP);

	if (!av)
		return -OM_ENOFRAME;
	atomic_init(&av->refs, 1);
	vma->anon_vma = av;
	om_anon_link(vma);
	return 0;
}

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	OM_ASSERT(parent->mm->sys, om_rwsem_is_write_locked(&parent->mm->own.mmap_lock),
	          "mmap_lock", parent);
	if (!parent->anon_vma && om_vma_had_anon(parent) && make_anon_vma(parent))
		return -OM_ENOFRAME;
	om_rmap_vma_pretend(child, parent);
	return 0;
}

int om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	om_rmap_vma_pretend(to, from);
	return 0;
}

void om_rmap_vma_pretend(struct om_vma *to, const struct om_vma *from)
{
	to->anon_vma = from->anon_vma;
	if (om_vma_had_anon(from))
		om_vma_mark_anon(to);
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	if (!vma->anon_vma)
		vma->anon_vma = gone->anon_vma;
	if (om_vma_had_anon(gone))
		om_vma_mark_anon(vma);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	return a->anon_vma == b->anon_vma || !a->anon_vma || !b->anon_vma;
}

void om_anon_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;

	if (!av)
		return;
	om_write_lock(sys, &av->lock, OM_RANK_ANON);
	om_area_list_add(&av->first, vma);
	om_write_unlock(sys, &av->lock);
}

void om_anon_unlink(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;
	bool last;

	if (!av)
		return;
	om_write_lock(sys, &av->lock, OM_RANK_ANON);
	om_area_list_del(&av->first, vma);
	last = !av->first;
	om_write_unlock(sys, &av->lock);
	/* I4: no area left, so no mapped page can point here. A walk may still hold a reference. */
	if (last)
		anon_vma_put(sys, av);
	vma->anon_vma = NULL;
}

/* ---------------------------------------------------------------- changes ------------------- */

static bool is_empty(const struct om_vma *vma)
{
	return !vma || vma->start == vma->end;
}

/* A partner that has pages before the change has none after it: the two are merged. */
void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!is_empty(partner))
		adopt(vma, partner);
	if (!av)
		return;
	om_write_lock(vma->mm->sys, &av->lock, OM_RANK_ANON);
	if (om_is_member(vma))
		om_area_list_del(&av->first, vma);
	if (om_is_member(partner))
		om_area_list_del(&av->first, partner);
}

/* A partner that has pages now had none before: it was split off. */
void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (av) {
		if (om_is_member(vma))
			om_area_list_add(&av->first, vma);
		if (om_is_member(partner))
			om_area_list_add(&av->first, partner);
		om_write_unlock(vma->mm->sys, &av->lock);
	}
	if (!is_empty(partner))
		adopt(partner, partner);
}

static void set_destination(struct om_mm *mm, struct om_vma *vma)
{
	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	mm->anon_mm = (struct om_anon_mm *)(void *)vma;
}

void om_anon_move_begin(struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;

	set_destination(vma->mm, vma);
	if (av)
		om_write_lock(vma->mm->sys, &av->lock, OM_RANK_ANON);
}

void om_anon_move_end(struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;

	if (av)
		om_write_unlock(vma->mm->sys, &av->lock);
	set_destination(vma->mm, NULL);
}

/* ---------------------------------------------------------------- walking ------------------- */

/* Of a mapped direct page: the table that has its entry. Frame lock held. */
static struct om_page *home(const struct om_page *page)
{
	const struct om_vma *vma = page->object;

	return om_table_find(vma->mm, page->index << OM_PAGE_SHIFT);
}

/* Of a direct page returns the table; a shared page's anon_vma gets a reference (I4). */
static struct om_page *look_at(struct om_system *sys, struct om_page *page, struct om_target *t)
{
	struct om_page *table = NULL;

	om_frame_lock(sys, page);
	om_target_set(t, page);
	if (t->mapcount && (t->flags & OM_PG_DIRECT))
		table = home(page);
	else if (t->mapcount)
		atomic_fetch_add_explicit(&((struct om_anon_vma *)t->object)->refs, 1,
		                          memory_order_relaxed);
	om_frame_unlock(sys, page);
	return table;
}

/*
 * `table` is where the page was found; it may be anything by now, and so may the area. False: the
 * page is not found there any more.
 */
static bool walk_direct(struct om_walk *w, struct om_target *t, struct om_page *table)
{
	struct om_system *sys = w->sys;
	struct om_page *page = t->page;
	bool still;

	om_table_lock(sys, table);
	om_frame_lock(sys, page);
	om_target_set(t, page);
	still = t->mapcount && (t->flags & OM_PG_DIRECT) && home(page) == table;
	om_frame_unlock(sys, page);
	if (still) {
		w->probed++;
		/* If the entry is there, it keeps the area while its table is locked. */
		om_probe_entry(w, t, t->object, table, om_table_pos(t->index << OM_PAGE_SHIFT));
	}
	om_table_unlock(sys, table);
	return still;
}

static bool covers(const struct om_vma *vma, uintptr_t index)
{
	return index >= vma->pgoff && index - vma->pgoff < om_vma_pages(vma);
}

static void walk_shared(struct om_walk *w, const struct om_target *t)
{
	struct om_anon_vma *av = t->object;
	unsigned looked = 0;
	bool go = true;

	om_read_lock(w->sys, &av->lock, OM_RANK_ANON);
	for (struct om_node *n = av->first; n && go; n = n->right) {
		struct om_vma *vma = om_area_in_list(n);

		looked++;
		if (covers(vma, t->index))
			go = om_probe(w, t, vma->mm, vma,
			              vma->start + ((t->index - vma->pgoff) << OM_PAGE_SHIFT));
	}
	om_note_hold(w->sys, looked);
	om_read_unlock(w->sys, &av->lock);
	anon_vma_put(w->sys, av);
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	struct om_target t;

	for (;;) {
		struct om_page *table = look_at(w->sys, page, &t);

		if (t.mapcount == 0)
			return;
		if (!(t.flags & OM_PG_DIRECT)) {
			walk_shared(w, &t);
			return;
		}
		if (!table || walk_direct(w, &t, table))
			return;
		om_count(w->sys, OM_EV_RMAP_RETRIES, 1);
	}
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	if (mm->anon_mm)
		c->fail(c, "rest", mm, (uintptr_t)mm->anon_mm, 0);
}

/* Looked at once, when its first area is met. All areas in the list say that they are in it. */
static void check_anon_vma(struct om_anon_check *c, struct om_anon_vma *av)
{
	size_t n = 0;

	for (struct om_node *node = av->first; node; node = node->right) {
		n++;
		if (om_area_in_list(node)->anon_vma != av)
			c->fail(c, "I4", av, (uintptr_t)om_area_in_list(node),
			        (uintptr_t)om_area_in_list(node)->anon_vma);
	}
	c->objects[0]++;
	c->in_trees += n;
	if (atomic_load(&av->refs) != 1)
		c->fail(c, "I4", av, atomic_load(&av->refs), n);
	if (atomic_load(&av->lock.state))
		c->fail(c, "rest", av, atomic_load(&av->lock.state), 0);
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;
	const struct om_node *n = &vma->by_anon;

	if (!av)
		return;
	c->queued++;
	if (!om_vma_had_anon(vma) || (om_vma_flags(vma) & OM_VM_SHARED))
		c->fail(c, "I4", vma, vma->start, om_vma_flags(vma));
	if ((n->left ? n->left->right : av->first) != n)
		c->fail(c, "I4", vma, vma->start, vma->pgoff);
	if (av->first == n)
		check_anon_vma(c, av);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));

	if (om_page_test(page, OM_PG_DIRECT)) {
		if (page->object != vma || page->index != table->index + pos)
			c->fail(c, "I2", page, (uintptr_t)page->object, page->index);
		return;
	}
	if (!vma->anon_vma || page->object != vma->anon_vma || page->index != index)
		c->fail(c, "I4", page, (uintptr_t)page->object, page->index);
}
