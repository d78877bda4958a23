/*
 * test_sim.c: the simulated machine by itself. A few lines here play objrmap: one address space
 * with a page table that the test writes, and an om_fault() that maps what the test prepared. So
 * the test says what the MMU, the TLB and the stores do whatever the core does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fail.h"
#include "machine.h"

/* ---------------------------------------------------------------- a core of one mm ---------- */

#define FRAMES    64
#define ADDR      ((uintptr_t)0x400000)
#define FIRST_PFN 16 /* of data; below: tables */

struct om_mm {
	struct sim *sim;
	om_pfn_t root, next_table;
	unsigned faults;
	enum om_fault_result (*fault)(struct om_mm *mm, uintptr_t addr, enum om_access access);
};

struct om_system {
	const struct om_port_ops *ops;
	void *ctx;
	_Atomic om_pfn_t free;
	_Atomic unsigned steps;
};

size_t om_system_bytes(om_pfn_t nr_frames)
{
	return sizeof(struct om_system) + nr_frames;
}

struct om_system *om_system_init(const struct om_config *config)
{
	struct om_system *sys = config->storage;

	assert_int_equal((uintptr_t)sys % 64, 0);
	*sys = (struct om_system){.ops = config->ops, .ctx = config->ctx};
	return sys;
}

int om_system_fini(struct om_system *sys)
{
	(void)sys;
	return 0;
}

int om_add_memory(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	assert_int_equal(first, 1);
	sys->free = n;
	return 0;
}

om_pfn_t om_free_frames(const struct om_system *sys)
{
	return sys->free;
}

size_t om_reclaim_step(struct om_system *sys, size_t pages)
{
	sys->steps++;
	sys->free += (om_pfn_t)pages;
	return pages;
}

om_pfn_t om_mm_root(const struct om_mm *mm)
{
	return mm->root;
}

enum om_fault_result om_fault(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	mm->faults++;
	return mm->fault ? mm->fault(mm, addr, access) : OM_FAULT_MAPERR;
}

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

	sys->ops->flush(sys->ctx, mm, addr, addr + n);
}

static int setup(void **state)
{
	struct om_mm *mm = calloc(1, sizeof(*mm));

	mm->sim = sim_create(&(struct sim_config){.nr_frames = FRAMES, .nr_cpus = 2, .junk = true});
	assert_non_null(mm->sim);
	mm->root = 1;
	mm->next_table = 2;
	memset(sim_frame(mm->sim, mm->root), 0, SIM_PAGE_SIZE);
	*state = mm;
	return 0;
}

static int teardown(void **state)
{
	struct om_mm *mm = *state;

	assert_int_equal(sim_destroy(mm->sim), 0);
	free(mm);
	return 0;
}

/* ---------------------------------------------------------------- MMU and TLB --------------- */

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
	assert_int_equal(sim_check_tlb(mm->sim, NULL, 0, &bad), 2);

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

/* ---------------------------------------------------------------- hooks --------------------- */

static jmp_buf panicked;
static struct om_bug last_bug;

static void on_panic(void *arg, const struct om_bug *bug)
{
	(void)arg;
	last_bug = *bug;
	longjmp(panicked, 1);
}

static void test_panic(void **state)
{
	struct om_mm *mm = *state;

	sim_on_panic(mm->sim, on_panic, NULL);
	if (!setjmp(panicked)) {
		sim_get(sim_cpu(mm->sim, 0), mm, ADDR);
		fail();
	}
	assert_string_equal(last_bug.rule, "sim MMU");
	assert_int_equal(last_bug.value[0], ADDR);
	assert_int_equal(last_bug.value[1], OM_FAULT_MAPERR);
}

static _Atomic int flag;

static bool flag_is_clear(const void *arg)
{
	return !atomic_load((const _Atomic int *)arg);
}

static void *sleeper(void *arg)
{
	struct om_system *sys = sim_system(arg);

	while (flag_is_clear(&flag))
		sys->ops->wait(sys->ctx, &flag, flag_is_clear, &flag);
	return NULL;
}

static void test_wait_and_wake(void **state)
{
	struct om_mm *mm = *state;
	struct om_system *sys = sim_system(mm->sim);

	for (unsigned i = 0; i < 200; i++) {
		pthread_t thread[3];

		flag = 0;
		for (unsigned t = 0; t < 3; t++)
			pthread_create(&thread[t], NULL, sleeper, mm->sim);
		if (i % 2)
			usleep(100);
		flag = 1;
		sys->ops->wake(sys->ctx, &flag);
		for (unsigned t = 0; t < 3; t++)
			pthread_join(thread[t], NULL);
	}
}

static void test_kswapd(void **state)
{
	struct om_mm *mm = *state;
	struct om_system *sys = sim_system(mm->sim);

	sys->free = 10;
	assert_int_equal(sim_kswapd_start(mm->sim, 100), 0);
	assert_int_equal(sim_kswapd_start(mm->sim, 100), -OM_EBUSY);
	for (unsigned round = 1; round <= 3; round++) {
		sys->free = 10;
		sys->ops->low_memory(sys->ctx);
		while (sys->steps < 3 * round)
			usleep(1000);
		assert_int_equal(sys->steps, 3 * round);
	}
	sim_kswapd_stop(mm->sim);
	assert_int_equal(sys->free, 10 + 3 * 32);
}

/* ---------------------------------------------------------------- stores -------------------- */

static void check_store(struct sim_store *store)
{
	static unsigned char in[3][4096], out[3][4096];
	void *const from[] = {in[0], in[1], in[2]}, *const to[] = {out[0], out[1], out[2]};
	struct sim_store_stats stats;

	memset(in[0], 1, sizeof(in[0]));
	memset(in[1], 2, sizeof(in[1]));
	memset(in[2], 3, sizeof(in[2]));
	memset(out, 0xff, sizeof(out));
	assert_int_equal(sim_store_ops.read(store, 7, 1, to), 0);
	assert_int_equal(out[0][0] | out[0][4095], 0);
	assert_int_equal(sim_store_ops.write(store, 1000, 3, from), 0);
	assert_int_equal(sim_store_ops.read(store, 1000, 3, to), 0);
	assert_memory_equal(in, out, sizeof(in));

	sim_store_poke(store, 1000 * 4096 + 4094, "peek", 4);
	sim_store_peek(store, 1000 * 4096 + 4093, out, 6);
	assert_memory_equal(out, "\1peek\2", 6);
	sim_store_truncate(store, 1001 * 4096 + 1);
	assert_int_equal(sim_store_ops.read(store, 1001, 2, to), 0);
	assert_int_equal(out[0][0], 'e');
	assert_int_equal(out[0][1] | out[0][2] | out[1][0], 0);

	sim_store_latency(store, 1, 1);
	sim_store_fail(store, SIM_WRITE, 2, false);
	assert_int_equal(sim_store_ops.write(store, 0, 1, from), 0);
	assert_int_equal(sim_store_ops.write(store, 0, 2, from + 1), -OM_EIO);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), 0);
	assert_memory_equal(out[0], in[0], 4096);
	assert_int_equal(sim_store_ops.write(store, 0, 1, from), 0);
	sim_store_fail(store, SIM_READ, 1, true);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), -OM_EIO);
	assert_memory_not_equal(out[0], in[0], 4096);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), -OM_EIO);
	sim_store_fail(store, SIM_READ, 0, false);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), 0);

	sim_store_ops.release(store);
	sim_store_stats(store, &stats);
	assert_int_equal(stats.reads, 7);
	assert_int_equal(stats.pages_read, 10);
	assert_int_equal(stats.writes, 4);
	assert_int_equal(stats.pages_written, 7);
	assert_int_equal(stats.read_errors, 2);
	assert_int_equal(stats.write_errors, 1);
	assert_int_equal(stats.released, 1);
	sim_store_free(store);
}

static void test_ram_store(void **state)
{
	(void)state;
	check_store(sim_store_ram());
}

static void test_file_store(void **state)
{
	char path[] = "/tmp/objrmap-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	check_store(sim_store_file(path));
	unlink(path);
	assert_null(sim_store_file("/nonexistent/store"));
}

/* ---------------------------------------------------------------- failing, random numbers --- */

static void test_failing_allocations(void **state)
{
	struct om_system *sys = sim_system(((struct om_mm *)*state)->sim);
	struct om_system other;

	assert_false(sim_fail_alloc(sys));
	sim_fail_arm(sys, 3, false);
	assert_false(sim_fail_alloc(sys) || sim_fail_alloc(&other) || sim_fail_alloc(sys));
	assert_true(sim_fail_alloc(sys));
	assert_false(sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 4);
	assert_false(sim_fail_alloc(sys));

	sim_fail_arm(NULL, 2, true);
	assert_false(sim_fail_alloc(sys));
	assert_true(sim_fail_alloc(&other) && sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 3);
	sim_fail_arm(NULL, 0, false);
	assert_false(sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 1);
}

static void test_random_numbers(void **state)
{
	struct sim_rand a, b;
	unsigned count[10] = {0}, chances = 0;

	(void)state;
	sim_rand_seed(&a, 42);
	sim_rand_seed(&b, 42);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(sim_rand(&a) == sim_rand(&b));
	for (unsigned i = 0; i < 10000; i++) {
		count[sim_rand_below(&a, 10)]++;
		chances += sim_rand_chance(&a, 25);
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(count[i], 850, 1150);
	assert_in_range(chances, 2300, 2700);
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
	    cmocka_unit_test_setup_teardown(test_flush_waits_for_accesses, setup, teardown),
	    cmocka_unit_test(test_ram_store),
	    cmocka_unit_test(test_file_store),
	    cmocka_unit_test_setup_teardown(test_panic, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wait_and_wake, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kswapd, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failing_allocations, setup, teardown),
	    cmocka_unit_test(test_random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
