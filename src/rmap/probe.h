/*
 * probe.h: the steps of a walk that all designs share.
 */
#ifndef OM_PROBE_H
#define OM_PROBE_H

#include "base/vma_fields.h"
#include "rmap/i_mmap.h"

enum om_walk_verdict { OM_WALK_GO, OM_WALK_STOP };

struct om_walk;

/*
 * Called for each entry that maps the page, with the table's lock held. `vma` is NULL when the
 * design finds the entry without one. May take FRAME and leaves, and flush. Perhaps also for
 * entries of `others`, whatever it returns then.
 */
typedef enum om_walk_verdict om_visit(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned pos);

struct om_walk {
	om_visit *visit;
	void *arg;
	/* Pages that the caller has locked, too, and will walk next: virtual_scan.c. */
	const om_pfn_t *others;
	unsigned nr_others;
	bool complete; /* of a file's page, no entry may be missed: holds SHAPE, and may sleep */
	struct om_system *sys;
	unsigned probed, found; /* out: entries looked at; of these, entries that map the page */
};

/* What a walk needs to know about the page, copied under its frame lock. */
struct om_target {
	struct om_page *page;
	unsigned flags;
	void *object;
	uintptr_t index;
	uint32_t mapcount;
};

/* A move may change what an exclusive page names without its frame lock: in one access, then. */
OM_INLINE void *om_rmap_object(const struct om_page *page)
{
	return __atomic_load_n(&page->object, __ATOMIC_RELAXED);
}

OM_INLINE void om_target_set(struct om_target *t, struct om_page *page)
{
	t->page = page;
	t->flags = om_page_flags(page);
	t->object = om_rmap_object(page);
	t->index = __atomic_load_n(&page->index, __ATOMIC_RELAXED);
	t->mapcount = page->mapcount;
}

/*
 * Look at an entry, and visit it if it maps the page. False: the walk is over. TABLE held; the
 * second takes it, if mm has a table there: the caller keeps tables from being freed (I5).
 */
bool om_probe_entry(struct om_walk *w, const struct om_target *t, struct om_vma *vma,
                    struct om_page *table, unsigned pos);
bool om_probe(struct om_walk *w, const struct om_target *t, struct om_mm *mm, struct om_vma *vma,
              uintptr_t addr);

/* A tree of areas ordered by their numbers, and the lock it is under. */
struct om_areas {
	const struct om_interval_ops *ops;
	struct om_node *const *root;
	struct om_rwspin *lock;
	enum om_rank rank;
	struct om_vma *(*area)(struct om_node *n);
};

/*
 * Probe the areas that cover t->index, so many at a time, and let others in between (i_mmap.h).
 * False: the walk is over. Takes the lock for reading.
 */
bool om_probe_areas(struct om_walk *w, const struct om_target *t, const struct om_areas *a);

#endif
