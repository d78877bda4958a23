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
 * shared ones and makes the anon_vma, one for a whole lineage of areas; the sole owner's write
 * fault turns a shared page direct again. A table page rather than the area stands behind a
 * direct page, so areas can be split, merged, moved and renumbered without a look at their pages:
 * the change to the RFC of 10 March 2004 that makes it work (docs/design.md).
 *
 * (object, index, ANON, DIRECT, mapcount) change together under the page's frame lock, and DIRECT
 * and its table only with that table's lock as well. So whoever holds the table's lock and finds
 * the page direct and naming the table knows that the entry is there (I2). A move from one locked
 * table to another needs no frame lock for that reason: what others read of `object` without the
 * table's lock is only a hint to them.
 */
#include "base/vma_fields.h"
#include "page/frame.h"
#include "page/lru.h"
#include "page/slab.h"
#include "rmap/rmap.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- pages --------------------- */

bool om_rmap_file_add(struct om_system *sys, struct om_page *page, struct om_vma *vma)
{
	bool room;

	om_frame_lock(sys, page);
	OM_ASSERT(sys, !om_page_test(page, OM_PG_ANON), "I1", page);
	room = page->mapcount < OM_MAPCOUNT_MAX;
	if (room) {
		page->mapcount++;
		if (om_vma_flags(vma) & OM_VM_LOCKED)
			om_page_mlock(sys, page);
	}
	om_frame_unlock(sys, page);
	return room;
}

/* MADV_FREE'd contents that are needed after all: a swap-backed page like any other again. */
void om_rmap_cancel_lazyfree(struct om_system *sys, struct om_page *page)
{
	om_page_clear(page, OM_PG_LAZYFREE);
	om_page_set(page, OM_PG_DIRTY);
	om_lru_move(sys, page, OM_PG_SWAPBACKED, 0, false);
}

bool om_rmap_page_swapin(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos, bool exclusive)
{
	bool direct;

	OM_ASSERT(sys, om_held(sys, &table->lock), "I9", table);
	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->mapcount && om_page_test(page, OM_PG_DIRECT), "I2", page,
	          page->mapcount, page->slot);
	direct = exclusive && page->mapcount == 0;
	if (direct)
		om_rmap_set_direct(page, table, pos);
	else
		om_rmap_set_shared(sys, page, vma, table, pos);
	page->mapcount++;
	if (om_vma_flags(vma) & OM_VM_LOCKED)
		om_page_mlock(sys, page);
	om_frame_unlock(sys, page);
	return direct;
}

/* ---------------------------------------------------------------- areas --------------------- */

static uintptr_t file_key(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_file);

	return om_vma_flags(vma) & OM_VM_NONLINEAR ? 0 : vma->pgoff;
}

/* Pages of a nonlinear area can come from anywhere in the file. */
static uintptr_t file_last(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_file);

	return om_vma_flags(vma) & OM_VM_NONLINEAR ? UINTPTR_MAX
	                                           : vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t anon_key(const struct om_node *n)
{
	return om_container(n, struct om_vma, by_anon)->pgoff;
}

static uintptr_t anon_last(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_vma, by_anon);

	return vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t largest(const struct om_node *n, uintptr_t last)
{
	if (n->left && n->left->aug > last)
		last = n->left->aug;
	if (n->right && n->right->aug > last)
		last = n->right->aug;
	return last;
}

static uintptr_t file_aug(struct om_node *n)
{
	return largest(n, file_last(n));
}

static uintptr_t anon_aug(struct om_node *n)
{
	return largest(n, anon_last(n));
}

const struct om_interval_ops om_file_tree = {{file_key, file_aug}, file_last};
const struct om_interval_ops om_anon_tree = {{anon_key, anon_aug}, anon_last};

static void anon_vma_put(struct om_system *sys, struct om_anon_vma *av)
{
	if (atomic_fetch_sub_explicit(&av->refs, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_ANON_VMA, av);
}

static void enqueue(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;

	if (vma->mapping)
		om_tree_insert(sys, &vma->mapping->i_mmap, &vma->by_file, &om_file_tree.tree);
	if (vma->anon_vma)
		om_tree_insert(sys, &vma->anon_vma->root, &vma->by_anon, &om_anon_tree.tree);
}

static void dequeue(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;

	if (vma->mapping)
		om_tree_remove(sys, &vma->mapping->i_mmap, &vma->by_file, &om_file_tree.tree);
	if (vma->anon_vma)
		om_tree_remove(sys, &vma->anon_vma->root, &vma->by_anon, &om_anon_tree.tree);
}

static void lock_trees(struct om_system *sys, struct om_mapping *mapping, struct om_anon_vma *av)
{
	if (mapping)
		om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	if (av)
		om_write_lock(sys, &av->lock, OM_RANK_ANON);
}

static void unlock_trees(struct om_system *sys, struct om_mapping *mapping, struct om_anon_vma *av)
{
	if (av)
		om_write_unlock(sys, &av->lock);
	if (mapping)
		om_write_unlock(sys, &mapping->lock);
}

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	struct om_system *sys = parent->mm->sys;
	struct om_anon_vma *av = parent->anon_vma;

	OM_ASSERT(sys, om_rwsem_is_write_locked(&parent->mm->mmap_lock), "mmap_lock", parent);
	if (!av && om_vma_had_anon(parent)) {
		av = om_object_alloc(sys, OM_CACHE_ANON_VMA);
		if (!av)
			return -OM_ENOFRAME;
		atomic_init(&av->refs, 1);
		om_write_lock(sys, &av->lock, OM_RANK_ANON);
		parent->anon_vma = av;
		om_tree_insert(sys, &av->root, &parent->by_anon, &om_anon_tree.tree);
		om_write_unlock(sys, &av->lock);
	}
	om_rmap_vma_copy(child, parent);
	return 0;
}

void om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	to->anon_vma = from->anon_vma;
	if (om_vma_had_anon(from))
		om_vma_mark_anon(to);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	return !a->anon_vma || !b->anon_vma || a->anon_vma == b->anon_vma;
}

void om_rmap_vma_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;

	lock_trees(sys, vma->mapping, vma->anon_vma);
	enqueue(vma);
	unlock_trees(sys, vma->mapping, vma->anon_vma);
}

void om_rmap_vma_unlink(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;
	bool last;

	lock_trees(sys, vma->mapping, av);
	dequeue(vma);
	last = av && !av->root;
	unlock_trees(sys, vma->mapping, av);
	/* I4: no area left, so no mapped page can point here. A walk may still hold a reference. */
	if (last)
		anon_vma_put(sys, av);
	vma->anon_vma = NULL;
}

/* Of two areas that change together, at least one knows the anon_vma, if there is any. */
static struct om_anon_vma *common_anon_vma(const struct om_vma *vma, const struct om_vma *partner)
{
	return vma->anon_vma || !partner ? vma->anon_vma : partner->anon_vma;
}

void om_rmap_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	lock_trees(vma->mm->sys, vma->mapping, common_anon_vma(vma, partner));
	dequeue(vma);
	if (partner && partner->start != partner->end)
		dequeue(partner);
}

void om_rmap_change_end(struct om_vma *vma, struct om_vma *partner)
{
	enqueue(vma);
	if (partner && partner->start != partner->end)
		enqueue(partner);
	unlock_trees(vma->mm->sys, vma->mapping, common_anon_vma(vma, partner));
}

void om_rmap_move_begin(struct om_vma *vma)
{
	lock_trees(vma->mm->sys, vma->mapping, vma->anon_vma);
}

void om_rmap_move_end(struct om_vma *vma)
{
	unlock_trees(vma->mm->sys, vma->mapping, vma->anon_vma);
}

/* ---------------------------------------------------------------- walking ------------------- */

/* What a walk needs to know about the page, copied under its frame lock. */
struct target {
	struct om_page *page;
	unsigned flags;
	void *object;
	uintptr_t index;
	uint32_t mapcount;
};

/* Copies the target; a shared page's anon_vma gets a reference (I4 says it is alive). */
static void look_at(struct om_system *sys, struct om_page *page, struct target *t)
{
	om_frame_lock(sys, page);
	t->page = page;
	t->flags = om_page_flags(page);
	t->object = om_rmap_object(page);
	t->index = t->flags & OM_PG_DIRECT ? 0 : page->index;
	t->mapcount = page->mapcount;
	if (t->mapcount && (t->flags & (OM_PG_ANON | OM_PG_DIRECT)) == OM_PG_ANON)
		atomic_fetch_add_explicit(&((struct om_anon_vma *)t->object)->refs, 1,
		                          memory_order_relaxed);
	om_frame_unlock(sys, page);
}

/*
 * False: the page named another object by the time the table was locked. An entry that is gone
 * although the page still counts it is being zapped, and its flush is under way: there is nothing
 * to visit.
 */
static bool walk_direct(struct om_walk *w, const struct target *t)
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

/* Look at one entry. True: go on. */
static bool probe(struct om_walk *w, const struct target *t, struct om_vma *vma,
                  struct om_page *table, unsigned pos)
{
	om_pte_t pte = om_entry_get(w->sys, table, pos);

	w->probed++;
	if (!om_pte_present(pte) || om_pte_pfn(pte) != om_page_pfn(w->sys, t->page))
		return true;
	w->found++;
	return w->visit(w, t->page, vma, table, pos) == OM_WALK_GO &&
	       (w->all || w->found < t->mapcount);
}

static bool probe_linear(struct om_walk *w, const struct target *t, struct om_vma *vma)
{
	uintptr_t addr = vma->start + ((t->index - vma->pgoff) << OM_PAGE_SHIFT);
	struct om_page *table = om_table_find(vma->mm, addr);
	bool go;

	if (!table)
		return true;
	om_table_lock(w->sys, table);
	go = probe(w, t, vma, table, om_table_pos(addr));
	om_table_unlock(w->sys, table);
	return go;
}

/* The area's entries can show any page of the file: look at all of them. */
static bool probe_nonlinear(struct om_walk *w, const struct target *t, struct om_vma *vma)
{
	om_for_each_table (part, vma->mm, vma->start, vma->end) {
		bool go = true;

		om_table_lock(w->sys, part.table);
		for (uintptr_t a = part.start; go && a < part.end; a += OM_PAGE_SIZE)
			go = probe(w, t, vma, part.table, om_table_pos(a));
		om_table_unlock(w->sys, part.table);
		if (!go)
			return false;
	}
	return true;
}

static void walk_file(struct om_walk *w, const struct target *t)
{
	struct om_mapping *mapping = t->object;
	struct om_interval_iter it;

	om_read_lock(w->sys, &mapping->lock, OM_RANK_MAPPING);
	for (struct om_node *n =
	         om_interval_first(&it, w->sys, mapping->i_mmap, &om_file_tree, t->index, t->index);
	     n; n = om_interval_next(&it)) {
		struct om_vma *vma = om_container(n, struct om_vma, by_file);

		if (!(om_vma_flags(vma) & OM_VM_NONLINEAR ? probe_nonlinear(w, t, vma)
		                                          : probe_linear(w, t, vma)))
			break;
	}
	om_read_unlock(w->sys, &mapping->lock);
}

static void walk_shared(struct om_walk *w, const struct target *t)
{
	struct om_anon_vma *av = t->object;
	struct om_interval_iter it;

	om_read_lock(w->sys, &av->lock, OM_RANK_ANON);
	for (struct om_node *n =
	         om_interval_first(&it, w->sys, av->root, &om_anon_tree, t->index, t->index);
	     n; n = om_interval_next(&it)) {
		if (!probe_linear(w, t, om_container(n, struct om_vma, by_anon)))
			break;
	}
	om_read_unlock(w->sys, &av->lock);
	anon_vma_put(w->sys, av);
}

void om_rmap_walk(struct om_system *sys, struct om_page *page, struct om_walk *w)
{
	struct target t;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	w->sys = sys;
	w->probed = 0;
	w->found = 0;
	om_count(sys, OM_EV_RMAP_WALKS, 1);
	for (;;) {
		look_at(sys, page, &t);
		if (t.mapcount == 0)
			break;
		if (!(t.flags & OM_PG_ANON)) {
			walk_file(w, &t);
			break;
		}
		if (!(t.flags & OM_PG_DIRECT)) {
			walk_shared(w, &t);
			break;
		}
		if (walk_direct(w, &t))
			break;
		om_count(sys, OM_EV_RMAP_RETRIES, 1);
	}
	om_count(sys, OM_EV_RMAP_PROBES, w->probed);
	om_count(sys, OM_EV_RMAP_FOUND, w->found);
}

size_t om_rmap_bytes(struct om_system *sys)
{
	struct om_slab *slab = &sys->slab[OM_CACHE_ANON_VMA];
	size_t frames;

	om_spin_lock(sys, &slab->lock, OM_RANK_SLAB);
	frames = slab->frames;
	om_spin_unlock(sys, &slab->lock);
	return frames << OM_PAGE_SHIFT;
}
