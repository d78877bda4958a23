/*
 * objrmap.c: full object-based reverse mapping, the default design.
 *
 * A page names one object, and the object says where the page can be mapped:
 *
 *     file     object = om_mapping     look in the areas of i_mmap that cover `index`
 *     direct   object = table page     look at entry `index` of that table, nothing else
 *     shared   object = om_anon_vma    look in the areas of the anon_vma that cover `index`
 *
 * Nothing is kept per entry, and a fault allocates nothing (I6). Fork turns direct pages into
 * shared ones and makes the anon_vma, one for a whole lineage of areas; a write fault of the sole
 * owner, or a walk that finds the only entry, turns a shared page direct again. A table page rather
 * than the area stands behind a direct page, so areas can be split, merged, moved and renumbered
 * without a look at their pages: the change to the RFC of 10 March 2004 that makes it work
 * (docs/design.md).
 *
 * (object, index, ANON, DIRECT, mapcount) change together under the page's frame lock, and DIRECT
 * and its table only with that table's lock as well. So whoever holds the table's lock and finds
 * the page direct and naming the table knows that the entry is there (I2). A move from one locked
 * table to another needs no frame lock for that reason: what others read of `object` without the
 * table's lock is only a hint to them.
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "objrmap",
    .object_bytes = {sizeof(struct om_anon_vma)},
    .vma_bytes = sizeof(void *) + sizeof(struct om_node),
    .moves_shared = true,
    .moves_tables = true,
    .bounded = true,
    .shares_tables = true,
    .folds_tables = true,
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

/* ---------------------------------------------------------------- areas --------------------- */

static uintptr_t anon_key(const struct om_node *n)
{
	return om_container(n, struct om_vma, by_anon)->pgoff;
}

static uintptr_t anon_last(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_anon);

	return vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t anon_aug(struct om_node *n)
{
	return om_interval_aug(n, anon_last(n));
}

static const struct om_interval_ops anon_tree = {{anon_key, anon_aug}, anon_last};

static struct om_vma *anon_area(struct om_node *n)
{
	return om_container(n, struct om_vma, by_anon);
}

static void anon_vma_put(struct om_system *sys, struct om_anon_vma *av)
{
	if (atomic_fetch_sub_explicit(&av->refs, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_RMAP, av);
}

static void enqueue(struct om_anon_vma *av, struct om_vma *vma)
{
	om_tree_insert(vma->mm->sys, &av->root, &vma->by_anon, &anon_tree.tree);
}

static void dequeue(struct om_anon_vma *av, struct om_vma *vma)
{
	om_tree_remove(vma->mm->sys, &av->root, &vma->by_anon, &anon_tree.tree);
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
	if (child->anon_vma)
		atomic_fetch_or_explicit(&child->anon, OM_VMA_INHERITED, memory_order_relaxed);
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
	atomic_fetch_or_explicit(&to->anon, om_vma_anon(from), memory_order_relaxed);
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	om_rmap_vma_pretend(vma, vma->anon_vma ? vma : gone);
	if (om_vma_had_anon(gone))
		om_vma_mark_anon(vma);
}

static bool is_sole(struct om_system *sys, struct om_anon_vma *av)
{
	bool sole;

	om_read_lock(sys, &av->lock, OM_RANK_ANON);
	sole = av->root && !av->root->left && !av->root->right;
	om_read_unlock(sys, &av->lock);
	return sole;
}

/*
 * Memory that becomes part of an area gets numbers in its anon_vma. Siblings that have inherited
 * one would give the same numbers, at the same addresses, each to memory of its own; and once they
 * fork, a page of that would be looked for in all of them. So what an area has inherited does not
 * grow in this way while it has relatives: what is mapped beside it is an area of its own, and gets
 * an anon_vma of its own. The parent's area does: who is forked later shares its numbers and its
 * pages.
 */
static bool may_take_in(const struct om_vma *vma)
{
	return !(om_vma_anon(vma) & OM_VMA_INHERITED) || is_sole(vma->mm->sys, vma->anon_vma);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	if (a->anon_vma == b->anon_vma)
		return true;
	if (a->anon_vma && b->anon_vma)
		return false;
	return may_take_in(a->anon_vma ? a : b);
}

void om_anon_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;

	if (!av)
		return;
	om_write_lock(sys, &av->lock, OM_RANK_ANON);
	enqueue(av, vma);
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
	dequeue(av, vma);
	last = !av->root;
	om_write_unlock(sys, &av->lock);
	/* I4: no area left, so no mapped page can point here. A walk may still hold a reference. */
	if (last)
		anon_vma_put(sys, av);
	vma->anon_vma = NULL;
}

/* ---------------------------------------------------------------- changes ------------------- */

void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!av)
		return;
	om_write_lock(vma->mm->sys, &av->lock, OM_RANK_ANON);
	if (om_is_member(vma))
		dequeue(av, vma);
	if (om_is_member(partner))
		dequeue(av, partner);
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!av)
		return;
	if (om_is_member(vma))
		enqueue(av, vma);
	if (om_is_member(partner))
		enqueue(av, partner);
	om_write_unlock(vma->mm->sys, &av->lock);
}

void om_anon_move_begin(struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;

	if (av)
		om_write_lock(vma->mm->sys, &av->lock, OM_RANK_ANON);
}

void om_anon_move_end(struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;

	if (av)
		om_write_unlock(vma->mm->sys, &av->lock);
}

/* ---------------------------------------------------------------- walking ------------------- */

/* A shared page's anon_vma gets a reference (I4 says it is alive). */
static void look_at(struct om_system *sys, struct om_page *page, struct om_target *t)
{
	om_frame_lock(sys, page);
	om_target_set(t, page);
	if (t->mapcount && !(t->flags & OM_PG_DIRECT))
		atomic_fetch_add_explicit(&((struct om_anon_vma *)t->object)->refs, 1,
		                          memory_order_relaxed);
	om_frame_unlock(sys, page);
}

/*
 * False: the page named another object by the time the table was locked. An entry that is gone
 * although the page still counts it is being zapped, and its flush is under way: there is nothing
 * to visit.
 */
static OM_NOINLINE bool walk_direct(struct om_walk *w, const struct om_target *t)
{
	struct om_system *sys = w->sys;
	struct om_page *page = t->page, *table = t->object;
	bool still;
	unsigned pos;

	om_table_lock(sys, table);
	om_frame_lock(sys, page);
	still = page->mapcount && om_page_test(page, OM_PG_DIRECT) && om_rmap_object(page) == table;
	pos = still ? (unsigned)page->index : 0;
	om_frame_unlock(sys, page);
	if (still) {
		om_pte_t pte = om_entry_get(sys, table, pos);

		w->probed++;
		if (om_pte_present(pte) && om_pte_pfn(pte) == om_page_pfn(sys, page)) {
			w->found++;
			w->visit(w, page, NULL, table, pos);
		}
	}
	om_table_unlock(sys, table);
	return still;
}

/* What a walk was asked to do, while visit_only() stands in its place. */
struct asked {
	om_visit *visit;
	void *arg;
};

/* The only entry, as it seemed: if it is, and will be, the next walk need not look for it. */
static enum om_walk_verdict visit_only(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                       struct om_page *table, unsigned pos)
{
	const struct asked *asked = w->arg;

	om_frame_lock(w->sys, page);
	om_rmap_page_claim(w->sys, om_shard(w->sys), page, vma, table, pos);
	om_frame_unlock(w->sys, page);
	w->visit = asked->visit;
	w->arg = asked->arg;
	return w->visit(w, page, vma, table, pos);
}

static OM_NOINLINE void walk_shared(struct om_walk *w, const struct om_target *t)
{
	struct om_anon_vma *av = t->object;
	struct om_areas areas = {&anon_tree, &av->root, &av->lock, OM_RANK_ANON, anon_area};
	struct asked asked = {w->visit, w->arg};

	if (t->mapcount == 1) {
		w->visit = visit_only;
		w->arg = &asked;
	}
	om_probe_areas(w, t, &areas);
	anon_vma_put(w->sys, av);
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	struct om_target t;

	for (;;) {
		look_at(w->sys, page, &t);
		if (t.mapcount == 0)
			return;
		if (!(t.flags & OM_PG_DIRECT)) {
			walk_shared(w, &t);
			return;
		}
		if (walk_direct(w, &t))
			return;
		om_count(w->sys, OM_EV_RMAP_RETRIES, 1);
	}
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	(void)c;
	(void)mm;
}

/* Does iterating over the area's own range come across it? */
static bool is_found(struct om_system *sys, const struct om_anon_vma *av, const struct om_vma *vma)
{
	struct om_interval_iter it;
	struct om_node *n = om_interval_first(&it, sys, av->root, &anon_tree,
	                                      anon_key(&vma->by_anon), anon_last(&vma->by_anon));

	while (n && n != &vma->by_anon)
		n = om_interval_next(&it);
	return n;
}

/* Looked at once, when its first area is met. All areas in the tree say that they are in it. */
static void check_anon_vma(struct om_anon_check *c, struct om_anon_vma *av)
{
	size_t n = c->tree(c, av->root, &anon_tree.tree, av);
	struct om_interval_iter it;

	c->objects[0]++;
	c->in_trees += n;
	if (atomic_load(&av->refs) != 1)
		c->fail(c, "I4", av, atomic_load(&av->refs), n);
	if (atomic_load(&av->lock.state))
		c->fail(c, "rest", av, atomic_load(&av->lock.state), 0);
	for (struct om_node *node =
	         om_interval_first(&it, c->sys, av->root, &anon_tree, 0, UINTPTR_MAX);
	     node; node = om_interval_next(&it))
		if (anon_area(node)->anon_vma != av)
			c->fail(c, "I4", av, (uintptr_t)anon_area(node),
			        (uintptr_t)anon_area(node)->anon_vma);
}

static const struct om_node *leftmost(const struct om_node *n)
{
	while (n && n->left)
		n = n->left;
	return n;
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;

	if (!av)
		return;
	c->queued++;
	if (!om_vma_had_anon(vma) || (om_vma_flags(vma) & OM_VM_SHARED))
		c->fail(c, "I4", vma, vma->start, om_vma_flags(vma));
	if (!is_found(c->sys, av, vma))
		c->fail(c, "I4", vma, vma->start, vma->pgoff);
	if (leftmost(av->root) == &vma->by_anon)
		check_anon_vma(c, av);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));

	if (om_page_test(page, OM_PG_DIRECT)) {
		if (page->object != table || page->index != pos)
			c->fail(c, "I2", page, (uintptr_t)page->object, page->index);
		return;
	}
	if (!vma->anon_vma || page->object != vma->anon_vma || page->index != index)
		c->fail(c, "I4", page, (uintptr_t)page->object, page->index);
}
