/*
 * move.h: moving page-table entries, for mremap.
 */
#ifndef OM_MOVE_H
#define OM_MOVE_H

#include "base/types.h"

/*
 * Make the tables that the entries of [from, from + len) need at `to`, so that the move cannot
 * fail. False if no frame is free; what has been made stays (I5: the caller has or frees an area
 * there). mmap_lock held for writing. Takes TABLE.
 */
bool om_move_prepare(struct om_mm *mm, uintptr_t from, uintptr_t to, size_t len);

/*
 * Move all entries of [from, from + len) to `to`, where there are none, and flush. The two ranges
 * do not overlap. mmap_lock held for writing, and the locks of the trees of both areas, so that
 * no walk misses an entry on its way (om_rmap_move_begin). Takes TABLE, TABLE2. Cost: a few
 * instructions an entry; none where from and to are equal modulo OM_TABLE_SPAN, but for the ends.
 */
void om_move_entries(struct om_mm *mm, uintptr_t from, uintptr_t to, size_t len);

#endif
