/*
 * tables.h: page tables that hold nothing are frames that can be freed.
 */
#ifndef OM_RECLAIM_TABLES_H
#define OM_RECLAIM_TABLES_H

#include "base/types.h"

/*
 * Look at about 1 / 2^prio of all page tables, beginning where the last one stopped, until `target`
 * have been freed; returns how many were. prio 0 looks at all of them, takes those that are new, or
 * in use for reading zeros, too, and may sleep a moment to get into an address space that somebody
 * is in. Otherwise such address spaces are passed over. Context: no lock held.
 */
size_t om_reclaim_tables(struct om_system *sys, unsigned prio, size_t target);

#endif
