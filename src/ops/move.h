/*
 * move.h: moving page-table entries, for mremap.
 */
#ifndef OM_MOVE_H
#define OM_MOVE_H

#include "page/table.h"

/* All entries of [from, from + len) are to go to [to, to + len); the two do not overlap. */
struct om_move {
	struct om_mm *mm;
	uintptr_t from, to;
	size_t len;
};

/*
 * Before the move, when the call can still fail (I10): reserve the tables that the entries will
 * need at `to`, and copy the pages of `vma`, the area they are in, that the reverse map cannot have
 * moved. 0, or what om_table_error() says, and nothing is in stock. Then move, or
 * om_table_unreserve(). mmap_lock held for writing throughout.
 */
int om_move_prepare(const struct om_move *m, struct om_vma *vma, struct om_table_stock *stock);

/*
 * Move the entries to the start of `vma`, where there are none, make the tables for them, and
 * flush. The areas of the two ranges are in the same trees. mmap_lock held for writing. Takes
 * SHAPE, MAPPING, ANON, TABLE, TABLE2, so that no walk meets an entry on its way; and again after a
 * table of them, or eight whole tables, so that none waits for all. Cost: a few instructions an
 * entry; none where from and to are equal modulo OM_TABLE_SPAN, but for the ends.
 */
void om_move_entries(struct om_vma *vma, const struct om_move *m, struct om_table_stock *stock);

#endif
