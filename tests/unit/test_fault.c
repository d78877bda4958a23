/*
 * test_fault.c: what a fault does beside making the access possible: the copies it makes, and what it
 * has the CPU forget.
 */
#include "calls.h"
#include "space.h"

#include <string.h>

#include "page/table.h"
#include "store/mapping.h"

/* ---------------------------------------------------------------- copies -------------------- */

static struct {
	struct space *s;
	struct om_mm *mm;
	om_pfn_t free; /* frames, before the fault */
	unsigned loads;
} reader;

static om_pte_t first_entry(struct om_mm *mm)
{
	struct om_page *table = om_table_find(mm, at(0));

	return om_arch_pte_load(om_table_entry(table, om_table_pos(at(0))));
}

/* Another thread reads the page while its copy is being made. */
static void read_page(void *arg)
{
	(void)arg;
	if (om_free_frames(reader.s->sys) == reader.free || !om_pte_present(first_entry(reader.mm)))
		return;
	reader.loads++;
	space_get(reader.s, reader.mm, 0);
	sim_tlb_flush(reader.s->cpu);
}

/* The MMU notes a use of the entry while it is being copied: that is no reason to do it again. */
static void test_use_is_no_change(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mm *child;

	(void)state;
	space_map(&s, 0, 1, RW, 0);
	space_put(&s, s.mm, 0, 'p');
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_false(om_pte_young(first_entry(child)));

	reader.s = &s;
	reader.mm = child;
	reader.free = om_free_frames(s.sys);
	space_on_lock = read_page;
	assert_int_equal(om_fault(child, at(0), OM_WRITE), OM_FAULT_MINOR);
	space_on_lock = NULL;
	assert_true(reader.loads > 0);
	assert_true(om_pte_write(first_entry(child)));
	assert_int_equal(space_event(s.sys, OM_EV_FAULT_COW), 1);
	assert_int_equal(space_event(s.sys, OM_EV_PGFAULT), 2);
	space_put(&s, child, 0, 'c');
	space_expect(&s, s.mm, 0, 1, 'p');
	om_mm_destroy(child);
	space_finish(&s);
}

/* ---------------------------------------------------------------- flush_local --------------- */

static struct {
	unsigned calls;
	struct om_mm *mm;
	uintptr_t addr;
	bool was_present;
} local;

static void note_local(void *ctx, struct om_mm *mm, uintptr_t addr, bool was_present)
{
	local.calls++;
	local.mm = mm;
	local.addr = addr;
	local.was_present = was_present;
	sim_port_ops.flush_local(ctx, mm, addr, was_present);
}

/* A machine whose hook flush_local is watched. */
static struct sim *machine(enum sim_mode mode)
{
	static struct om_port_ops ops;
	struct sim *sim;

	ops = sim_port_ops;
	ops.flush_local = note_local;
	sim = sim_create(&(struct sim_config){
	    .nr_frames = 128, .nr_cpus = 2, .mode = mode, .ops = &ops, .junk = true});
	assert_non_null(sim);
	return sim;
}

static struct om_mm *new_mm(struct sim *sim)
{
	struct om_mm *mm;

	assert_int_equal(om_mm_create(sim_system(sim), &sim_layout, NULL, &mm), 0);
	return mm;
}

static void map(struct om_mm *mm, uintptr_t page, size_t n, unsigned prot, int flags,
                struct om_mapping *file)
{
	uintptr_t addr = at(page);

	assert_int_equal(do_mmap(mm, &addr, n << OM_PAGE_SHIFT, (int)prot, flags | OM_MAP_FIXED,
	                         file, 0),
	                 0);
}

/* The fault answers `result`; the hook hears of it if it was resolved, with `was_present`. */
static void expect_local(struct om_mm *mm, uintptr_t page, enum om_access access,
                         enum om_fault_result result, bool was_present)
{
	memset(&local, 0, sizeof(local));
	assert_int_equal(om_fault(mm, at(page) + 5, access), result);
	if (result != OM_FAULT_MINOR && result != OM_FAULT_MAJOR) {
		assert_int_equal(local.calls, 0);
		return;
	}
	assert_int_equal(local.calls, 1);
	assert_ptr_equal(local.mm, mm);
	assert_int_equal(local.addr, at(page));
	assert_int_equal(local.was_present, was_present);
}

static void test_flush_local(void **state)
{
	struct sim *sim = machine(SIM_X86);
	struct om_mm *mm = new_mm(sim), *child;
	struct om_mapping *shmem;

	(void)state;
	assert_int_equal(om_mapping_create(sim_system(sim), NULL, NULL, 2 * SIM_PAGE_SIZE, &shmem),
	                 0);
	map(mm, 0, 4, RW, OM_MAP_PRIVATE, NULL);
	map(mm, 8, 4, RW, OM_MAP_SHARED, shmem);
	map(mm, 16, 1, R, OM_MAP_PRIVATE, NULL);

	expect_local(mm, 0, OM_READ, OM_FAULT_MINOR, false); /* the zero page */
	expect_local(mm, 0, OM_WRITE, OM_FAULT_MINOR, true); /* its copy */
	expect_local(mm, 0, OM_WRITE, OM_FAULT_MINOR, true); /* spurious */
	expect_local(mm, 1, OM_WRITE, OM_FAULT_MINOR, false);
	assert_int_equal(om_fork(mm, NULL, &child), 0);
	expect_local(child, 1, OM_WRITE, OM_FAULT_MINOR, true); /* copied */
	expect_local(mm, 1, OM_WRITE, OM_FAULT_MINOR, true);    /* reused */
	om_mm_destroy(child);
	expect_local(mm, 8, OM_READ, OM_FAULT_MINOR, false);
	expect_local(mm, 8, OM_WRITE, OM_FAULT_MINOR, true);
	expect_local(mm, 9, OM_WRITE, OM_FAULT_MINOR, false);

	expect_local(mm, 10, OM_READ, OM_FAULT_BUS, false);
	expect_local(mm, 16, OM_WRITE, OM_FAULT_ACCERR, false);
	expect_local(mm, 20, OM_READ, OM_FAULT_MAPERR, false);
	om_mm_destroy(mm);
	om_mapping_put(shmem);
	assert_int_equal(sim_destroy(sim), 0);
}

static uint64_t faults(struct sim *sim)
{
	struct sim_cpu_stats st;

	sim_cpu_stats(sim_cpu(sim, 0), &st);
	return st.faults;
}

/*
 * The sole owner's write after fork, a first write to a shared page, and one that another thread's
 * fault has resolved. A CPU that keeps its read-only translation, or that there was none, must not
 * fault on it for ever.
 */
static void test_no_fault_for_ever(void **state)
{
	static const enum sim_mode modes[] = {SIM_X86, SIM_KEEPS_READONLY, SIM_KEEPS_ABSENT,
	                                      SIM_KEEPS_ALL};

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct sim *sim = machine(modes[i]);
		struct sim_cpu *cpu = sim_cpu(sim, 0), *other = sim_cpu(sim, 1);
		struct om_mm *mm = new_mm(sim), *child;
		uint64_t before;

		map(mm, 0, 1, RW, OM_MAP_PRIVATE, NULL);
		map(mm, 1, 2, RW, OM_MAP_SHARED, NULL);
		sim_put(cpu, mm, at(0), 1);
		assert_int_equal(om_fork(mm, NULL, &child), 0);
		om_mm_destroy(child);
		for (uintptr_t page = 0; page < 2; page++) {
			(void)sim_get(cpu, mm, at(page));
			before = faults(sim);
			sim_put(cpu, mm, at(page), 2);
			assert_int_equal(faults(sim) - before, 1);
		}
		(void)sim_get(cpu, mm, at(2));
		sim_put(other, mm, at(2), 3);
		before = faults(sim);
		sim_put(cpu, mm, at(2), 4);
		assert_in_range(faults(sim) - before, 0, 1);
		om_mm_destroy(mm);
		assert_int_equal(sim_destroy(sim), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_use_is_no_change),
	    cmocka_unit_test(test_flush_local),
	    cmocka_unit_test(test_no_fault_for_ever),
	};

	return unit_run(tests);
}
