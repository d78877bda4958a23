/*
 * test_mmu.c: the MMU and the TLBs of the simulated machine: what they keep, in each mode, and what
 * makes them drop it.
 */
#include "toy.h"

/* ---------------------------------------------------------------- page tables --------------- */

/* The leaf entry of addr, making tables. */
static om_pte_t *entry_of(struct om_mm *mm, uintptr_t addr)
{
	om_pfn_t pfn = mm->root;

	for (unsigned level = OM_LEVELS;; level--) {
		unsigned shift = OM_PAGE_SHIFT + (level - 1) * OM_TABLE_SHIFT;
		om_pte_t *e = (om_pte_t *)sim_frame(mm->sim, pfn) +
		              ((addr >> shift) & ((1u << OM_TABLE_SHIFT) - 1));

		if (level == 1)
			return e;
		if (om_pte_none(*e)) {
			assert_true(mm->next_table < FIRST_PFN);
			memset(sim_frame(mm->sim, mm->next_table), 0, SIM_PAGE_SIZE);
			om_arch_pte_store(e, om_pte_mktable(mm->next_table++));
		}
		pfn = om_pte_pfn(*e);
	}
}

static void map(struct om_mm *mm, uintptr_t addr, om_pfn_t pfn, unsigned prot)
{
	om_arch_pte_store(entry_of(mm, addr), om_pte_make(pfn, prot));
}

static void flush(struct om_mm *mm, uintptr_t addr, size_t n)
{
	struct om_system *sys = sim_system(mm->sim);

	sys->ops->flush(sys->ctx, mm, addr, addr + n, OM_FLUSH_PAGES);
}

static void flush_tables(struct om_mm *mm, uintptr_t addr, size_t n)
{
	struct om_system *sys = sim_system(mm->sim);

	sys->ops->flush(sys->ctx, mm, addr, addr + n, OM_FLUSH_TABLES);
}

static void test_load_and_store(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	char buf[6];

	map(mm, ADDR, 20, 7);
	map(mm, ADDR + SIM_PAGE_SIZE, 30, 7);
	/* Across the boundary of two pages that are not neighbours in memory. */
	assert_int_equal(sim_store(cpu, mm, ADDR + SIM_PAGE_SIZE - 3, "abcdef", 6), OM_FAULT_MINOR);
	assert_memory_equal((char *)sim_frame(mm->sim, 20) + SIM_PAGE_SIZE - 3, "abc", 3);
	assert_memory_equal(sim_frame(mm->sim, 30), "def", 3);
	assert_int_equal(sim_load(cpu, mm, ADDR + SIM_PAGE_SIZE - 3, buf, 6), OM_FAULT_MINOR);
	assert_memory_equal(buf, "abcdef", 6);

	sim_put(cpu, mm, ADDR + 64, 12345);
	assert_int_equal(sim_get(cpu, mm, ADDR + 64), 12345);
	assert_int_equal(sim_exec(cpu, mm, ADDR), OM_FAULT_MINOR);
	assert_int_equal(mm->faults, 0);
}

static void test_young_and_dirty_bits(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	om_pte_t *e = entry_of(mm, ADDR);

	map(mm, ADDR, 20, 7);
	assert_false(om_pte_young(*e));
	sim_get(cpu, mm, ADDR);
	assert_true(om_pte_young(*e) && !om_pte_dirty(*e));
	/* The translation of the load is no excuse not to set the dirty bit for the store. */
	sim_put(cpu, mm, ADDR, 1);
	assert_true(om_pte_young(*e) && om_pte_dirty(*e));

	/* But one that has stored once need not look again: cleaning needs a flush. */
	*e = om_pte_mkclean(*e);
	sim_put(cpu, mm, ADDR, 2);
	assert_false(om_pte_dirty(*e));
	flush(mm, ADDR, SIM_PAGE_SIZE);
	sim_put(cpu, mm, ADDR, 3);
	assert_true(om_pte_dirty(*e));
}

static void test_stale_entry_is_used_until_flushed(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0), *other = sim_cpu(mm->sim, 1);

	map(mm, ADDR, 20, 7);
	sim_put(cpu, mm, ADDR, 20);
	sim_put(other, mm, ADDR, 20);
	map(mm, ADDR, 21, 1);
	*(unsigned long *)sim_frame(mm->sim, 21) = 21;

	/* Both the frame and the right to write to it are those of before. */
	assert_int_equal(sim_get(cpu, mm, ADDR), 20);
	sim_put(other, mm, ADDR, 99);
	assert_int_equal(sim_get(cpu, mm, ADDR), 99);
	assert_true(sim_tlb_holds(mm->sim, 20));
	assert_false(sim_tlb_holds(mm->sim, 21));

	flush(mm, ADDR, SIM_PAGE_SIZE);
	assert_false(sim_tlb_holds(mm->sim, 20));
	assert_int_equal(sim_get(cpu, mm, ADDR), 21);
	assert_int_equal(sim_store(other, mm, ADDR, "x", 1), OM_FAULT_MAPERR);
}

static void test_flush_of_ranges(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	struct om_mm other = {.sim = mm->sim, .root = mm->root, .next_table = FIRST_PFN};

	for (unsigned i = 0; i < 8; i++) {
		map(mm, ADDR + i * SIM_PAGE_SIZE, 20 + i, 7);
		sim_get(cpu, mm, ADDR + i * SIM_PAGE_SIZE);
	}
	flush(mm, ADDR + 2 * SIM_PAGE_SIZE, 2 * SIM_PAGE_SIZE);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(sim_tlb_holds(mm->sim, 20 + i), i < 2 || i > 3);
	flush(&other, 0, OM_VA_LIMIT);
	assert_true(sim_tlb_holds(mm->sim, 20));
	flush(mm, 0, OM_VA_LIMIT);
	for (unsigned i = 0; i < 8; i++)
		assert_false(sim_tlb_holds(mm->sim, 20 + i));
	sim_get(cpu, mm, ADDR);
	sim_tlb_flush(cpu);
	assert_false(sim_tlb_holds(mm->sim, 20));
}

static void test_rights(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	char c;

	map(mm, ADDR, 20, OM_PROT_READ);
	assert_int_equal(sim_load(cpu, mm, ADDR, &c, 1), OM_FAULT_MINOR);
	assert_int_equal(sim_store(cpu, mm, ADDR, "x", 1), OM_FAULT_MAPERR);
	assert_int_equal(sim_exec(cpu, mm, ADDR), OM_FAULT_MAPERR);
	/* PROT_NONE: the page is there, and nothing is allowed. */
	map(mm, ADDR + SIM_PAGE_SIZE, 21, OM_PROT_NONE);
	assert_int_equal(sim_load(cpu, mm, ADDR + SIM_PAGE_SIZE, &c, 1), OM_FAULT_MAPERR);
	assert_int_equal(mm->faults, 3);
	assert_false(om_pte_young(*entry_of(mm, ADDR + SIM_PAGE_SIZE)));

	/* More rights need no flush: the walk finds them. */
	map(mm, ADDR, 20, OM_PROT_READ | OM_PROT_WRITE);
	assert_int_equal(sim_store(cpu, mm, ADDR, "x", 1), OM_FAULT_MINOR);
}

static enum om_fault_result map_on_fault(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	if (addr >= ADDR + 2 * SIM_PAGE_SIZE)
		return OM_FAULT_BUS;
	map(mm, addr, 20 + (om_pfn_t)((addr - ADDR) >> OM_PAGE_SHIFT), access | OM_PROT_READ);
	return access == OM_WRITE ? OM_FAULT_MAJOR : OM_FAULT_MINOR;
}

static void test_faults(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	struct sim_cpu_stats stats;
	char buf[3 * 4096];

	mm->fault = map_on_fault;
	assert_int_equal(sim_load(cpu, mm, ADDR, buf, 1), OM_FAULT_MINOR);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(sim_store(cpu, mm, ADDR, buf, sizeof(buf)), OM_FAULT_BUS);
	assert_memory_equal(sim_frame(mm->sim, 20), buf, SIM_PAGE_SIZE);
	assert_memory_equal(sim_frame(mm->sim, 21), buf, SIM_PAGE_SIZE);
	sim_cpu_stats(cpu, &stats);
	assert_int_equal(stats.faults, 4);
	assert_int_equal(stats.major, 2);
}

static void test_check_tlb(void **state)
{
	struct om_mm *mm = *state;
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	struct sim_tlb_entry bad;

	map(mm, ADDR, 20, 7);
	map(mm, ADDR + SIM_PAGE_SIZE, 21, 7);
	sim_put(cpu, mm, ADDR, 1);
	sim_get(cpu, mm, ADDR + SIM_PAGE_SIZE);
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, &bad), 0);
	assert_int_equal(sim_check_tlb(mm->sim, NULL, 0, &bad), 2 + SIM_UPPER_LEVELS);

	om_pte_t *e = entry_of(mm, ADDR), good = *e;

	om_arch_pte_store(e, om_pte_wrprotect(good));
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, &bad), 1);
	assert_int_equal(bad.page, ADDR >> OM_PAGE_SHIFT);
	om_arch_pte_store(e, om_pte_mkclean(good));
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, NULL), 1);
	om_arch_pte_store(e, om_pte_make(22, 7));
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, NULL), 1);
	om_arch_pte_store(e, 0);
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, NULL), 1);
	flush(mm, ADDR, SIM_PAGE_SIZE);
	assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, NULL), 0);
}

/* ---------------------------------------------------------------- modes --------------------- */

/* Grants the access each time, and from the third fault on says so to the CPU. */
static enum om_fault_result grant_late(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	struct om_system *sys = sim_system(mm->sim);
	om_pte_t *e = entry_of(mm, addr);
	bool was_present = om_pte_present(*e);

	if (!was_present || mm->faults < 2)
		map(mm, addr, 20, access | OM_PROT_READ);
	if (mm->faults >= 3)
		sys->ops->flush_local(sys->ctx, mm, addr, was_present);
	return OM_FAULT_MINOR;
}

/* How many faults a store takes, of a page that can be read only, or is not there. */
static unsigned faults_of_store(enum sim_mode mode, bool present)
{
	struct om_mm *mm = new_machine(mode);
	struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
	unsigned faults;

	mm->fault = grant_late;
	if (present) {
		map(mm, ADDR, 20, OM_PROT_READ);
		sim_get(cpu, mm, ADDR);
	}
	sim_put(cpu, mm, ADDR, 1);
	sim_put(cpu, mm, ADDR, 2);
	faults = mm->faults;
	free_machine(mm);
	return faults;
}

static void test_what_faults_leave(void **state)
{
	(void)state;
	assert_int_equal(faults_of_store(SIM_X86, true), 1);
	assert_int_equal(faults_of_store(SIM_X86, false), 1);
	assert_int_equal(faults_of_store(SIM_KEEPS_READONLY, true), 3);
	assert_int_equal(faults_of_store(SIM_KEEPS_READONLY, false), 1);
	assert_int_equal(faults_of_store(SIM_KEEPS_ABSENT, true), 1);
	assert_int_equal(faults_of_store(SIM_KEEPS_ABSENT, false), 3);
	assert_int_equal(faults_of_store(SIM_KEEPS_ALL, true), 3);
	assert_int_equal(faults_of_store(SIM_KEEPS_ALL, false), 3);
}

/* The hook speaks of the page that the CPU faults on, and of no other; nor do other CPUs hear it. */
static void test_flush_local(void **state)
{
	struct om_mm *mm = new_machine(SIM_KEEPS_READONLY);
	struct om_system *sys = sim_system(mm->sim);
	char c = 'x';

	(void)state;
	map(mm, ADDR, 20, OM_PROT_READ);
	for (unsigned i = 0; i < 2; i++)
		sim_get(sim_cpu(mm->sim, i), mm, ADDR);
	map(mm, ADDR, 20, OM_PROT_READ | OM_PROT_WRITE);
	sys->ops->flush_local(sys->ctx, mm, ADDR, true);
	assert_int_equal(sim_store(sim_cpu(mm->sim, 0), mm, ADDR, &c, 1), OM_FAULT_MAPERR);
	mm->fault = grant_late;
	mm->faults = 2;
	assert_int_equal(sim_store(sim_cpu(mm->sim, 0), mm, ADDR, &c, 1), OM_FAULT_MINOR);
	mm->fault = NULL;
	assert_int_equal(sim_store(sim_cpu(mm->sim, 1), mm, ADDR, &c, 1), OM_FAULT_MAPERR);
	flush(mm, ADDR, SIM_PAGE_SIZE);
	assert_int_equal(sim_store(sim_cpu(mm->sim, 1), mm, ADDR, &c, 1), OM_FAULT_MINOR);
	free_machine(mm);
}

/* Another leaf table, whose page is frame 21, takes the place of the one at ADDR. */
static om_pfn_t replace_table(struct om_mm *mm)
{
	om_pfn_t old = 2 + OM_LEVELS - 2, new = mm->next_table++;
	om_pte_t *upper = (om_pte_t *)sim_frame(mm->sim, old - 1), *leaf = entry_of(mm, ADDR);

	while (om_pte_none(*upper))
		upper++;
	assert_int_equal(om_pte_pfn(*upper), old);
	memset(sim_frame(mm->sim, new), 0, SIM_PAGE_SIZE);
	((om_pte_t *)sim_frame(mm->sim, new))[leaf - (om_pte_t *)sim_frame(mm->sim, old)] =
	    om_pte_make(21, OM_PROT_READ);
	*(unsigned long *)sim_frame(mm->sim, 21) = 21;
	om_arch_pte_store(upper, om_pte_mktable(new));
	return old;
}

/* ADDR is read, its table is replaced, its translation flushed, and it is read again. */
static void test_upper_levels(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct om_mm *mm = new_machine(i ? SIM_KEEPS_UPPER : SIM_X86);
		struct sim_cpu *cpu = sim_cpu(mm->sim, 0);
		struct sim_tlb_entry bad;
		om_pfn_t old;

		map(mm, ADDR, 20, OM_PROT_READ);
		*(unsigned long *)sim_frame(mm->sim, 20) = 20;
		assert_int_equal(sim_get(cpu, mm, ADDR), 20);
		old = replace_table(mm);
		assert_true(sim_tlb_holds(mm->sim, old));
		flush(mm, ADDR, SIM_PAGE_SIZE);
		assert_int_equal(sim_tlb_holds(mm->sim, old), i);
		assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, &bad), i);
		if (i)
			assert_int_equal(bad.pfn, old);
		assert_int_equal(sim_get(cpu, mm, ADDR), i ? 20 : 21);
		flush_tables(mm, ADDR + ((uintptr_t)64 << 20), SIM_PAGE_SIZE);
		flush(mm, ADDR, SIM_PAGE_SIZE);
		assert_int_equal(sim_get(cpu, mm, ADDR), i ? 20 : 21);
		/* The translation of the page is a matter of its own. */
		flush_tables(mm, ADDR, SIM_PAGE_SIZE);
		assert_int_equal(sim_get(cpu, mm, ADDR), i ? 20 : 21);
		flush(mm, ADDR, SIM_PAGE_SIZE);
		assert_int_equal(sim_get(cpu, mm, ADDR), 21);
		assert_int_equal(sim_check_tlb(mm->sim, &mm, 1, NULL), 0);
		sim_tlb_flush(cpu);
		assert_false(sim_tlb_holds(mm->sim, mm->next_table - 1));
		free_machine(mm);
	}
}

static void test_mode_of_environment(void **state)
{
	static const struct {
		const char *words;
		unsigned mode;
	} row[] = {{"x86", SIM_X86},
	           {"", SIM_X86},
	           {"readonly", SIM_KEEPS_READONLY},
	           {"upper,absent", SIM_KEEPS_UPPER | SIM_KEEPS_ABSENT},
	           {"all", SIM_KEEPS_ALL}};
	const char *before = getenv("OM_SIM_MODE");
	char saved[64] = "";

	(void)state;
	if (before)
		snprintf(saved, sizeof(saved), "%s", before);
	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		setenv("OM_SIM_MODE", row[i].words, 1);
		assert_int_equal(sim_mmu_mode(SIM_MODE_ENV), row[i].mode);
		assert_int_equal(sim_mmu_mode(SIM_KEEPS_ABSENT), SIM_KEEPS_ABSENT);
	}
	setenv("OM_SIM_MODE", saved, 1);
}

/* ---------------------------------------------------------------- threads ------------------- */

/* One thread stores through whatever translation it has; a page taken away and flushed stays as it
 * is. */
static _Atomic bool writer_stop;

static void *writer(void *arg)
{
	struct om_mm *mm = arg;

	for (unsigned long i = 0; !writer_stop; i++)
		sim_put(sim_cpu(mm->sim, 1), mm, ADDR, i);
	return NULL;
}

static void test_flush_waits_for_accesses(void **state)
{
	struct om_mm *mm = *state;
	pthread_t thread;

	map(mm, ADDR, 20, 7);
	writer_stop = false;
	pthread_create(&thread, NULL, writer, mm);
	for (unsigned i = 0; i < 2000; i++) {
		om_pfn_t old = 20 + i % 2, now = 20 + (i + 1) % 2;

		map(mm, ADDR, now, 7);
		flush(mm, ADDR, SIM_PAGE_SIZE);
		memset(sim_frame(mm->sim, old), 0x55, sizeof(long));
		for (unsigned k = 0; k < 50; k++)
			assert_int_equal(*(volatile unsigned char *)sim_frame(mm->sim, old), 0x55);
	}
	writer_stop = true;
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_load_and_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_young_and_dirty_bits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stale_entry_is_used_until_flushed, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(test_flush_of_ranges, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_check_tlb, setup, teardown),
	    cmocka_unit_test(test_what_faults_leave),
	    cmocka_unit_test(test_flush_local),
	    cmocka_unit_test(test_upper_levels),
	    cmocka_unit_test(test_mode_of_environment),
	    cmocka_unit_test_setup_teardown(test_flush_waits_for_accesses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
