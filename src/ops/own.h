/*
 * own.h: tables of one's own, for calls that hold mmap_lock for reading and were told -OM_ESHARED.
 */
#ifndef OM_OWN_H
#define OM_OWN_H

#include "base/types.h"

/*
 * Unshare the tables in which there is a page of [start, end): see area/unshare.h. With `discard`
 * the contents are not wanted any more: whole tables are left to their other owners. 0,
 * -OM_ENOFRAME, -OM_ENOMEM. An outermost step: no lock held; takes mmap_lock for writing.
 */
int om_own_tables(struct om_mm *mm, uintptr_t start, uintptr_t end, bool discard);

/* Its work, for who holds mmap_lock for writing. */
int om_own_tables_locked(struct om_mm *mm, uintptr_t start, uintptr_t end, bool discard);

#endif
