/*
 * family.c: address spaces related by fork: see family.h.
 */
#include "rmap/rivals/family.h"

#include "rmap/rmap.h"

/* ---------------------------------------------------------------- lives --------------------- */

/* Nobody can find it but by the ring, where those are left alone that count nothing. */
void om_kin_bury(struct om_system *sys, struct om_kin *kin)
{
	struct om_kin *first = atomic_load_explicit(&kin->head->dead, memory_order_relaxed);

	OM_BUG_ON(sys, kin == kin->head, "lost object", kin, (uintptr_t)kin->mm, 0);
	do
		atomic_store_explicit(&kin->dead, first, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&kin->head->dead, &first, kin,
	                                              memory_order_acq_rel, memory_order_relaxed));
}

bool om_kin_try_get(struct om_kin *kin)
{
	uint32_t count = atomic_load_explicit(&kin->count, memory_order_relaxed);

	while (count)
		if (atomic_compare_exchange_weak_explicit(&kin->count, &count, count + 1,
		                                          memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

static void leave_ring(struct om_system *sys, struct om_kin *kin)
{
	struct om_kin *head = kin->head;

	om_write_lock(sys, &head->ring, OM_RANK_ANON);
	kin->prev->next = kin->next;
	kin->next->prev = kin->prev;
	om_write_unlock(sys, &head->ring);
	om_object_free(sys, OM_CACHE_RMAP, kin);
	om_kin_put(sys, head);
}

/* Free the dead of a family, and drop a reference to its head, perhaps the last. Takes ANON. */
static void put_head(struct om_system *sys, struct om_kin *head)
{
	struct om_kin *kin = NULL, *next;

	if (om_unlikely(atomic_load_explicit(&head->dead, memory_order_relaxed)))
		kin = atomic_exchange_explicit(&head->dead, NULL, memory_order_acquire);
	for (; kin; kin = next) {
		next = atomic_load_explicit(&kin->dead, memory_order_relaxed);
		leave_ring(sys, kin);
	}
	/* All others have a reference to it, so it is alone. */
	if (atomic_fetch_sub_explicit(&head->count, 1, memory_order_acq_rel) == 1)
		om_object_free(sys, OM_CACHE_RMAP, head);
}

static void join_ring(struct om_system *sys, struct om_kin *kin, struct om_kin *after)
{
	struct om_kin *head = kin->head;

	om_kin_get(head);
	om_write_lock(sys, &head->ring, OM_RANK_ANON);
	kin->prev = after ? after : head->prev;
	kin->next = kin->prev->next;
	kin->prev->next = kin;
	kin->next->prev = kin;
	om_write_unlock(sys, &head->ring);
}

struct om_kin *om_kin_new(struct om_mm *mm, struct om_kin *head, struct om_kin *after)
{
	struct om_kin *kin = om_object_alloc(mm->sys, OM_CACHE_RMAP);

	if (!kin)
		return NULL;
	kin->mm = mm;
	kin->head = head ? head : kin;
	kin->prev = kin->next = kin;
	atomic_init(&kin->count, 1);
	if (head)
		join_ring(mm->sys, kin, after);
	return kin;
}

void om_kin_end(struct om_system *sys, struct om_kin *kin)
{
	struct om_kin *head = kin->head;

	om_kin_get(head);
	om_kin_put(sys, kin);
	put_head(sys, head);
}

bool om_kin_is_alone(struct om_system *sys, struct om_kin *kin)
{
	bool alone;

	om_read_lock(sys, &kin->head->ring, OM_RANK_ANON);
	alone = kin->next == kin;
	om_read_unlock(sys, &kin->head->ring);
	return alone;
}

/* ---------------------------------------------------------------- walking ------------------- */

struct om_kin *om_kin_next(struct om_system *sys, struct om_kin *kin, struct om_kin *home)
{
	struct om_kin *next;

	om_read_lock(sys, &home->head->ring, OM_RANK_ANON);
	for (next = kin->next; next != home && !om_kin_try_get(next); next = next->next)
		;
	om_read_unlock(sys, &home->head->ring);
	if (kin != home)
		om_kin_put(sys, kin);
	return next == home ? NULL : next;
}

/* A mapped page's home, which counts it, and that one's head get a reference. */
static struct om_kin *look_at(struct om_system *sys, struct om_page *page, struct om_target *t)
{
	struct om_kin *home = NULL;

	om_frame_lock(sys, page);
	om_target_set(t, page);
	if (t->mapcount) {
		home = t->object;
		om_kin_get(home);
		om_kin_get(home->head);
	}
	om_frame_unlock(sys, page);
	return home;
}

static bool has_changed(struct om_system *sys, const struct om_target *t)
{
	struct om_target now;

	om_frame_lock(sys, t->page);
	om_target_set(&now, t->page);
	om_frame_unlock(sys, t->page);
	return now.mapcount && (now.object != t->object || now.index != t->index ||
	                        ((now.flags ^ t->flags) & OM_PG_DIRECT));
}

void om_kin_move_home(struct om_system *sys, const struct om_target *t, struct om_kin *to)
{
	struct om_page *page = t->page;

	om_frame_lock(sys, page);
	if (page->mapcount && om_rmap_object(page) == t->object)
		om_kin_set_home(sys, page, to);
	om_frame_unlock(sys, page);
}

void om_kin_walk(struct om_walk *w, struct om_page *page,
                 void (*one)(struct om_walk *w, const struct om_target *t),
                 void (*all)(struct om_walk *w, const struct om_target *t))
{
	struct om_system *sys = w->sys;
	struct om_kin *home, *head;
	struct om_target t;
	bool again;

	do {
		home = look_at(sys, page, &t);
		if (!home)
			return;
		head = home->head;
		if (t.flags & OM_PG_DIRECT)
			one(w, &t);
		else
			all(w, &t);
		again = !w->found && has_changed(sys, &t);
		om_kin_put(sys, home);
		put_head(sys, head);
		om_count(sys, OM_EV_RMAP_RETRIES, again);
	} while (again);
}

/* ---------------------------------------------------------------- checking ------------------ */

static void check_ring(struct om_anon_check *c, const struct om_kin *head)
{
	const struct om_kin *kin = head;

	if (atomic_load(&head->ring.state))
		c->fail(c, "rest", head, atomic_load(&head->ring.state), 0);
	do {
		c->objects[0]++;
		if (kin->head != head || kin->next->prev != kin)
			c->fail(c, "I4", kin, (uintptr_t)kin->head, (uintptr_t)kin->next);
		kin = kin->next;
	} while (kin != head);
}

void om_kin_check(struct om_anon_check *c, struct om_mm *mm, const struct om_kin *kin)
{
	const struct om_kin *first = kin->head;

	if (kin->mm != mm || !atomic_load(&kin->count))
		c->fail(c, "I4", mm, (uintptr_t)kin, (uintptr_t)kin->mm);
	while (first != kin && !first->mm)
		first = first->next;
	if (first == kin)
		check_ring(c, kin->head);
}

bool om_kin_is_home(const struct om_kin *kin, const struct om_page *page)
{
	const struct om_kin *home = kin;

	if (om_page_test(page, OM_PG_DIRECT))
		return page->object == kin;
	while (home != page->object && home->next != kin)
		home = home->next;
	return home == page->object && atomic_load(&home->count);
}
