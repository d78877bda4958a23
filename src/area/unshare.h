/*
 * unshare.h: before anybody changes an entry of a table that other address spaces have, too (I13).
 *
 * Unsharing takes one frame and nothing else, so it fails as making a table fails. Who cannot fail
 * half way does it first: whoever cuts an area inside a table, or changes what an area allows. A
 * fault, and others that have mmap_lock for reading, say -OM_ESHARED, take it for writing, and come
 * back. In return nobody who has mmap_lock for reading sees one of the tables go.
 */
#ifndef OM_UNSHARE_H
#define OM_UNSHARE_H

#include "base/part.h"

/*
 * From now on the address space is the only owner of the tables in which there is a page of
 * [start, end), which is part of the area: it gets copies. 0, -OM_ENOFRAME, or -OM_ENOMEM (a slot
 * has too many users); what has been done nobody can see. mmap_lock held for writing. Cost: linear
 * in the entries of shared tables.
 */
int om_unshare(struct om_vma *vma, uintptr_t start, uintptr_t end);

/* om_unshare() of the table that has pages on both sides of addr, if there is one. */
int om_unshare_at(struct om_vma *vma, uintptr_t addr);

/* Is any of these tables shared, as far as one can see? mmap_lock held. */
bool om_is_shared(struct om_mm *mm, uintptr_t start, uintptr_t end);

#endif
