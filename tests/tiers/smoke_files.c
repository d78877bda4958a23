/*
 * smoke_files.c: a file that is larger than memory, and shared memory.
 */
#include "smoke.h"

void smoke_files(struct smoke *s)
{
	const uintptr_t page = SIM_PAGE_SIZE, n = 2 * s->frames;
	struct sim_store *store = sim_store_ram();
	struct om_mapping *file;
	uintptr_t a, b, word = 7;
	struct om_mm *child;

	CHECK(om_mapping_create(s->sys, &sim_store_ops, store, n * page, &file) == 0);
	a = smoke_map(s, n, OM_MAP_SHARED, file);
	for (uintptr_t i = 0; i < n; i++)
		sim_put(s->cpu, s->mm, a + i * page, i);
	b = smoke_map(s, n, OM_MAP_PRIVATE, file);
	sim_put(s->cpu, s->mm, b, word);
	for (uintptr_t i = 1; i < n; i++)
		CHECK(sim_get(s->cpu, s->mm, b + i * page) == i);
	CHECK(om_msync(s->mm, a, n * page, OM_MS_SYNC) == 0);
	sim_store_peek(store, 9 * page, &word, sizeof(word));
	CHECK(word == 9);
	CHECK(om_mapping_write(file, 5 * page, &word, sizeof(word), NULL) == 0);
	CHECK(sim_get(s->cpu, s->mm, a + 5 * page) == 9);
	CHECK(om_mapping_punch(file, page, page) == 0 && sim_get(s->cpu, s->mm, a + page) == 0);
	CHECK(om_mapping_truncate(file, page) == 0);
	CHECK(sim_load(s->cpu, s->mm, a + page, &word, 1) == OM_FAULT_BUS);
	om_mapping_put(file);
	om_mm_empty(s->mm);

	a = smoke_map(s, 4, OM_MAP_SHARED, NULL);
	CHECK(om_fork(s->mm, NULL, &child) == 0);
	sim_put(s->cpu, child, a, 3);
	CHECK(sim_get(s->cpu, s->mm, a) == 3);
	om_mm_destroy(child);
	om_mm_empty(s->mm);
	sim_store_free(store);
}
