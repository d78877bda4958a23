/*
 * anon_vma_chain.c: anon_vmas in chains, the design of Linux from 2.6.34 on (Rik van Riel, 2010),
 * with one lock for each family (2010), interval trees (Michel Lespinasse, 2012), and reuse (Daniel
 * Forrest, Konstantin Khlebnikov, 2015; with two counters instead of one, Jann Horn, 2022).
 *
 * A mapped anonymous page names an anon_vma and its linear index. Each area has an anon_vma of its
 * own for the pages it gets, and is in the trees of all its ancestors' as well, because it may map
 * what they had. Chain objects link the two:
 *
 *     area  ->  chain  ->  chain  ->  chain        from the newest anon_vma to the root
 *                 |          |          |
 *               own        parent's   root         each has a tree of chains, by their areas' index
 *
 *     first fault   two objects, the root and its chain; or a chain to a neighbour's, see below
 *     fork          a chain for each one of the parent's, and mostly an anon_vma and its chain
 *     split, move   a chain for each one that the area has
 *     merge         if both have one anon_vma; or one has none, and the other one's was not
 *                   inherited: else a child's neighbours would get into its ancestors' trees
 *
 * A page is looked for in the tree of what it names: an area's descendants, and nobody else. Which
 * is the area that got the page; the root, if it comes from swap, and others have the slot (any of
 * them may come for it); and when a write fault finds that it is exclusive, the area it is in. So
 * the page of a child that is one of a thousand takes one look, and a page of the parent's, that
 * the children have long replaced, a thousand.
 *
 * In a line of processes that fork and die each generation would add an anon_vma, and a chain for
 * it in each area that follows. So a child takes, instead of a new one, the oldest in its chain in
 * which no area is active any more, with one child at most. So there are about twice as many
 * anon_vmas as areas at most, whatever the generation. A line that lives on, n deep, has n^2 / 2
 * chains.
 *
 * All trees of a family, and the numbers in it, are under the root's lock. Walks take it for
 * reading, and let others in now and then (probe.h); fork and unlink hold it while they go through
 * a chain, which is as long as the family is deep.
 *
 * An anon_vma is freed with its last area, whose chain leads to the parent, too: parents live
 * longer. A walk holds a reference, and all others of a family hold one on the root, because of its
 * lock.
 *
 * vma->anon_vma and the newest chain are set once by a fault, with the root's lock held and
 * mmap_lock for reading; else (M).
 */
#include "base/part.h"
#include "rmap/rmap.h"

#define CACHE_ANON_VMA OM_CACHE_RMAP
#define CACHE_CHAIN    ((enum om_cache)(OM_CACHE_RMAP + 1))

const struct om_rmap_traits om_rmap_traits = {
    .name = "anon_vma_chain",
    .object_bytes = {sizeof(struct om_anon_vma), sizeof(struct om_chain)},
    .vma_bytes = 2 * sizeof(void *), /* anon_vma, and the newest chain */
    .moves_shared = true,
    .moves_tables = true,
    /* Not bounded, because of the chains, and not shares_tables, as in anon_vma_267.c. */
};

/* ---------------------------------------------------------------- trees --------------------- */

static uintptr_t chain_key(const struct om_node *n)
{
	return om_chain_of(n)->vma->pgoff;
}

static uintptr_t chain_last(const struct om_node *n)
{
	const struct om_vma *vma = om_chain_of(n)->vma;

	return vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t chain_aug(struct om_node *n)
{
	return om_interval_aug(n, chain_last(n));
}

const struct om_interval_ops om_chain_tree = {{chain_key, chain_aug}, chain_last};

static struct om_vma *chain_area(struct om_node *n)
{
	return om_chain_of(n)->vma;
}

static void lock_family(struct om_system *sys, struct om_anon_vma *av)
{
	om_write_lock(sys, &av->root->lock, OM_RANK_ANON);
}

static void unlock_family(struct om_system *sys, struct om_anon_vma *av)
{
	om_write_unlock(sys, &av->root->lock);
}

/* ---------------------------------------------------------------- an area's chains ---------- */

static void set_newest(struct om_vma *vma, struct om_chain *c)
{
	__atomic_store_n(&vma->by_anon.left, c ? &c->by_index : NULL, __ATOMIC_RELEASE);
}

/* One chain, to a root: the area is nobody's child. */
static bool is_singular(const struct om_vma *vma)
{
	const struct om_chain *c = om_newest_chain(vma);

	return c && !c->older;
}

static struct om_chain *new_chain(struct om_system *sys, struct om_vma *vma, struct om_anon_vma *av)
{
	struct om_chain *c = om_object_alloc(sys, CACHE_CHAIN);

	if (!c)
		return NULL;
	c->vma = vma;
	c->anon_vma = av;
	return c;
}

/* Of an area that is in no tree. */
static void free_chains(struct om_vma *vma)
{
	struct om_chain *older;

	for (struct om_chain *c = om_newest_chain(vma); c; c = older) {
		older = c->older;
		om_object_free(vma->mm->sys, CACHE_CHAIN, c);
	}
	set_newest(vma, NULL);
}

/* Chains to what `from` is linked to, in that order, not in the trees yet. False: nothing done. */
static bool clone_chains(struct om_vma *to, const struct om_vma *from)
{
	struct om_chain *last = NULL;

	for (const struct om_chain *c = om_newest_chain(from); c; c = c->older) {
		struct om_chain *copy = new_chain(to->mm->sys, to, c->anon_vma);

		if (!copy) {
			free_chains(to);
			return false;
		}
		if (last)
			last->older = copy;
		else
			set_newest(to, copy);
		last = copy;
	}
	return true;
}

static void enqueue(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	unsigned n = 0;

	for (struct om_chain *c = om_newest_chain(vma); c; c = c->older, n++)
		om_tree_insert(sys, &c->anon_vma->areas, &c->by_index, &om_chain_tree.tree);
	om_note_hold(sys, n);
}

static void dequeue(struct om_vma *vma)
{
	for (struct om_chain *c = om_newest_chain(vma); c; c = c->older)
		om_tree_remove(vma->mm->sys, &c->anon_vma->areas, &c->by_index,
		               &om_chain_tree.tree);
}

/* ---------------------------------------------------------------- anon_vmas ----------------- */

static struct om_anon_vma *new_anon_vma(struct om_system *sys)
{
	struct om_anon_vma *av = om_object_alloc(sys, CACHE_ANON_VMA);

	if (!av)
		return NULL;
	atomic_init(&av->refs, 1);
	av->root = av->parent = av;
	av->num_children = 1;
	return av;
}

static void anon_vma_get(struct om_anon_vma *av)
{
	atomic_fetch_add_explicit(&av->refs, 1, memory_order_relaxed);
}

static void anon_vma_put(struct om_system *sys, struct om_anon_vma *av)
{
	while (atomic_fetch_sub_explicit(&av->refs, 1, memory_order_acq_rel) == 1) {
		struct om_anon_vma *root = av->root;

		om_object_free(sys, CACHE_ANON_VMA, av);
		if (root == av)
			return;
		av = root;
	}
}

/* ---------------------------------------------------------------- the first fault ----------- */

static struct om_anon_vma *lent_by(const struct om_vma *vma)
{
	return is_singular(vma) ? om_anon_vma_of(vma) : NULL;
}

/* A neighbour's anon_vma lives as long as that is queued, and mmap_lock keeps it where it is. */
static struct om_anon_vma *find_mergeable(const struct om_vma *vma)
{
	const struct om_vma *next = om_area_behind(vma), *prev = om_area_before(vma);
	struct om_anon_vma *av = om_could_be_one(vma, next) ? lent_by(next) : NULL;

	return av || !om_could_be_one(prev, vma) ? av : lent_by(prev);
}

/* False: another thread was faster. */
static bool publish(struct om_vma *vma, struct om_anon_vma *av, struct om_chain *c)
{
	struct om_system *sys = vma->mm->sys;
	bool first;

	lock_family(sys, av);
	first = om_anon_vma_publish(vma, av);
	if (first) {
		set_newest(vma, c);
		enqueue(vma);
		av->num_active++;
	}
	unlock_family(sys, av);
	return first;
}

bool om_anon_vma_make(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *found = find_mergeable(vma), *av = found ? found : new_anon_vma(sys);
	struct om_chain *c = av ? new_chain(sys, vma, av) : NULL;
	bool published = c && publish(vma, av, c);

	OM_ASSERT(sys, om_mm_is_locked(vma->mm), "mmap_lock", vma);
	if (published)
		return true;
	if (c)
		om_object_free(sys, CACHE_CHAIN, c);
	if (av && !found)
		anon_vma_put(sys, av); /* nobody has seen it */
	return c;
}

/* ---------------------------------------------------------------- pages --------------------- */

/*
 * Others may have the slot, too, and come for the page: from anywhere in the family, so the page
 * belongs to the root. If it is mapped by one of these, it names what all of them are in.
 */
bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	struct om_anon_vma *av = om_anon_vma_of(vma);

	OM_BUG_ON(sys, !av, "I4", page, vma->start, pos);
	if (!page->object) {
		page->object = av->root;
		page->index = om_vma_index(vma, om_table_addr(table, pos));
	}
	return true;
}

/* ---------------------------------------------------------------- areas --------------------- */

static void mark_as(struct om_vma *to, const struct om_vma *from)
{
	atomic_fetch_or_explicit(&to->anon, om_vma_anon(from), memory_order_relaxed);
}

/* The oldest anon_vma that has lost its areas, but for descendants of one child at most. */
static struct om_anon_vma *reusable(const struct om_vma *vma)
{
	struct om_anon_vma *oldest = NULL;

	for (const struct om_chain *c = om_newest_chain(vma); c; c = c->older)
		if (c->anon_vma->num_active == 0 && c->anon_vma->num_children <= 1)
			oldest = c->anon_vma;
	return oldest;
}

/* It must not be reused twice: counted under the lock under which it was found. */
static bool reuse_anon_vma(struct om_vma *child, const struct om_vma *parent)
{
	struct om_system *sys = parent->mm->sys;

	lock_family(sys, parent->anon_vma);
	child->anon_vma = reusable(parent);
	if (child->anon_vma)
		child->anon_vma->num_active++;
	unlock_family(sys, parent->anon_vma);
	return child->anon_vma;
}

static bool add_anon_vma(struct om_vma *child, const struct om_vma *parent)
{
	struct om_system *sys = parent->mm->sys;
	struct om_anon_vma *av = new_anon_vma(sys);
	struct om_chain *c = av ? new_chain(sys, child, av) : NULL;

	if (!c) {
		if (av)
			anon_vma_put(sys, av);
		return false;
	}
	c->older = om_newest_chain(child);
	set_newest(child, c);
	av->parent = parent->anon_vma;
	av->root = av->parent->root;
	av->num_children = 0;
	av->num_active = 1;
	anon_vma_get(av->root);
	lock_family(sys, av);
	av->parent->num_children++;
	unlock_family(sys, av);
	child->anon_vma = av;
	return true;
}

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	OM_ASSERT(parent->mm->sys, om_rwsem_is_write_locked(&parent->mm->own.mmap_lock),
	          "mmap_lock", parent);
	mark_as(child, parent);
	if (!parent->anon_vma)
		return 0;
	if (!clone_chains(child, parent))
		return -OM_ENOFRAME;
	if (!reuse_anon_vma(child, parent) && !add_anon_vma(child, parent)) {
		free_chains(child);
		return -OM_ENOFRAME;
	}
	return 0;
}

int om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	struct om_system *sys = from->mm->sys;

	mark_as(to, from);
	if (!from->anon_vma)
		return 0;
	if (!clone_chains(to, from))
		return -OM_ENOFRAME;
	to->anon_vma = from->anon_vma;
	lock_family(sys, to->anon_vma);
	to->anon_vma->num_active++;
	unlock_family(sys, to->anon_vma);
	return 0;
}

void om_anon_chains_drop(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;

	if (!av)
		return;
	lock_family(sys, av);
	av->num_active--;
	unlock_family(sys, av);
	free_chains(vma);
	vma->anon_vma = NULL;
}

void om_rmap_vma_pretend(struct om_vma *to, const struct om_vma *from)
{
	mark_as(to, from);
	to->anon_vma = from->anon_vma;
	set_newest(to, om_newest_chain(from));
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	if (a->anon_vma == b->anon_vma)
		return true;
	if (a->anon_vma && b->anon_vma)
		return false;
	return is_singular(a->anon_vma ? a : b);
}

/* Two areas of one mm that have one anon_vma have equal chains: one came from the other. */
static void free_equal_chains(struct om_vma *vma, struct om_vma *gone)
{
	const struct om_chain *c = om_newest_chain(vma), *d = om_newest_chain(gone);

	for (; c && d && c->anon_vma == d->anon_vma; c = c->older)
		d = d->older;
	OM_BUG_ON(vma->mm->sys, c || d, "I4", vma, vma->start, (uintptr_t)vma->anon_vma);
	gone->anon_vma->num_active--;
	free_chains(gone);
}

static void take_chains(struct om_vma *vma, struct om_vma *gone)
{
	for (struct om_chain *c = om_newest_chain(gone); c; c = c->older)
		c->vma = vma;
	set_newest(vma, om_newest_chain(gone));
	set_newest(gone, NULL);
	vma->anon_vma = gone->anon_vma;
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	mark_as(vma, gone);
	if (!gone->anon_vma)
		return;
	if (vma->anon_vma)
		free_equal_chains(vma, gone);
	else
		take_chains(vma, gone);
	gone->anon_vma = NULL;
}

void om_anon_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;

	if (!vma->anon_vma)
		return;
	lock_family(sys, vma->anon_vma);
	enqueue(vma);
	unlock_family(sys, vma->anon_vma);
}

/* Returns the chains to those that have no area left, the oldest first. */
static struct om_chain *leave_trees(struct om_vma *vma)
{
	struct om_chain *empty = NULL, *older;

	dequeue(vma);
	for (struct om_chain *c = om_newest_chain(vma); c; c = older) {
		older = c->older;
		if (c->anon_vma->areas) {
			om_object_free(vma->mm->sys, CACHE_CHAIN, c);
			continue;
		}
		c->anon_vma->parent->num_children--;
		c->older = empty;
		empty = c;
	}
	set_newest(vma, NULL);
	return empty;
}

void om_anon_unlink(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma, *root;
	struct om_chain *empty, *next;

	if (!av)
		return;
	root = av->root;
	lock_family(sys, root);
	av->num_active--;
	empty = leave_trees(vma);
	unlock_family(sys, root);
	/* I4: no area left, so no mapped page can point here. A walk may still hold a reference. */
	for (; empty; empty = next) {
		next = empty->older;
		OM_BUG_ON(sys, empty->anon_vma->num_children || empty->anon_vma->num_active, "I4",
		          empty->anon_vma, empty->anon_vma->num_children,
		          empty->anon_vma->num_active);
		anon_vma_put(sys, empty->anon_vma);
		om_object_free(sys, CACHE_CHAIN, empty);
	}
	vma->anon_vma = NULL;
}

/* ---------------------------------------------------------------- changes ------------------- */

void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!av)
		return;
	lock_family(vma->mm->sys, av);
	if (om_is_member(vma))
		dequeue(vma);
	if (om_is_member(partner))
		dequeue(partner);
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!av)
		return;
	if (om_is_member(vma))
		enqueue(vma);
	if (om_is_member(partner))
		enqueue(partner);
	unlock_family(vma->mm->sys, av);
}

void om_anon_move_begin(struct om_vma *vma)
{
	if (vma->anon_vma)
		lock_family(vma->mm->sys, vma->anon_vma);
}

void om_anon_move_end(struct om_vma *vma)
{
	if (vma->anon_vma)
		unlock_family(vma->mm->sys, vma->anon_vma);
}

/* ---------------------------------------------------------------- walking ------------------- */

/* The page's anon_vma gets a reference (I4 says it is alive). */
static struct om_anon_vma *look_at(struct om_system *sys, struct om_page *page, struct om_target *t)
{
	struct om_anon_vma *av = NULL;

	om_frame_lock(sys, page);
	om_target_set(t, page);
	if (t->mapcount) {
		av = t->object;
		anon_vma_get(av);
	}
	om_frame_unlock(sys, page);
	return av;
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	struct om_target t;
	struct om_anon_vma *av = look_at(w->sys, page, &t);

	if (!av)
		return;
	om_probe_areas(w, &t,
	               &(struct om_areas){&om_chain_tree, &av->areas, &av->root->lock, OM_RANK_ANON,
	                                  chain_area});
	anon_vma_put(w->sys, av);
}
