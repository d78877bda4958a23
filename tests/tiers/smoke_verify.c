/*
 * smoke_verify.c: om_verify() finds nothing.
 */
#include "smoke.h"

void smoke_verify(struct smoke *s)
{
	uintptr_t a = smoke_map(s, 8, OM_MAP_PRIVATE, NULL);
	struct om_mm *child;
	struct om_bug bug;
	void *scratch = malloc(s->frames * 8);

	CHECK(scratch);
	sim_put(s->cpu, s->mm, a, 1);
	CHECK(om_fork(s->mm, NULL, &child) == 0);
	CHECK(om_verify(s->sys, scratch, &bug) == 0);
	om_mm_destroy(child);
	om_mm_empty(s->mm);
	CHECK(om_verify(s->sys, scratch, &bug) == 0);
	free(scratch);
}
