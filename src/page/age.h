/*
 * age.h: how long a page has not been used. Instead of lists.
 *
 * Reclaim's hand goes round over all frames, over and over, as long as frames are needed
 * (reclaim/scan.c). A page that has been used since the hand's last visit becomes young; any other
 * grows older by one, up to OM_AGE_MAX, and leaves when it reaches the limit of its kind. So a page
 * that comes, is used, or goes writes nothing but its own descriptor and its entry.
 *
 * Pages of two kinds compete: those that go to swap (OM_PG_SWAPBACKED), and the others, of files.
 * The limits move by what it costs to have them back (reclaim/balance.c).
 */
#ifndef OM_AGE_H
#define OM_AGE_H

#include "page/page.h"

#define OM_AGE_SHIFT 12
#define OM_AGE_MAX   ((unsigned)OM_PG_AGE >> OM_AGE_SHIFT)

static inline unsigned om_age_of(unsigned flags)
{
	return (flags & OM_PG_AGE) >> OM_AGE_SHIFT;
}

static inline enum om_age_kind om_age_kind_of(unsigned flags)
{
	return flags & OM_PG_SWAPBACKED ? OM_AGE_ANON : OM_AGE_FILE;
}

/* At this age a page of the kind leaves: 1 to OM_AGE_MAX. */
static inline unsigned om_age_limit(struct om_system *sys, enum om_age_kind kind)
{
	return atomic_load_explicit(&sys->ages.limit[kind], memory_order_relaxed);
}

/*
 * A page may leave in the next round, so the hand is to come to its region. Any context. A hint: at
 * worst the page stays for some rounds more.
 */
static inline void om_region_wake(struct om_system *sys, const struct om_page *page)
{
	struct om_region *region = &sys->region[om_page_pfn(sys, page) >> OM_REGION_SHIFT];

	if (atomic_load_explicit(&region->nearest, memory_order_relaxed) != 1)
		atomic_store_explicit(&region->nearest, 1, memory_order_relaxed);
	if (atomic_load_explicit(&region->left, memory_order_relaxed))
		atomic_store_explicit(&region->left, 0, memory_order_relaxed);
}

/* Give the page an age, whatever it was. Any context: the other flags stay as others set them. */
static inline void om_page_set_age(struct om_page *page, unsigned age)
{
	uint16_t flags = (uint16_t)om_page_flags(page), want;

	do
		want = (uint16_t)((flags & ~(unsigned)OM_PG_AGE) | age << OM_AGE_SHIFT);
	while (!atomic_compare_exchange_weak_explicit(&page->flags, &flags, want,
	                                              memory_order_acq_rel, memory_order_acquire));
}

/* A page that nobody will use again, as far as is known: it leaves when the hand comes. */
static inline void om_page_set_old(struct om_system *sys, struct om_page *page)
{
	om_page_set_age(page, OM_AGE_MAX);
	om_region_wake(sys, page);
}

/* A page that has come before anybody used it: if nobody does, it leaves when the hand comes. */
static inline void om_page_set_unused(struct om_system *sys, struct om_page *page)
{
	om_page_set_age(page, om_age_limit(sys, om_age_kind_of(om_page_flags(page))) - 1);
	om_region_wake(sys, page);
}

/*
 * The age of a page of which nobody knows yet whether it is used twice: it has a quarter of the
 * time of others to be used again, rounded, which leaves it one round of two.
 */
static inline unsigned om_age_unproven(unsigned limit)
{
	return limit - 1 - (limit + 2) / 4;
}

static inline void om_page_set_unproven(struct om_system *sys, struct om_page *page)
{
	enum om_age_kind kind = om_age_kind_of(om_page_flags(page));

	om_page_set_age(page, om_age_unproven(om_age_limit(sys, kind)));
	om_region_wake(sys, page);
}

/*
 * A page is used other than through an entry, which tells by itself. The first time may be all that
 * ever happens to it: only the second makes it young. Any context.
 */
static inline void om_page_touch(struct om_system *sys, struct om_page *page)
{
	unsigned flags = om_page_flags(page);

	if (!(flags & OM_PG_REFERENCED)) {
		om_page_set(page, OM_PG_REFERENCED);
	} else if (flags & OM_PG_AGE) {
		om_page_clear(page, OM_PG_REFERENCED | OM_PG_AGE);
		om_count(sys, OM_EV_PGACTIVATE, 1);
	}
}

/* A page that was evicted is wanted again: balance.c adds the events up. Any context. */
static inline void om_age_note_refault(struct om_system *sys, enum om_age_kind kind)
{
	om_count(sys, kind == OM_AGE_ANON ? OM_EV_REFAULT_ANON : OM_EV_REFAULT_FILE, 1);
}

#endif
