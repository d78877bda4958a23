/*
 * smoke_nonlinear.c: any page of shared memory at any place.
 */
#include "smoke.h"

void smoke_nonlinear(struct smoke *s)
{
	const uintptr_t page = SIM_PAGE_SIZE;
	uintptr_t a = smoke_map(s, 8, OM_MAP_SHARED, NULL);

	for (uintptr_t i = 0; i < 8; i++)
		sim_put(s->cpu, s->mm, a + i * page, i);
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(om_remap_file_pages(s->mm, a + i * page, page, 0, 7 - i, 0) == 0);
	om_reclaim_step(s->sys, 8);
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(sim_get(s->cpu, s->mm, a + i * page) == 7 - i);
	om_mm_empty(s->mm);
}
