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
 * Move all entries of [from, from + len) to the start of `vma`, where there are none, and flush.
 * The two ranges do not overlap, and their areas are in the same trees. mmap_lock held for writing.
 * Takes SHAPE, MAPPING, ANON, TABLE, TABLE2, so that no walk meets an entry on its way; and again
 * after a table of them, or eight whole tables, so that none waits for all. Cost: a few
 * instructions an entry; none where from and to are equal modulo OM_TABLE_SPAN, but for the ends.
 */
void om_move_entries(struct om_vma *vma, uintptr_t from, size_t len);

#endif
