/*
 * smoke_swap.c: more memory than there is.
 */
#include "smoke.h"

void smoke_swap(struct smoke *s)
{
	const uintptr_t page = SIM_PAGE_SIZE, n = 2 * s->frames;
	struct sim_store *store = sim_store_ram();
	struct om_mm *child;
	unsigned device;
	uintptr_t a;

	CHECK(om_swapon(s->sys, &sim_store_ops, store, 4 * s->frames, 0, &device) == 0);
	a = smoke_map(s, n, OM_MAP_PRIVATE, NULL);
	for (uintptr_t i = 0; i < n; i++)
		sim_put(s->cpu, s->mm, a + i * page, i);
	CHECK(om_fork(s->mm, NULL, &child) == 0);
	for (uintptr_t i = 0; i < n; i += 2)
		sim_put(s->cpu, child, a + i * page, ~i);
	for (uintptr_t i = 0; i < n; i++) {
		CHECK(sim_get(s->cpu, s->mm, a + i * page) == i);
		CHECK(sim_get(s->cpu, child, a + i * page) == (i & 1 ? i : ~i));
	}
	CHECK(om_reclaim_step(s->sys, 10) > 0);
	om_mm_destroy(child);
	CHECK(om_munmap(s->mm, a + 10 * page, (n - 10) * page) == 0);
	CHECK(om_swapoff(s->sys, device) == 0);
	CHECK(sim_get(s->cpu, s->mm, a + 9 * page) == 9);
	om_mm_empty(s->mm);
	sim_store_free(store);
}
