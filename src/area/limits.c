/*
 * limits.c: the limits of an address space, and whether a call would pass one.
 *
 * They are single words that another thread may set at any time, so they are read and written in
 * one access; what they are compared with changes under mmap_lock.
 */
#include "area/limits.h"

#include "base/vma_fields.h"

void om_set_limit(struct om_mm *mm, enum om_limit which, uintptr_t value)
{
	__atomic_store_n(&mm->limit[which], value, __ATOMIC_RELAXED);
}

uintptr_t om_get_limit(const struct om_mm *mm, enum om_limit which)
{
	return om_mm_limit(mm, which);
}

int om_check_limits(struct om_mm *mm, size_t pages, unsigned flags)
{
	if (mm->total_vm + pages > om_mm_limit(mm, OM_LIMIT_AS) >> OM_PAGE_SHIFT)
		return -OM_ENOMEM;
	if (om_flags_are_data(flags) &&
	    mm->data_vm + pages > om_mm_limit(mm, OM_LIMIT_DATA) >> OM_PAGE_SHIFT)
		return -OM_ENOMEM;
	return 0;
}

int om_check_memlock(struct om_mm *mm, size_t pages, int error)
{
	uintptr_t limit = om_mm_limit(mm, OM_LIMIT_MEMLOCK);

	if (limit == 0)
		return -OM_EPERM;
	return mm->locked_vm + pages > limit >> OM_PAGE_SHIFT ? error : 0;
}
