/*
 * owners.h: the address spaces that have a leaf table.
 *
 * Mostly it is one, and `object` of the table names it. Fork gives whole tables to the child, which
 * is an owner from then on, too (I13):
 *
 *     object -> om_owner {child of the child} -> om_owner {child} -> the parent's om_mm
 *
 * An om_owner is told from an om_mm by bit 0 of what points to it. Each owner's upper entry forbids
 * writing, all have the table at one address, and there it lies inside one private anonymous area
 * of each. Its entries are changed by reclaim alone, for all owners at once; whoever else wants to
 * change one becomes the owner of a copy first (area/unshare.h), or leaves (page/share.h).
 *
 * The owners change under the table's lock. They become more only with the mmap_lock of one of them
 * held for writing. So who holds that lock of an mm for reading, and finds it to be the only owner,
 * may rely on it; that there are others is a hint until the table is locked.
 */
#ifndef OM_OWNERS_H
#define OM_OWNERS_H

#include "page/page.h"

#define OM_IS_OWNER ((uintptr_t)1)

/* The record that a link names, or NULL: it names an mm. */
static inline struct om_owner *om_owner_of(void *link)
{
	char *p = link;

	return (uintptr_t)link & OM_IS_OWNER ? (struct om_owner *)(void *)(p - OM_IS_OWNER) : NULL;
}

static inline struct om_mm *om_owner_mm(void *link)
{
	struct om_owner *o = om_owner_of(link);

	return o ? o->mm : link;
}

/* NULL: it is the last one. */
static inline void *om_owner_next(void *link)
{
	struct om_owner *o = om_owner_of(link);

	return o ? o->next : NULL;
}

/* All owners of a table, with its lock held. */
#define om_for_each_owner(m, table)                                                                \
	for (void *link_ = (table)->object; link_; link_ = om_owner_next(link_))                   \
		for (struct om_mm *m = om_owner_mm(link_); m; m = NULL)

/* More owners than one? Any context. */
static inline bool om_table_is_shared(const struct om_page *table)
{
	return (uintptr_t)__atomic_load_n(&table->object, __ATOMIC_RELAXED) & OM_IS_OWNER;
}

/* Is mm the only owner? Any context. */
static inline bool om_table_is_sole(const struct om_page *table, const struct om_mm *mm)
{
	return __atomic_load_n(&table->object, __ATOMIC_RELAXED) == mm;
}

/* The first of the owners: through it a walk that has come by an area looks at the table. TABLE. */
static inline struct om_mm *om_table_mm(const struct om_page *table)
{
	return om_owner_mm(table->object);
}

/* The others' entries count, too. TABLE. Cost: linear in the owners. */
unsigned om_table_nr_owners(struct om_system *sys, const struct om_page *table);

/* One more, and one less, which is an owner and not the only one; returns the record to be freed.
 * TABLE. */
void om_table_add_owner(struct om_system *sys, struct om_page *table, struct om_owner *owner,
                        struct om_mm *mm);
struct om_owner *om_table_drop_owner(struct om_system *sys, struct om_page *table,
                                     struct om_mm *mm);

#endif
