/*
 * rival.h: what the unit tests of the designs in src/rmap/rivals/ share. A file test_NAME.c is about
 * the design NAME alone, and built with it only.
 */
#ifndef RIVAL_H
#define RIVAL_H

#include "space.h"

#include "rmap/rmap.h"

static inline struct om_vma *area_at(struct om_mm *mm, uintptr_t page)
{
	return om_vma_at(mm, at(page));
}

static inline struct om_anon_vma *anon_vma_at(struct om_mm *mm, uintptr_t page)
{
	return area_at(mm, page)->anon_vma;
}

/* What the page there names. */
static inline void *home_of(struct om_mm *mm, uintptr_t page)
{
	return om_rmap_object(space_page(mm, page, NULL, NULL));
}

static inline struct om_mm *fork_of(struct om_mm *mm)
{
	struct om_mm *child;

	assert_int_equal(om_fork(mm, NULL, &child), 0);
	return child;
}

static inline size_t objects(const struct space *s, unsigned cache)
{
	return om_slab_sum(s->sys, OM_CACHE_RMAP + cache).objects;
}

static enum om_walk_verdict go_on(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                  struct om_page *table, unsigned pos)
{
	(void)w;
	(void)page;
	assert_true(!vma || om_vma_covers(vma, om_table_addr(table, pos)));
	return OM_WALK_GO;
}

/* The walk of the page there finds so many entries. Returns how many it has looked at. */
static inline unsigned looks(struct space *s, struct om_mm *mm, uintptr_t at_page, unsigned found)
{
	struct om_page *page = space_page(mm, at_page, NULL, NULL);
	struct om_walk w = {.visit = go_on};

	assert_true(om_page_trylock(s->sys, page));
	om_rmap_walk(s->sys, page, &w);
	om_page_unlock(s->sys, page);
	assert_int_equal(w.found, found);
	return w.probed;
}

#endif
