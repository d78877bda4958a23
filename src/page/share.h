/*
 * share.h: fork gives the child whole leaf tables: how an address space becomes one of several
 * owners of a table (owners.h), and ceases to be one.
 *
 * No page and no entry is touched, so all this costs the same however many pages there are. A page
 * says which table has its entry, and goes on to do so. What has to be known of the entries, how
 * many of each kind there are, follows from `mapcount` as long as all show anonymous pages; tables
 * where that may not be so are marked (OM_TABLE_MIXED), and looked through.
 */
#ifndef OM_SHARE_H
#define OM_SHARE_H

#include "page/table.h"

/* What the entries of tables are, for the figures of their owners. */
struct om_table_figures {
	size_t anon, swap;
};

/* What fork shares of one area. */
struct om_share {
	struct om_mm *parent, *child;
	bool read_only;            /* the area does not allow writing */
	uintptr_t at;              /* where the next table begins */
	size_t tables;             /* shared so far */
	struct om_table_figures f; /* of these */
};

/*
 * Make the child an owner of each leaf table of the parent's from s->at on, up to `end`; both are
 * multiples of OM_TABLE_SPAN, and the range lies in an area that both have. 0: all are shared; 1:
 * fork must copy the one at s->at, in which there is a page of which the child needs a copy;
 * -OM_EINTR, -OM_ENOFRAME or -OM_ENOMEM (OM_LIMIT_TABLES). The parent is flushed by the caller,
 * OM_FLUSH_ALL, before the child runs. Both mmap_locks held for writing. Takes TABLE. Cost: O(1) a
 * table, or linear in the entries of a mixed one.
 */
int om_tables_share(struct om_share *s, uintptr_t end);

/*
 * The table, in which mm has no area any more, or all of whose contents it gives up, goes on
 * without mm; what mm had of it is added to *f. False, and nothing done: mm is the only owner.
 * Flushes.
 * mmap_lock held for writing, or the areas have left the tree (area/unmap.c). Takes TABLE.
 */
bool om_table_leave(struct om_mm *mm, struct om_page *table, struct om_table_figures *f);

/*
 * `copy` takes the place of `table` in mm, which leaves that. Flushes. `table` is locked; the
 * record that is returned is to be freed. mmap_lock held for writing. Takes TABLE2.
 */
struct om_owner *om_table_replace(struct om_mm *mm, struct om_page *table, struct om_page *copy);

#endif
