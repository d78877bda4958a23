/*
 * limits.h: what an address space may have at most, as setrlimit(2) says it (enum om_limit).
 */
#ifndef OM_LIMITS_H
#define OM_LIMITS_H

#include "base/types.h"

/* A limit is one word that another thread may set at any time: read it once. */
static inline uintptr_t om_mm_limit(const struct om_mm *mm, enum om_limit which)
{
	return __atomic_load_n(&mm->limit[which], __ATOMIC_RELAXED);
}

/* Would `pages` more (of the given flags) pass a limit? -OM_ENOMEM or 0. */
int om_check_limits(struct om_mm *mm, size_t pages, unsigned flags);
/* Would locking `pages` more? `error` if so; -OM_EPERM if the limit is 0. */
int om_check_memlock(struct om_mm *mm, size_t pages, int error);

#endif
