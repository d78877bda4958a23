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
#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- pages --------------------- */

bool om_rmap_file_add(struct om_system *sys, struct om_page *page, struct om_vma *vma)
{
	bool room;

	om_frame_lock(sys, page);
	OM_ASSERT(sys, !om_page_test(page, OM_PG_ANON), "I1", page);
	room = page->mapcount < OM_MAPCOUNT_MAX;
	if (room) {
		if (!page->mapcount++)
			om_count_mapped(sys, OM_MAPPED_FILE, 1);
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

void om_rmap_anon_unmapped(struct om_system *sys, struct om_page *page)
{
	page->object = NULL;
	om_count_mapped(sys, OM_MAPPED_ANON, -1);
	if (!(om_page_clear(page, OM_PG_DIRECT) & OM_PG_DIRECT))
		om_count_mapped(sys, OM_MAPPED_SHARED, -1);
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
	if (!page->mapcount++) {
		om_count_mapped(sys, OM_MAPPED_ANON, 1);
		om_count_mapped(sys, OM_MAPPED_SHARED, !direct);
	}
	if (om_vma_flags(vma) & OM_VM_LOCKED)
		om_page_mlock(sys, page);
	om_frame_unlock(sys, page);
	return direct;
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
	if (av)
		atomic_fetch_or_explicit(&child->anon, OM_VMA_INHERITED, memory_order_relaxed);
	return 0;
}

void om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	to->anon_vma = from->anon_vma;
	atomic_fetch_or_explicit(&to->anon, om_vma_anon(from), memory_order_relaxed);
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

/* As well as lock_trees(): not while somebody goes through all areas of the file. */
static void lock_shape(struct om_system *sys, struct om_mapping *mapping, struct om_anon_vma *av)
{
	if (mapping)
		om_rwsem_read(sys, &mapping->shape, OM_RANK_SHAPE);
	lock_trees(sys, mapping, av);
}

static void unlock_shape(struct om_system *sys, struct om_mapping *mapping, struct om_anon_vma *av)
{
	unlock_trees(sys, mapping, av);
	if (mapping)
		om_rwsem_read_done(sys, &mapping->shape);
}

void om_rmap_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	lock_shape(vma->mm->sys, vma->mapping, common_anon_vma(vma, partner));
	dequeue(vma);
	if (partner && partner->start != partner->end)
		dequeue(partner);
}

void om_rmap_change_end(struct om_vma *vma, struct om_vma *partner)
{
	enqueue(vma);
	if (partner && partner->start != partner->end)
		enqueue(partner);
	unlock_shape(vma->mm->sys, vma->mapping, common_anon_vma(vma, partner));
}

void om_rmap_move_begin(struct om_vma *vma)
{
	lock_shape(vma->mm->sys, vma->mapping, vma->anon_vma);
}

void om_rmap_move_end(struct om_vma *vma)
{
	unlock_shape(vma->mm->sys, vma->mapping, vma->anon_vma);
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

	if (!om_pte_present(pte) || om_pte_pfn(pte) != om_page_pfn(w->sys, t->page))
		return true;
	w->found++;
	return w->visit(w, t->page, vma, table, pos) == OM_WALK_GO && w->found < t->mapcount;
}

static bool probe_linear(struct om_walk *w, const struct target *t, struct om_vma *vma)
{
	uintptr_t addr = vma->start + ((t->index - vma->pgoff) << OM_PAGE_SHIFT);
	struct om_page *table = om_table_find(vma->mm, addr);
	unsigned pos = om_table_pos(addr);
	bool go;

	if (!table)
		return true;
	w->probed++;
	/* Not before the lock: who took the entry flushes before releasing it (I9, hazard 14). */
	om_table_lock(w->sys, table);
	go = probe(w, t, vma, table, pos);
	om_table_unlock(w->sys, table);
	return go;
}

/* A tree of areas, and the lock it is under. */
struct areas {
	const struct om_interval_ops *ops;
	struct om_node *const *root;
	struct om_rwspin *lock;
	enum om_rank rank;
};

static struct om_vma *area_of(const struct om_interval_ops *ops, struct om_node *n)
{
	return ops == &om_file_tree ? om_container(n, struct om_vma, by_file)
	                            : om_container(n, struct om_vma, by_anon);
}

/* Look into as many areas as one hold of the lock is for. False: the walk is over. */
static bool walk_hold(struct om_walk *w, const struct target *t, const struct areas *a,
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
		go = probe_linear(w, t, area_of(a->ops, n));
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

static OM_NOINLINE bool walk_areas(struct om_walk *w, const struct target *t, const struct areas *a)
{
	struct om_cursor c = {0};
	bool go;

	do
		go = walk_hold(w, t, a, &c);
	while (go && !c.done);
	return go;
}

static OM_NOINLINE void walk_shared(struct om_walk *w, const struct target *t)
{
	struct om_anon_vma *av = t->object;

	walk_areas(w, t, &(struct areas){&om_anon_tree, &av->root, &av->lock, OM_RANK_ANON});
	anon_vma_put(w->sys, av);
}

struct probing {
	struct om_walk *w;
	const struct target *t;
};

static bool probe_part(void *arg, const struct om_part *p)
{
	const struct probing *v = arg;
	struct om_system *sys = v->w->sys;
	bool go = true;

	om_table_lock(sys, p->table);
	for (uintptr_t a = p->start; go && a < p->end; a += OM_PAGE_SIZE) {
		v->w->probed++;
		go = probe(v->w, v->t, p->vma, p->table, om_table_pos(a));
	}
	om_table_unlock(sys, p->table);
	return go;
}

/* All nonlinear areas, or what the window shows of them. Only shared memory has them. */
static void walk_nonlinear(struct om_walk *w, const struct target *t)
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

static OM_NOINLINE void walk_file(struct om_walk *w, const struct target *t)
{
	struct om_mapping *mapping = t->object;
	const struct areas a = {&om_file_tree, &mapping->i_mmap, &mapping->lock, OM_RANK_MAPPING};

	if (walk_areas(w, t, &a) && om_mapping_is_shmem(mapping))
		walk_nonlinear(w, t);
}

static void walk(struct om_walk *w, struct om_page *page)
{
	struct om_system *sys = w->sys;
	struct target t;

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
}

void om_rmap_walk(struct om_system *sys, struct om_page *page, struct om_walk *w)
{
	struct om_mapping *mapping = NULL;

	OM_ASSERT(sys, om_page_test(page, OM_PG_LOCKED), "page lock", page);
	w->sys = sys;
	w->probed = 0;
	w->found = 0;
	om_count(sys, OM_EV_RMAP_WALKS, 1);
	/* The page lock keeps the page in its file, or out of any. */
	if (w->complete && !om_page_test(page, OM_PG_ANON))
		mapping = om_rmap_object(page);
	if (mapping)
		om_rwsem_write(sys, &mapping->shape, OM_RANK_SHAPE);
	walk(w, page);
	if (mapping)
		om_rwsem_write_done(sys, &mapping->shape);
	om_count(sys, OM_EV_RMAP_PROBES, w->probed);
	om_count(sys, OM_EV_RMAP_FOUND, w->found);
}

/* While others count, a sum may be a few pages off, to either side. */
static om_pfn_t clamp(uint64_t sum)
{
	return (int64_t)sum < 0 ? 0 : (om_pfn_t)sum;
}

/*
 * Faults and forks count their new pages and those that change their kind anyway, as events. So the
 * paths that run for every page count nothing for this.
 */
void om_rmap_mapped(struct om_system *sys, struct om_mapped_pages *mapped)
{
	uint64_t anon = 0, shared = 0, file = 0;

	for (unsigned i = 0; i < OM_NR_CPU_SHARDS; i++) {
		struct om_shard *s = &sys->shard[i];

		anon += s->event[OM_EV_FAULT_ANON] + s->event[OM_EV_FAULT_COW] +
		        s->event[OM_EV_FORK_COPY] + s->mapped[OM_MAPPED_ANON];
		shared += s->event[OM_EV_DIRECT_TO_SHARED] - s->event[OM_EV_SHARED_TO_DIRECT] +
		          s->mapped[OM_MAPPED_SHARED];
		file += s->mapped[OM_MAPPED_FILE];
	}
	mapped->direct = clamp(anon - shared);
	mapped->shared = clamp(shared);
	mapped->file = clamp(file);
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
