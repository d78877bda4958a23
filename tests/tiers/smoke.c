/*
 * smoke.c: what the smallest tier can do, and then what the parts that are linked add to it.
 */
#include "smoke.h"

#define PAGE SIM_PAGE_SIZE

#pragma weak smoke_calls
#pragma weak smoke_swap
#pragma weak smoke_files
#pragma weak smoke_nonlinear
#pragma weak smoke_verify

uintptr_t smoke_map(struct smoke *s, size_t n, int flags, struct om_mapping *file)
{
	struct om_map_request r = {.len = n * PAGE, .prot = RW, .flags = flags, .file = file};

	CHECK(om_mmap(s->mm, &r) == 0);
	return r.addr;
}

static void map_and_fork(struct smoke *s)
{
	uintptr_t a = smoke_map(s, 8, OM_MAP_PRIVATE, NULL);
	struct om_mm *child;
	om_pfn_t pfn;
	char text[8];

	for (uintptr_t i = 0; i < 8; i++)
		sim_put(s->cpu, s->mm, a + i * PAGE, 100 + i);
	CHECK(om_fork(s->mm, NULL, &child) == 0);
	sim_put(s->cpu, child, a, 200);
	CHECK(sim_get(s->cpu, s->mm, a) == 100 && sim_get(s->cpu, child, a) == 200);
	CHECK(om_mprotect(child, a, PAGE, OM_PROT_READ) == 0);
	CHECK(sim_store(s->cpu, child, a, "x", 1) == OM_FAULT_ACCERR);
	CHECK(om_write(child, a + PAGE - 2, "over", 5, NULL) == -OM_EFAULT);
	CHECK(om_write(s->mm, a + PAGE - 2, "over", 5, NULL) == 0);
	CHECK(om_read_string(s->mm, a + PAGE - 2, text, sizeof(text), NULL) == 0);
	CHECK(!strcmp(text, "over"));
	CHECK(om_read_nofault(s->mm, a, text, 1, NULL) == 0);
	CHECK(om_pin(s->mm, a, OM_WRITE, &pfn) == 0);
	om_unpin(s->sys, pfn, true);
	om_mm_destroy(child);
	CHECK(om_set_brk_start(s->mm, 0x10000000) == 0);
	CHECK(om_brk(s->mm, 0x10000000 + PAGE) == 0x10000000 + PAGE);
	sim_put(s->cpu, s->mm, 0x10000000, 1);
	CHECK(om_munmap(s->mm, a, 8 * PAGE) == 0);
	CHECK(sim_load(s->cpu, s->mm, a, text, 1) == OM_FAULT_MAPERR);
	om_mm_empty(s->mm);
}

/* Memory is full: whoever asks for more hears so, and what is there stays as it is. */
static void fill(struct smoke *s)
{
	uintptr_t a = smoke_map(s, 2 * s->frames, OM_MAP_PRIVATE, NULL), n = 0;
	struct om_sysinfo info;

	while (sim_store(s->cpu, s->mm, a + n * PAGE, &n, sizeof(n)) == OM_FAULT_MINOR)
		n++;
	CHECK(n > s->frames / 2 && n < s->frames);
	CHECK(sim_store(s->cpu, s->mm, a + n * PAGE, "x", 1) == OM_FAULT_OOM);
	for (uintptr_t i = 0; i < n; i++)
		CHECK(sim_get(s->cpu, s->mm, a + i * PAGE) == i);
	om_sysinfo(s->sys, &info);
	CHECK(info.event[OM_EV_OOM] > 0);
	om_mm_empty(s->mm);
}

/* Shared memory is a mapping, which only a tier with files has. */
static void shared(struct smoke *s)
{
	struct om_map_request r = {.len = PAGE, .prot = RW, .flags = OM_MAP_SHARED};

	CHECK(om_mmap(s->mm, &r) == (smoke_files ? 0 : -OM_EOPNOTSUPP));
	om_mm_empty(s->mm);
}

/* Page tables are limited: what holds nothing is given back, and then there is an end. */
static void table_limit(struct smoke *s)
{
	const uintptr_t span = PAGE << 9;
	uintptr_t a = smoke_map(s, 64 * 512, OM_MAP_PRIVATE, NULL), i = 0;

	om_set_limit(s->mm, OM_LIMIT_TABLES, 8 * PAGE);
	while (sim_store(s->cpu, s->mm, a + i * span, "x", 1) == OM_FAULT_MINOR)
		i++;
	CHECK(i > 2 && i < 9);
	CHECK(sim_store(s->cpu, s->mm, a + i * span, "x", 1) == OM_FAULT_LIMIT);
	om_set_limit(s->mm, OM_LIMIT_TABLES, OM_UNLIMITED);
	om_mm_empty(s->mm);
}

int main(void)
{
	void (*const part[])(struct smoke *) = {smoke_calls, smoke_swap, smoke_files,
	                                        smoke_nonlinear, smoke_verify};
	struct smoke s = {.frames = 256};

	s.sim = sim_create(&(struct sim_config){.nr_frames = s.frames});
	CHECK(s.sim);
	s.sys = sim_system(s.sim);
	s.cpu = sim_cpu(s.sim, 0);
	CHECK(om_mm_create(s.sys, &sim_layout, NULL, &s.mm) == 0);
	map_and_fork(&s);
	shared(&s);
	table_limit(&s);
	fill(&s);
	for (unsigned i = 0; i < sizeof(part) / sizeof(*part); i++)
		if (part[i])
			part[i](&s);
	om_mm_destroy(s.mm);
	CHECK(sim_destroy(s.sim) == 0);
	return 0;
}
