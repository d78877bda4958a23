/*
 * trim.h: giving back page tables that hold nothing, although areas lie over them.
 */
#ifndef OM_TRIM_H
#define OM_TRIM_H

#include "area/vma.h"

enum om_trim {
	OM_TRIM_EMPTY,  /* tables without an entry */
	OM_TRIM_UNUSED, /* and with entries of the zero page alone; if not made or used lately */
	OM_TRIM_ZERO,   /* and if they were */
};

/* Tables that are given back together, and those that are looked at meanwhile. */
#define OM_TRIM_BATCH 32
#define OM_TRIM_LOOKS 128

/*
 * Give back tables that map any of [*addr, end), at most OM_TRIM_BATCH of them, and look at
 * OM_TRIM_LOOKS at most; *looked says at how many. Returns how many tables are free now; *addr is
 * where to go on, `end` if all have been seen. mmap_lock held for writing; takes the areas' tree
 * locks, TABLE and below; flushes.
 */
unsigned om_trim(struct om_mm *mm, uintptr_t *addr, uintptr_t end, enum om_trim how,
                 unsigned *looked);

/*
 * All empty tables of [start, end), once the range has been zapped. Does nothing, at once, unless
 * the range covers a whole table. An outermost function: may sleep.
 */
void om_trim_range(struct om_mm *mm, uintptr_t start, uintptr_t end);

/* Whatever can be given back of a whole address space. An outermost function: may sleep. */
unsigned om_trim_mm(struct om_mm *mm);

#endif
