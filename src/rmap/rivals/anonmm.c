/*
 * anonmm.c: pages name an address space, and are looked for in its relatives at one address.
 *
 * Hugh Dickins posted it in March 2004, against the anon_vma. Fork leaves a page at the address
 * where it was, so there is one address for all who share it:
 *
 *     object = om_anon_mm of the mm where the page is at home     index = number of the virtual page
 *
 * An om_anon_mm is made with each mm: by exec, as the head of a new family, or by fork, at the end
 * of its parent's ring. Areas know nothing of all this, and may be cut, merged and renumbered at
 * will; a fault allocates nothing. An om_anon_mm outlives its mm while a page of others is at home
 * there, so it counts its pages.
 *
 * A walk looks at the page's address at its home, and that is all if the page is exclusive, because
 * such a page is at home where its entry is. Otherwise it goes round the ring from there, until all
 * of mapcount are found: a page that two of a thousand share may cost a thousand looks. If the home
 * has ended, the page moves to where it was found.
 *
 * The price is mremap. An exclusive page gets its new index with its entry; a shared one is copied
 * first (moves_shared). Slots that are shared move, but swap-in refuses a page that is in memory for
 * another address, and the core makes a copy.
 *
 * What the posting left open, and is done here:
 *   - An om_anon_mm loses its last page where a frame lock is held, and nothing can be freed: it is
 *     put on its head's list of dead, and freed by the next fork, exit or walk in the family.
 *   - Walks let others in after so many looks, and keep their place by a reference.
 *   - An exec that empties its mm and keeps it (om_mm_empty) leaves the family, too; if there is no
 *     memory for a new head it stays, and is looked into in vain.
 *
 * The head's lock guards the ring, `mm`, and, as no area needs to be known for a look, the tables
 * (om_rmap_tables_unlinked()).
 */
#include "rmap/rmap.h"

const struct om_rmap_traits om_rmap_traits = {
    .name = "anonmm",
    .object_bytes = {sizeof(struct om_anon_mm)},
    .mm_bytes = sizeof(void *),
    .bounded = true,
    .objectless_fault = true,
};

/* ---------------------------------------------------------------- families ------------------ */

/* Nobody can find `a` but by the ring, where those are left alone that count nothing. */
static OM_COLD void bury(struct om_system *sys, struct om_anon_mm *a)
{
	struct om_anon_mm *first = atomic_load_explicit(&a->head->dead, memory_order_relaxed);

	OM_BUG_ON(sys, a == a->head, "lost object", a, (uintptr_t)a->mm, 0);
	do
		atomic_store_explicit(&a->dead, first, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&a->head->dead, &first, a,
	                                              memory_order_acq_rel, memory_order_relaxed));
}

void om_anonmm_put(struct om_system *sys, struct om_anon_mm *a)
{
	if (om_unlikely(atomic_fetch_sub_explicit(&a->count, 1, memory_order_acq_rel) == 1))
		bury(sys, a);
}

/* False: it is to be freed. In the ring, with its lock held. */
static bool try_get(struct om_anon_mm *a)
{
	uint32_t count = atomic_load_explicit(&a->count, memory_order_relaxed);

	while (count)
		if (atomic_compare_exchange_weak_explicit(&a->count, &count, count + 1,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

/* Free the dead of a family, and drop a reference to its head. Takes ANON, one at a time. */
static void put_head(struct om_system *sys, struct om_anon_mm *head)
{
	struct om_anon_mm *a = NULL, *next;

	if (atomic_load_explicit(&head->dead, memory_order_relaxed))
		a = atomic_exchange_explicit(&head->dead, NULL, memory_order_acquire);
	for (; a; a = next) {
		next = atomic_load_explicit(&a->dead, memory_order_relaxed);
		om_write_lock(sys, &head->lock, OM_RANK_ANON);
		a->prev->next = a->next;
		a->next->prev = a->prev;
		om_write_unlock(sys, &head->lock);
		om_object_free(sys, OM_CACHE_RMAP, a);
		om_anonmm_put(sys, head);
	}
	/* All others have a reference to it, so it is alone. */
	if (atomic_fetch_sub_explicit(&head->count, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_RMAP, head);
}

static void join_family(struct om_system *sys, struct om_anon_mm *a, struct om_anon_mm *head)
{
	om_anonmm_get(head);
	om_write_lock(sys, &head->lock, OM_RANK_ANON);
	a->next = head;
	a->prev = head->prev;
	head->prev->next = a;
	head->prev = a;
	om_write_unlock(sys, &head->lock);
}

/* The mm has no entry left. */
static void leave_family(struct om_system *sys, struct om_anon_mm *a)
{
	struct om_anon_mm *head = a->head;

	om_anonmm_get(head);
	om_write_lock(sys, &head->lock, OM_RANK_ANON);
	a->mm = NULL;
	om_write_unlock(sys, &head->lock);
	om_anonmm_put(sys, a);
	put_head(sys, head);
}

int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent)
{
	struct om_anon_mm *a = om_object_alloc(mm->sys, OM_CACHE_RMAP);

	if (!a)
		return -OM_ENOFRAME;
	a->mm = mm;
	a->head = parent ? parent->anon_mm->head : a;
	a->prev = a->next = a;
	atomic_init(&a->count, 1);
	if (parent)
		join_family(mm->sys, a, a->head);
	mm->anon_mm = a;
	return 0;
}

void om_rmap_mm_exit(struct om_mm *mm)
{
	leave_family(mm->sys, mm->anon_mm);
}

void om_anonmm_start_anew(struct om_mm *mm)
{
	struct om_anon_mm *old = mm->anon_mm;
	bool alone;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->mmap_lock), "mmap_lock", mm);
	om_read_lock(mm->sys, &old->head->lock, OM_RANK_ANON);
	alone = old->next == old;
	om_read_unlock(mm->sys, &old->head->lock);
	if (!alone && !om_rmap_mm_init(mm, NULL))
		leave_family(mm->sys, old);
}

/* ---------------------------------------------------------------- pages --------------------- */

bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos)
{
	if (page->mapcount)
		return page->index == table->index + pos;
	om_anon_page_own(sys, page, vma, table, pos);
	return true;
}

/* ---------------------------------------------------------------- areas --------------------- */

int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent)
{
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
	if (om_vma_had_anon(from))
		om_vma_mark_anon(to);
}

void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone)
{
	om_rmap_vma_pretend(vma, gone);
}

bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b)
{
	(void)a;
	(void)b;
	return true;
}

void om_anon_link(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_unlink(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	(void)vma;
	(void)partner;
}

void om_anon_change_end(struct om_vma *vma, struct om_vma *partner)
{
	(void)vma;
	(void)partner;
}

void om_anon_move_begin(struct om_vma *vma)
{
	(void)vma;
}

void om_anon_move_end(struct om_vma *vma)
{
	(void)vma;
}

/* ---------------------------------------------------------------- walking ------------------- */

/* A mapped page's home, which counts it, and that one's head get a reference. */
static struct om_anon_mm *look_at(struct om_system *sys, struct om_page *page, struct om_target *t)
{
	struct om_anon_mm *home = NULL;

	om_frame_lock(sys, page);
	om_target_set(t, page);
	if (t->mapcount) {
		home = t->object;
		om_anonmm_get(home);
		om_anonmm_get(home->head);
	}
	om_frame_unlock(sys, page);
	return home;
}

/* Has the page been moved, or become another's, since it was looked at? */
static bool has_changed(struct om_system *sys, const struct om_target *t)
{
	struct om_target now;

	om_frame_lock(sys, t->page);
	om_target_set(&now, t->page);
	om_frame_unlock(sys, t->page);
	return now.mapcount && (now.object != t->object || now.index != t->index ||
	                        ((now.flags ^ t->flags) & OM_PG_DIRECT));
}

/* The page was found at `to`, and its home has ended. */
static OM_COLD void move_home(struct om_system *sys, const struct om_target *t,
                              struct om_anon_mm *to)
{
	struct om_page *page = t->page;
	bool moves;

	om_frame_lock(sys, page);
	moves = page->mapcount && om_rmap_object(page) == t->object;
	if (moves) {
		om_anonmm_get(to);
		__atomic_store_n(&page->object, (void *)to, __ATOMIC_RELAXED);
	}
	om_frame_unlock(sys, page);
	if (moves)
		om_anonmm_put(sys, t->object);
}

/* Look into one mm. False: the walk is over. The family's lock is held. */
static bool look_into(struct om_walk *w, const struct om_target *t, struct om_anon_mm *a)
{
	const struct om_anon_mm *home = t->object;
	unsigned found = w->found;
	bool go;

	if (!a->mm)
		return true;
	go = om_probe(w, t, a->mm, NULL, t->index << OM_PAGE_SHIFT);
	if (om_unlikely(!home->mm) && w->found != found)
		move_home(w->sys, t, a);
	return go;
}

/*
 * Look into so many of the ring, from *at on, whose reference is dropped. Returns whether to go on,
 * at *at, which has one. Those that are only there to be freed cannot be stopped at.
 */
static bool walk_hold(struct om_walk *w, const struct om_target *t, struct om_anon_mm **at)
{
	struct om_system *sys = w->sys;
	struct om_anon_mm *home = t->object, *a = *at;
	unsigned looked = 0;
	bool go;

	om_read_lock(sys, &home->head->lock, OM_RANK_ANON);
	do {
		looked++;
		go = look_into(w, t, a) && a->next != home;
		a = a->next;
	} while (go && (looked < om_hold(sys) || !try_get(a)));
	om_note_hold(sys, looked);
	om_read_unlock(sys, &home->head->lock);
	if (*at != home)
		om_anonmm_put(sys, *at);
	*at = a;
	return go;
}

static OM_NOINLINE void walk_family(struct om_walk *w, const struct om_target *t)
{
	struct om_anon_mm *at = t->object;

	while (walk_hold(w, t, &at))
		;
}

static void walk_home(struct om_walk *w, const struct om_target *t)
{
	struct om_anon_mm *home = t->object;

	om_read_lock(w->sys, &home->head->lock, OM_RANK_ANON);
	look_into(w, t, home);
	om_read_unlock(w->sys, &home->head->lock);
}

void om_anon_walk(struct om_walk *w, struct om_page *page)
{
	struct om_system *sys = w->sys;
	struct om_anon_mm *home, *head;
	struct om_target t;
	bool again;

	do {
		home = look_at(sys, page, &t);
		if (!home)
			return;
		head = home->head;
		if (t.flags & OM_PG_DIRECT)
			walk_home(w, &t);
		else
			walk_family(w, &t);
		again = !w->found && has_changed(sys, &t);
		om_anonmm_put(sys, home);
		put_head(sys, head);
		om_count(sys, OM_EV_RMAP_RETRIES, again);
	} while (again);
}

/* ---------------------------------------------------------------- checking ------------------ */

/* The whole ring, when the first of it that is alive is met. */
static void check_family(struct om_anon_check *c, const struct om_anon_mm *head)
{
	const struct om_anon_mm *a = head;

	if (atomic_load(&head->lock.state))
		c->fail(c, "rest", head, atomic_load(&head->lock.state), 0);
	do {
		c->objects[0]++;
		if (a->head != head || a->next->prev != a)
			c->fail(c, "I4", a, (uintptr_t)a->head, (uintptr_t)a->next);
		a = a->next;
	} while (a != head);
}

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	const struct om_anon_mm *a = mm->anon_mm, *first = a->head;

	if (a->mm != mm || !atomic_load(&a->count))
		c->fail(c, "I4", mm, (uintptr_t)a, (uintptr_t)a->mm);
	while (first != a && !first->mm)
		first = first->next;
	if (first == a)
		check_family(c, a->head);
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	(void)c;
	(void)vma;
}

/* The page's word is not taken for it. */
static bool is_relative(const struct om_anon_mm *a, const void *home)
{
	const struct om_anon_mm *r = a;

	while (r != home && r->next != a)
		r = r->next;
	return r == home;
}

void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	const struct om_anon_mm *home = page->object, *a = vma->mm->anon_mm;
	bool direct = om_page_test(page, OM_PG_DIRECT);
	bool right = direct ? home == a : is_relative(a, home);

	if (page->index != table->index + pos)
		c->fail(c, direct ? "I2" : "I4", page, page->index, table->index + pos);
	if (!right || !atomic_load(&home->count))
		c->fail(c, direct ? "I2" : "I4", page, (uintptr_t)home, (uintptr_t)a);
}
