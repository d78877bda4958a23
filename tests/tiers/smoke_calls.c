/*
 * smoke_calls.c: mremap, madvise, mlock and its kin.
 */
#include "smoke.h"

void smoke_calls(struct smoke *s)
{
	const uintptr_t page = SIM_PAGE_SIZE;
	uintptr_t a = smoke_map(s, 4, OM_MAP_PRIVATE, NULL);
	struct om_remap_request r = {.old_addr = a,
	                             .old_len = 4 * page,
	                             .new_len = 600 * page,
	                             .flags = OM_MREMAP_MAYMOVE};

	sim_put(s->cpu, s->mm, a, 1);
	sim_put(s->cpu, s->mm, a + page, 2);
	CHECK(om_mremap(s->mm, &r) == 0);
	a = r.new_addr;
	CHECK(sim_get(s->cpu, s->mm, a) == 1);
	CHECK(om_mlock(s->mm, a, 3 * page, 0) == 0);
	CHECK(om_munlock(s->mm, a, 3 * page) == 0);
	CHECK(om_mlockall(s->mm, OM_MCL_FUTURE) == 0 && om_munlockall(s->mm) == 0);
	CHECK(om_madvise(s->mm, a, page, OM_MADV_DONTNEED) == 0);
	CHECK(om_madvise(s->mm, a + page, page, OM_MADV_FREE) == 0);
	CHECK(om_madvise(s->mm, a, 4 * page, OM_MADV_PAGEOUT) == 0);
	CHECK(om_madvise(s->mm, a, 4 * page, OM_MADV_WILLNEED) == 0);
	CHECK(sim_get(s->cpu, s->mm, a) == 0);
	CHECK(om_madvise(s->mm, a, 4 * page, OM_MADV_REMOVE) == -OM_EINVAL);
	om_mm_empty(s->mm);
}
