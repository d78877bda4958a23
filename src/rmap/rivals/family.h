/*
 * family.h: what designs share whose pages name an address space: who is related to whom by fork,
 * and how long it is remembered.
 *
 * Each mm has an object that stands for it, a kin, and goes on to when the mm has ended, as long as
 * pages name it: it counts them. All that descend by fork from one exec are in a ring, whose lock
 * the first of them has, the head. It is the last to be freed.
 *
 * A kin loses its last page where a frame lock is held, and nothing can be freed: so it is put on
 * its head's list of dead, and freed by the next fork, exit or walk in the family.
 */
#ifndef OM_RMAP_FAMILY_H
#define OM_RMAP_FAMILY_H

#include "rmap/design.h"

struct om_kin {
	struct om_kin *head;         /* (c) its own address: it is one */
	struct om_mm *mm;            /* (O) by a lock of the design; NULL: has ended */
	struct om_kin *prev, *next;  /* (O) head->ring */
	struct om_kin *_Atomic dead; /* (a) of a head the first one to be freed, or else the next */
	/* (a) The mm, pages at home here, walks; of a head also the others. 0: is to be freed. */
	_Atomic uint32_t count;
	struct om_rwspin ring; /* of a head; rank ANON */
};

OM_INLINE void om_kin_get(struct om_kin *kin)
{
	atomic_fetch_add_explicit(&kin->count, 1, memory_order_relaxed);
}

OM_COLD void om_kin_bury(struct om_system *sys, struct om_kin *kin);

/* Any context. Not the last reference to a head. */
OM_INLINE void om_kin_put(struct om_system *sys, struct om_kin *kin)
{
	if (om_unlikely(atomic_fetch_sub_explicit(&kin->count, 1, memory_order_acq_rel) == 1))
		om_kin_bury(sys, kin);
}

/* The page is at home here from now on. FRAME held. */
OM_INLINE void om_kin_set_home(struct om_system *sys, struct om_page *page, struct om_kin *kin)
{
	struct om_kin *old = page->object;

	if (old == kin)
		return;
	om_kin_get(kin);
	__atomic_store_n(&page->object, (void *)kin, __ATOMIC_RELAXED);
	if (om_unlikely(old))
		om_kin_put(sys, old);
}

/*
 * A kin of `mm`, which is the first member of an object from OM_CACHE_RMAP: the head of a new
 * family, or a member of head's, in the ring behind `after`, or last if that is NULL. Returns NULL
 * if no frame is free. Takes ANON.
 */
struct om_kin *om_kin_new(struct om_mm *mm, struct om_kin *head, struct om_kin *after);

/* Its mm, which it names no more, has ended, or left for another one. Takes ANON. */
void om_kin_end(struct om_system *sys, struct om_kin *kin);

/* Is nobody else in the family? Takes ANON. */
bool om_kin_is_alone(struct om_system *sys, struct om_kin *kin);

/* The next one of the ring, with a reference; that on `kin` is dropped, but if it is `home`. NULL:
 * that was all of them. Those that are only there to be freed are passed. Takes ANON. */
struct om_kin *om_kin_next(struct om_system *sys, struct om_kin *kin, struct om_kin *home);
/* Can it be stopped at? False: it is to be freed. The ring's lock is held. */
bool om_kin_try_get(struct om_kin *kin);

/*
 * om_anon_walk(): calls `one` for an exclusive page, which has its entry at home, `all` for a
 * shared one; again if it was found nowhere, and meanwhile has changed its place. The home is in
 * t->object, and stays.
 */
void om_kin_walk(struct om_walk *w, struct om_page *page,
                 void (*one)(struct om_walk *w, const struct om_target *t),
                 void (*all)(struct om_walk *w, const struct om_target *t));

/* The page was found at `to`, which lives, and its home has ended: there it is at home now. */
OM_COLD void om_kin_move_home(struct om_system *sys, const struct om_target *t, struct om_kin *to);

/* ------- checking: om_verify() ------- */

/* Counts the whole ring when the first of it that lives is met. */
void om_kin_check(struct om_anon_check *c, struct om_mm *mm, const struct om_kin *kin);
/* Is this what a page of `kin` may name? It is not followed. */
bool om_kin_is_home(const struct om_kin *kin, const struct om_page *page);

#endif
