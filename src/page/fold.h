/*
 * fold.h: leaf tables that the MMU does not see.
 *
 * A leaf table is folded if its upper entry is a big one, which maps all that the table maps at
 * once: 2 MiB on x86-64 (I14). The table is still there. Its entries show direct pages, in
 * neighbouring frames the first of which has a number that is a multiple of theirs, and name the
 * right frames; the permissions that count, and the young and dirty bits, are in the big entry. And
 * each page names the table, as every direct page does: that is the way from the big entry to it.
 *
 *     upper table         the frames              leaf table
 *     [ big entry ] ----> [ 0 ][ 1 ] ... [ 511 ]
 *                           |    |          |
 *                           '----'----------'---> [ 0 ][ 1 ] ... [ 511 ]
 *
 * So pages of a folded table are pages like any others. Who wants to change one entry unfolds the
 * table first: that is a store for each owner, and one flush; it takes no frame and cannot fail.
 * What concerns the whole table leaves it folded: fork, mprotect, mremap; munmap takes its pages at
 * once. Big entries change with the leaf table's lock held, and the upper table's in it, so a
 * walker that meets one and takes the latter finds the table.
 */
#ifndef OM_FOLD_H
#define OM_FOLD_H

#include "page/table.h"

static inline bool om_table_is_folded(const struct om_page *table)
{
	return OM_BIG_ENTRIES && om_page_test(table, OM_TABLE_FOLDED);
}

/*
 * All entries are in use, and as fold.h says; the upper entry becomes a big one like the first of
 * them. mm is the only owner. TABLE held. Takes TABLE2. Flushes what CPUs keep of the upper entry.
 */
void om_table_fold(struct om_mm *mm, struct om_page *table);

/*
 * Entries of a folded table are what the MMU sees again, for all owners. TABLE held. Takes TABLE2.
 * Flushes. Cost: O(1) if the big entry was neither used nor changed; else linear in the entries.
 */
OM_COLD void om_table_unfold(struct om_system *sys, struct om_page *table);

/*
 * All entries of a folded table are none, and then the MMU sees them. TABLE held, of the only
 * owner. Takes TABLE2. Flushes: no CPU reaches the pages any more. Cost: linear in the entries.
 */
void om_table_empty_folded(struct om_system *sys, struct om_page *table);

/* Entries are about to be changed. TABLE held. */
static inline void om_table_show(struct om_system *sys, struct om_page *table)
{
	if (om_unlikely(om_table_is_folded(table)))
		om_table_unfold(sys, table);
}

/* The table's lock, to change entries. */
static inline void om_table_lock_entries(struct om_system *sys, struct om_page *table)
{
	om_table_lock(sys, table);
	om_table_show(sys, table);
}

/*
 * If a folded table was used, its entries say so from now on, and not the big one. TABLE held.
 * Takes TABLE2.
 */
OM_COLD void om_table_spread_use(struct om_system *sys, struct om_page *table);

/*
 * The big entry of the only owner gets these permissions; write permission only if it had it, or
 *  `write` says so. A flush is owed as for any entry. TABLE held. Takes TABLE2.
 */
void om_table_protect_big(struct om_mm *mm, struct om_page *table, unsigned prot, bool write);

#endif
