/*
 * cow_context.c: pages name an address space, and are looked for in it and in those below it; where
 * an area has gone by mremap is written down.
 *
 * Lorenzo Stoakes's draft of 2026, which is to replace the anon_vma chains of Linux:
 *
 *     object = context of the mm where the page is at home        index = linear index in its area
 *
 * A context is made with each mm, by fork as a child of the parent's. An anonymous area is numbered
 * by its addresses, so a page is mostly at the address that is its index. Where it is not, because
 * mremap has moved the area, or because it is a private one of a file and numbered by that, the
 * area has a remap record, in a tree of its context by index: made by mremap, by the first write to
 * the file's area, and by fork for the child's. Fork leaves the page at home with the parent; a
 * copy or reuse takes it home to who writes. So a walk begins at the home and goes down: in each mm
 * it looks at the address that is the index, and at the places that the records of this index tell.
 * An exclusive page is at home where its entry is, and looked for nowhere else.
 *
 * What is open in the draft, and how it ends here:
 *
 *   - Dead contexts pile up in a chain of forks and exits. Here a context counts the pages that
 *     are at home there, and one that has ended is taken out of the tree with its last page, its
 *     children taking its place. A walk that meets a page in another mm, its home having ended,
 *     moves it there. The first context of a family stays as long as that.
 *   - A page that swap-in brings back may be at home below others that map it, or moved there. So
 *     a walk that has not found all of mapcount below the home goes on above it. The tree is kept
 *     as the ring of its contexts in preorder: a child is behind its parent, what is below a
 *     context follows it at once, and whoever goes round the ring has seen all.
 *   - Areas, tables and mms must not go while a walk looks: each context has a readers-writer lock,
 *     which the walk holds for one look, or so many areas (om_probe_areas()), and a change of its
 *     records, a move, the freeing of tables and the end of its mm take for writing. Who has no
 *     records to change takes no lock. The ring's lock is held for a step. Visits happen under the
 *     table's lock, as in all designs here, and do not sleep.
 *   - Records survive when memory runs out, because each call allocates its own before it changes
 *     anything: there is one for each area that needs one (the draft: for each range), so a split
 *     allocates, too, and what cannot be changed without memory fails as a whole.
 *   - An exec that empties its mm and keeps it begins a family of its own.
 *
 * Numbers of files and of addresses are mixed in one context: that costs looks in vain, no more, as
 * an entry is compared with the page. Pages keep their numbers, so memory that was moved mostly
 * cannot merge at its new place, even if it was never forked.
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "cow_context",
    .object_bytes = {sizeof(struct om_anon_mm), sizeof(struct om_anon_vma)},
    .vma_bytes = sizeof(void *),
    .mm_bytes = sizeof(void *),
    .moves_shared = true,
    .moves_tables = true,
    .bounded = true,
};

#define OM_CACHE_RECORD (OM_CACHE_RMAP + 1)

/* ---------------------------------------------------------------- contexts ------------------ */

static struct om_anon_mm *context_of(struct om_kin *kin)
{
	return om_container(kin, struct om_anon_mm, kin);
}

/* The mm has no entry left, or never had one. */
static void leave_family(struct om_system *sys, struct om_anon_mm *context)
{
	om_write_lock(sys, &context->lock, OM_RANK_ANON);
	context->kin.mm = NULL;
	om_write_unlock(sys, &context->lock);
	om_kin_end(sys, &context->kin);
}

int om_cow_begin(struct om_mm *mm, struct om_mm *parent)
{
	struct om_kin *above = parent ? &parent->anon_mm->kin : NULL;
	struct om_kin *kin = om_kin_new(mm, above ? above->head : NULL, above);

	if (!kin)
		return -OM_ENOFRAME;
	mm->anon_mm = context_of(kin);
	return 0;
}

void om_cow_end(struct om_mm *mm)
{
	leave_family(mm->sys, mm->anon_mm);
}

void om_cow_start_anew(struct om_mm *mm)
{
	struct om_anon_mm *old = mm->anon_mm;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (!om_kin_is_alone(mm->sys, &old->kin) && !om_rmap_mm_init(mm, NULL))
		leave_family(mm->sys, old);
}

/* ---------------------------------------------------------------- pages --------------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));

	if (!page->mapcount)
		om_anon_page_own(sys, page, vma, table, pos);
	OM_BUG_ON(sys, page->index != index, "I4", page, page->index, index);
	return true;
}

/* ---------------------------------------------------------------- records ------------------- */

static struct om_vma *record_area(struct om_node *n)
{
	return om_container(n, struct om_anon_vma, node)->vma;
}

static uintptr_t record_key(const struct om_node *n)
{
	return om_container(n, struct om_anon_vma, node)->vma->pgoff;
}

static uintptr_t record_last(const struct om_node *n)
{
	const struct om_vma *vma = om_container(n, struct om_anon_vma, node)->vma;

	return vma->pgoff + om_vma_pages(vma) - 1;
}

static uintptr_t record_aug(struct om_node *n)
{
	return om_interval_aug(n, record_last(n));
}

static const struct om_interval_ops record_tree = {{record_key, record_aug}, record_last};

/* An area that is back where its numbers say keeps its record, but is found without it. */
static bool is_queued(const struct om_vma *vma)
{
	return vma && vma->anon_vma && vma->start != vma->end && om_cow_offset(vma);
}

static void enqueue(struct om_vma *vma)
{
	if (is_queued(vma))
		om_tree_insert(vma->mm->sys, &vma->mm->anon_mm->remaps, &vma->anon_vma->node,
		               &record_tree.tree);
}

static void dequeue(struct om_vma *vma)
{
	if (is_queued(vma))
		om_tree_remove(vma->mm->sys, &vma->mm->anon_mm->remaps, &vma->anon_vma->node,
		               &record_tree.tree);
}

static void lock_records(struct om_vma *vma)
{
	om_write_lock(vma->mm->sys, &vma->mm->anon_mm->lock, OM_RANK_ANON);
}

static void unlock_records(struct om_vma *vma)
{
	om_write_unlock(vma->mm->sys, &vma->mm->anon_mm->lock);
}

/* An area with anonymous pages has a record, or needs none. */
static bool has_record(const struct om_vma *vma)
{
	return vma->anon_vma || !om_cow_offset(vma);
}

static struct om_anon_vma *new_record(struct om_vma *vma)
{
	struct om_anon_vma *record = om_object_alloc(vma->mm->sys, OM_CACHE_RECORD);

	if (record)
		record->vma = vma;
	return record;
}

/* Threads that fault in one area may all come here. */
bool om_cow_record(struct om_vma *vma)
{
	struct om_anon_vma *record = new_record(vma);

	if (!record)
		return false;
	lock_records(vma);
	if (!vma->anon_vma) {
		__atomic_store_n(&vma->anon_vma, record, __ATOMIC_RELEASE);
		enqueue(vma);
		record = NULL;
	}
	unlock_records(vma);
	if (record)
		om_object_free(vma->mm->sys, OM_CACHE_RECORD, record);
	return true;
}

/* ---------------------------------------------------------------- areas --------------------- */

/* `to`, not linked yet, is where `from` is, or its child, or goes where that is to be moved. */
int om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from)
{
	om_rmap_vma_pretend(to, from);
	if (!om_vma_had_anon(to) || has_record(to))
		return 0;
	to->anon_vma = new_record(to);
	return to->anon_vma ? 0 : -OM_ENOFRAME;
}

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
	return om_rmap_vma_copy(child, parent);
}

void om_rmap_vma_pretend(struct om_vma *to, const struct om_vma *from)
{
	if (om_vma_had_anon(from))
		om_vma_mark_anon(to);
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	om_rmap_vma_pretend(vma, gone);
	if (!vma->anon_vma && gone->anon_vma) {
		vma->anon_vma = gone->anon_vma;
		vma->anon_vma->vma = vma;
		gone->anon_vma = NULL;
	}
	om_rmap_vma_drop(gone);
}

/* The numbers must fit, and the core sees to that. */
bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	(void)a;
	(void)b;
	return true;
}

void om_anon_link(struct om_vma *vma)
{
	if (!vma->anon_vma)
		return;
	lock_records(vma);
	enqueue(vma);
	unlock_records(vma);
}

void om_anon_unlink(struct om_vma *vma)
{
	if (!vma->anon_vma)
		return;
	lock_records(vma);
	dequeue(vma);
	unlock_records(vma);
	om_rmap_vma_drop(vma);
}

/* One that two areas have together is in the first at the end, by om_rmap_vma_absorb(). */
static bool have_records(const struct om_vma *vma, const struct om_vma *partner)
{
	return vma->anon_vma || (partner && partner->anon_vma);
}

void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	if (!have_records(vma, partner))
		return;
	lock_records(vma);
	dequeue(vma);
	if (partner)
		dequeue(partner);
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	if (!have_records(vma, partner))
		return;
	enqueue(vma);
	if (partner)
		enqueue(partner);
	unlock_records(vma);
}

void om_anon_move_begin(struct om_vma *vma)
{
	lock_records(vma);
}

void om_anon_move_end(struct om_vma *vma)
{
	unlock_records(vma);
}

/* ---------------------------------------------------------------- walking ------------------- */

/* The address that is the index, if it is one. */
static bool look_unmoved(struct om_walk *w, const struct om_target *t, struct om_mm *mm)
{
	if (t->index > (OM_VA_LIMIT - 1) >> OM_PAGE_SHIFT)
		return true;
	return om_probe(w, t, mm, NULL, t->index << OM_PAGE_SHIFT);
}

/* Look into one mm, if it *lives. False: the walk is over. */
static bool look_into(struct om_walk *w, const struct om_target *t, struct om_kin *kin, bool *lives)
{
	struct om_anon_mm *context = context_of(kin);
	const struct om_areas remaps = {&record_tree, &context->remaps, &context->lock,
	                                OM_RANK_ANON, record_area};
	bool go, more;

	om_read_lock(w->sys, &context->lock, OM_RANK_ANON);
	*lives = kin->mm;
	go = !*lives || look_unmoved(w, t, kin->mm);
	more = context->remaps;
	om_note_hold(w->sys, 1);
	om_read_unlock(w->sys, &context->lock);
	return go && (!more || om_probe_areas(w, t, &remaps));
}

static void walk_one(struct om_walk *w, const struct om_target *t)
{
	bool lives;

	look_into(w, t, t->object, &lives);
}

static OM_NOINLINE void walk_all(struct om_walk *w, const struct om_target *t)
{
	struct om_kin *home = t->object, *kin = home;
	bool go, lives, home_lives = true;

	do {
		unsigned found = w->found;

		go = look_into(w, t, kin, &lives);
		if (kin == home)
			home_lives = lives;
		if (om_unlikely(!home_lives) && w->found != found)
			om_kin_move_home(w->sys, t, kin);
		if (go)
			kin = om_kin_next(w->sys, kin, home);
	} while (go && kin);
	if (kin && kin != home)
		om_kin_put(w->sys, kin);
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	om_kin_walk(w, page, walk_one, walk_all);
}

/* ---------------------------------------------------------------- checking ------------------ */

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	struct om_anon_mm *context = mm->anon_mm;

	om_kin_check(c, mm, &context->kin);
	if (atomic_load(&context->lock.state))
		c->fail(c, "rest", context, atomic_load(&context->lock.state), 0);
	c->in_trees += c->tree(c, context->remaps, &record_tree.tree, context);
}

static bool is_found(struct om_system *sys, const struct om_vma *vma)
{
	const struct om_node *node = &vma->anon_vma->node, *n;
	struct om_interval_iter it;

	n = om_interval_first(&it, sys, vma->mm->anon_mm->remaps, &record_tree, record_key(node),
	                      record_last(node));
	while (n && n != node)
		n = om_interval_next(&it);
	return n;
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	if (om_vma_had_anon(vma) && !has_record(vma))
		c->fail(c, "I4", vma, vma->start, vma->pgoff);
	if (!vma->anon_vma)
		return;
	c->objects[1]++;
	c->queued += is_queued(vma);
	if (vma->anon_vma->vma != vma || (is_queued(vma) && !is_found(c->sys, vma)))
		c->fail(c, "I4", vma, vma->start, vma->pgoff);
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	const char *rule = om_page_test(page, OM_PG_DIRECT) ? "I2" : "I4";
	uintptr_t index = om_vma_index(vma, om_table_addr(table, pos));

	if (page->index != index)
		c->fail(c, rule, page, page->index, index);
	if (!om_kin_is_home(&vma->mm->anon_mm->kin, page))
		c->fail(c, rule, page, (uintptr_t)page->object, (uintptr_t)vma->mm->anon_mm);
}
