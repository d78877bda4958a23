/*
 * tables.h: page tables that hold nothing are frames that can be freed.
 */
#ifndef OM_RECLAIM_TABLES_H
#define OM_RECLAIM_TABLES_H

#include "base/types.h"

enum om_tables {
	OM_TABLES_FREE,   /* not used lately; passes over an address space that somebody is in */
	OM_TABLES_UNUSED, /* not used lately; waits a moment for who is in one with many */
	OM_TABLES_ALL,    /* those that are new, or in use for reading zeros, too */
};

/*
 * Look at about half of all page tables, or at all of them for OM_TABLES_ALL, beginning where the
 * last one stopped, until `target` have been freed; returns how many were. Context: no lock held;
 * may sleep.
 */
size_t om_reclaim_tables(struct om_system *sys, enum om_tables how, size_t target);

#endif
