/*
 * advise_io.h: the advice of madvise() that moves pages between memory and stores.
 */
#ifndef OM_ADVISE_IO_H
#define OM_ADVISE_IO_H

#include "base/types.h"

static inline bool om_is_io_advice(int advice)
{
	return advice == OM_MADV_WILLNEED || advice == OM_MADV_PAGEOUT ||
	       advice == OM_MADV_REMOVE || advice == OM_MADV_POPULATE_READ ||
	       advice == OM_MADV_POPULATE_WRITE;
}

/* Outermost: no lock held, may sleep. Errors as om_madvise(). */
int om_advise_io(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice);

/* May this be advised about the pages of an area? 0, -OM_EINVAL. mmap_lock held. */
static inline int om_check_pages_advice(unsigned flags, bool is_file, int advice)
{
	if (advice == OM_MADV_WILLNEED || advice == OM_MADV_DONTNEED_LOCKED)
		return 0;
	if (flags & OM_VM_LOCKED)
		return -OM_EINVAL;
	return advice == OM_MADV_FREE && is_file ? -OM_EINVAL : 0;
}

#endif
