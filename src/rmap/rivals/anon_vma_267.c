/*
 * anon_vma_267.c: anon_vma as it was merged in Linux 2.6.7 (Andrea Arcangeli, Hugh Dickins, 2004).
 *
 * A mapped anonymous page, shared or not, names an anon_vma and its linear index. The anon_vma has
 * a list of areas; the page can be mapped in each that covers the index, at one address. So:
 *
 *     first fault   the area gets an anon_vma: that of a neighbour with which it could be one area,
 *                   or a new one. Two threads may be at it; who comes second takes the first one's
 *     fork          the child's area is put on the list: nothing is allocated, no page changes
 *     split, move   the new area is put on the list, and keeps the numbers
 *     merge         if both have one anon_vma, or one has none, and the numbers fit
 *     last area     leaves the list, and frees the anon_vma: no mapped page names it now (I4)
 *
 * All areas of a lineage have one anon_vma for ever, so a page never changes its own: it is found
 * there after all others that shared it have gone, too. That is what a walk pays for: it goes
 * through the whole list, with the lock, which spins, held: every area of every process of the
 * family, and each piece that mprotect() has cut, also for a page of one process alone. With a
 * thousand children that write a thousand pages each, a million pages have to be looked for in a
 * thousand areas (AIM7, 2010).
 *
 * 2.6.7 kept the anon_vma alive during a walk by a lock in the page that was held all the time;
 * its successors count references, as is done here.
 *
 * vma->anon_vma is set once, with the anon_vma's lock held and mmap_lock for reading; else (M).
 */
#include "base/part.h"
#include "rmap/rivals/area_list.h"
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "anon_vma_267",
    .object_bytes = {sizeof(struct om_anon_vma)},
    .vma_bytes = 3 * sizeof(void *), /* anon_vma; next and previous */
    .moves_shared = true,
    .moves_tables = true,
    /*
     * Not shares_tables: no page would need a look, but a walk would come to the table once for
     * each owner.
     */
};

/* ---------------------------------------------------------------- the list ------------------ */

static void lock(struct om_system *sys, struct om_anon_vma *av)
{
	om_spin_lock(sys, &av->lock, OM_RANK_ANON);
}

static void unlock(struct om_system *sys, struct om_anon_vma *av)
{
	om_spin_unlock(sys, &av->lock);
}

static void anon_vma_put(struct om_system *sys, struct om_anon_vma *av)
{
	if (atomic_fetch_sub_explicit(&av->refs, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_RMAP, av);
}

/* ---------------------------------------------------------------- the first fault ----------- */

/* A neighbour's anon_vma lives as long as that is listed, and mmap_lock keeps it where it is. */
static struct om_anon_vma *find_mergeable(const struct om_vma *vma)
{
	const struct om_vma *next = om_area_behind(vma), *prev = om_area_before(vma);
	struct om_anon_vma *av = om_could_be_one(vma, next) ? om_anon_vma_of(next) : NULL;

	return av || !om_could_be_one(prev, vma) ? av : om_anon_vma_of(prev);
}

static struct om_anon_vma *new_anon_vma(struct om_system *sys)
{
	struct om_anon_vma *av = om_object_alloc(sys, OM_CACHE_RMAP);

	if (av)
		atomic_init(&av->refs, 1);
	return av;
}

bool om_anon_vma_make(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *found = find_mergeable(vma), *av = found ? found : new_anon_vma(sys);
	bool published;

	OM_ASSERT(sys, om_mm_is_locked(vma->mm), "mmap_lock", vma);
	if (!av)
		return false;
	lock(sys, av);
	published = om_anon_vma_publish(vma, av);
	if (published)
		om_area_list_add(&av->first, vma);
	unlock(sys, av);
	if (!published && !found)
		anon_vma_put(sys, av); /* nobody has seen it */
	return true;
}

/* ---------------------------------------------------------------- pages --------------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	OM_BUG_ON(sys, !om_anon_vma_of(vma), "I4", page, vma->start, pos);
	om_anon_page_own(sys, page, vma, table, pos);
	return true;
}

/* ---------------------------------------------------------------- areas --------------------- */

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	OM_ASSERT(parent->mm->sys, om_rwsem_is_write_locked(&parent->mm->own.mmap_lock),
	          "mmap_lock", parent);
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
	atomic_fetch_or_explicit(&to->anon, om_vma_anon(from), memory_order_relaxed);
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	om_rmap_vma_pretend(vma, vma->anon_vma ? vma : gone);
	if (om_vma_had_anon(gone))
		om_vma_mark_anon(vma);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	return !a->anon_vma || !b->anon_vma || a->anon_vma == b->anon_vma;
}

void om_anon_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;

	if (!av)
		return;
	lock(sys, av);
	om_area_list_add(&av->first, vma);
	unlock(sys, av);
}

void om_anon_unlink(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_anon_vma *av = vma->anon_vma;
	bool last;

	if (!av)
		return;
	lock(sys, av);
	om_area_list_del(&av->first, vma);
	last = !av->first;
	unlock(sys, av);
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
	lock(vma->mm->sys, av);
	if (om_is_member(vma))
		om_area_list_del(&av->first, vma);
	if (om_is_member(partner))
		om_area_list_del(&av->first, partner);
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	struct om_anon_vma *av = om_common_anon_vma(vma, partner);

	if (!av)
		return;
	if (om_is_member(vma))
		om_area_list_add(&av->first, vma);
	if (om_is_member(partner))
		om_area_list_add(&av->first, partner);
	unlock(vma->mm->sys, av);
}

void om_anon_move_begin(struct om_vma *vma)
{
	if (vma->anon_vma)
		lock(vma->mm->sys, vma->anon_vma);
}

void om_anon_move_end(struct om_vma *vma)
{
	if (vma->anon_vma)
		unlock(vma->mm->sys, vma->anon_vma);
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
		atomic_fetch_add_explicit(&av->refs, 1, memory_order_relaxed);
	}
	om_frame_unlock(sys, page);
	return av;
}

/* False: the walk is over. */
static bool probe_area(struct om_walk *w, const struct om_target *t, struct om_vma *vma)
{
	uintptr_t at = t->index - vma->pgoff; /* a large number if it lies below */

	return at >= om_vma_pages(vma) ||
	       om_probe(w, t, vma->mm, vma, vma->start + (at << OM_PAGE_SHIFT));
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	struct om_system *sys = w->sys;
	struct om_target t;
	struct om_anon_vma *av = look_at(sys, page, &t);
	unsigned looked = 0;
	bool go = true;

	if (!av)
		return;
	lock(sys, av);
	for (struct om_node *n = av->first; n && go; n = n->right) {
		looked++;
		go = probe_area(w, &t, om_area_in_list(n));
	}
	om_note_hold(sys, looked);
	unlock(sys, av);
	anon_vma_put(sys, av);
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	(void)c;
	(void)mm;
}

/* Looked at once, when its first area is met. All areas in the list say that they are in it. */
static void check_anon_vma(struct om_anon_check *c, struct om_anon_vma *av)
{
	struct om_node *prev = NULL;

	c->objects[0]++;
	if (atomic_load(&av->refs) != 1)
		c->fail(c, "I4", av, atomic_load(&av->refs), 1);
	if (atomic_load(&av->lock.state))
		c->fail(c, "rest", av, atomic_load(&av->lock.state), 0);
	for (struct om_node *n = av->first; n; prev = n, n = n->right) {
		c->in_trees++;
		if (n->left != prev || om_area_in_list(n)->anon_vma != av) {
			c->fail(c, "I4", av, (uintptr_t)om_area_in_list(n),
			        (uintptr_t)om_area_in_list(n)->anon_vma);
			return; /* it might be a circle */
		}
	}
}

/* Each list holds areas of its anon_vma only, and all lists together as many as there are. */
void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	struct om_anon_vma *av = vma->anon_vma;
	struct om_node *n = &vma->by_anon;

	if (!av) {
		if (om_vma_had_anon(vma))
			c->fail(c, "I4", vma, vma->start, om_vma_anon(vma));
		return;
	}
	c->queued++;
	if (om_vma_flags(vma) & OM_VM_SHARED)
		c->fail(c, "I4", vma, vma->start, om_vma_flags(vma));
	if ((n->left ? n->left->right : av->first) != n)
		c->fail(c, "I4", vma, vma->start, (uintptr_t)av);
	if (av->first == n)
		check_anon_vma(c, av);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	const char *rule = om_page_test(page, OM_PG_DIRECT) ? "I2" : "I4";

	if (!vma->anon_vma || page->object != vma->anon_vma ||
	    page->index != om_vma_index(vma, om_table_addr(table, pos)))
		c->fail(c, rule, page, (uintptr_t)page->object, page->index);
}
