/*
 * range.h: ranges of addresses: rounding, checking, cutting.
 */
#ifndef OM_RANGE_H
#define OM_RANGE_H

#include "base/types.h"

static inline uintptr_t om_page_align(uintptr_t len)
{
	return (len + OM_PAGE_SIZE - 1) & OM_PAGE_MASK;
}

/*
 * Check a range argument: `addr` page aligned, *end = addr + len rounded up, no wrap. Returns
 * false if it is wrong.
 */
static inline bool om_range(uintptr_t addr, size_t len, uintptr_t *end)
{
	*end = addr + om_page_align(len);
	return !(addr & ~OM_PAGE_MASK) && om_page_align(len) >= len && *end >= addr;
}

/* Cut [*start, *end) down to what of it lies in [low, high); the two must meet. */
static inline void om_clip(uintptr_t *start, uintptr_t *end, uintptr_t low, uintptr_t high)
{
	*start = *start > low ? *start : low;
	*end = *end < high ? *end : high;
}

#endif
