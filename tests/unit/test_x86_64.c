/*
 * test_x86_64.c: the x86-64 port: the format of entries, and what flushes and switches do, one at a
 * time. One thread plays all CPUs; test_x86_64_threads.c has those that do several things at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if UINTPTR_MAX > 0xffffffff

#include "x86_machine.h"

/* ---- entries ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	const char *broken = port_check_entries();

	(void)state;
	if (broken)
		fail_msg("%s", broken);
}

/* What the manual says about the bits. */
static void test_format(void **state)
{
	(void)state;
	assert_int_equal(om_pte_make(0x12345, OM_PROT_READ), 0x8000000012345205);
	assert_int_equal(om_pte_make(0x12345, RW), 0x8000000012345207);
	assert_int_equal(om_pte_make(0x12345, RX), 0x12345205);
	assert_int_equal(om_pte_make(0x12345, OM_PROT_NONE) & 1, 0);
	assert_int_equal(om_pte_mkyoung(0), 0x20);
	assert_int_equal(om_pte_mkdirty(0), 0x40);
	assert_int_equal(om_pte_mktable(0xfffff), 0xfffff207);
	assert_int_equal(om_pte_mkbig(om_pte_make(0x12200, RW)), 0x8000000012200287);
	assert_int_equal(om_pte_mksmall(0x8000000012200287, 3), 0x8000000012203207);
	assert_int_equal(om_pte_mkswap((1u << OM_SWAP_BITS) - 1) & 1, 0);
	assert_int_equal(om_pte_mkfile(~0ul >> 12) & 1, 0);
	assert_int_equal(om_arch_pfn(NULL, om_arch_frame(NULL, 0xfffff)), 0xfffff);
}

/* ---- one CPU ------------------------------------------------------------------------------ */

static void test_switch(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 2);
	assert_int_equal(models[0].cr3, 3 << 12);
	go(0, 2);
	go(0, -1);
	go(0, 2);
	assert_int_equal(models[0].cr3_writes, 1);
	assert_int_equal(mms[2].loaded[0], 1);
	go(0, 1);
	assert_int_equal(models[0].cr3, 2 << 12);
	assert_int_equal(mms[2].loaded[0], 0);
}

static void test_flush_local(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 0);
	flush(0, 0, 3, 4);
	assert_int_equal(models[0].invlpg, 1);
	flush(0, 0, 1, 33);
	assert_int_equal(models[0].invlpg, 33);
	assert_int_equal(models[0].cr3_writes, 1);
	flush(0, 0, 0, OM_VA_LIMIT >> 12);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(models[0].cr3, 1 << 12);
	flush(0, 1, 0, 48);
	assert_int_equal(models[0].invlpg, 33);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(x86_mmu_figures(&mmu).shootdowns, 0);
	assert_int_equal(x86_mmu_figures(&mmu).full_flushes, 1);
}

static void test_pcid(void **state)
{
	(void)state;
	machine_init(true);
	go(0, 0);
	assert_false(kept(0));
	flush(0, 0, 1, 2);
	go(0, 1);
	go(0, 0);
	assert_true(kept(0)); /* it has done that flush itself */
	go(0, 1);
	assert_true(kept(0));
	flush(0, 0, 1, 2);
	go(0, 0);
	assert_false(kept(0));
	for (int i = 1; i < NR_MMS; i++)
		go(0, i);
	go(0, 0);
	assert_false(kept(0)); /* its PCID is somebody else's now */
}

/* ---- several CPUs ------------------------------------------------------------------------- */

static void test_shootdown(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 0);
	go(1, 0);
	go(2, 1);
	flush(0, 0, 5, 7);
	assert_int_equal(models[0].invlpg, 2);
	assert_int_equal(models[1].invlpg, 2);
	assert_int_equal(models[1].interrupts, 1);
	assert_int_equal(models[2].interrupts, 0);
	/* From a CPU that has something else loaded. */
	flush(3, 0, 0, 40);
	assert_int_equal(models[0].cr3_writes, 2);
	assert_int_equal(models[1].cr3_writes, 2);
	assert_int_equal(models[3].cr3_writes, 0);
	assert_int_equal(x86_mmu_figures(&mmu).shootdowns, 2);
	assert_int_equal(x86_mmu_figures(&mmu).ipis, 3);
}

/* Whatever the tables covered, one invlpg drops them. */
static void test_flush_tables(void **state)
{
	(void)state;
	machine_init(false);
	go(0, 0);
	go(1, 0);
	flush_tables(0, 0, 0, OM_VA_LIMIT >> 12);
	assert_int_equal(models[0].invlpg, 1);
	assert_int_equal(models[1].invlpg, 1);
	assert_int_equal(x86_mmu_figures(&mmu).ipis, 1);
	assert_int_equal(x86_mmu_figures(&mmu).full_flushes, 0);
}

/* An idle CPU is interrupted once, and lets go. */
static void test_lazy(void **state)
{
	(void)state;
	machine_init(true);
	go(1, 0);
	go(1, -1);
	go(0, 0);
	flush(0, 0, 5, 6);
	flush(0, 0, 5, 6);
	assert_int_equal(models[1].interrupts, 1);
	assert_int_equal(models[1].cr3, KERNEL_ROOT);
	assert_int_equal(mms[0].loaded[0], 1);
	go(1, 0);
	assert_false(kept(1));
}

static void test_retire(void **state)
{
	(void)state;
	machine_init(true);
	for (unsigned i = 0; i < 3; i++)
		go(i, 0);
	go(1, -1);
	go(2, 1);
	here = 0;
	x86_mm_retire(&mmu, &mms[0]);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(models[i].cr3, KERNEL_ROOT);
	assert_int_equal(models[2].interrupts, 0);
	assert_int_equal(mms[0].loaded[0], 0);
	/* Another one at the same address is not taken for it. */
	memset(&mms[0], 0, sizeof(mms[0]));
	x86_mm_init(&mmu, &mms[0]);
	go(0, 0);
	assert_false(kept(0));
}

static void test_flush_kernel(void **state)
{
	(void)state;
	machine_init(false);
	here = 1;
	x86_flush_kernel(&mmu, 3, 0x2000, 0x5000);
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(models[i].invlpg, i < 3 ? 3 : 0);
	assert_int_equal(models[1].interrupts, 0);
}

/* An address space that has never been taken for another: ids of all CPUs differ. */
static void test_ids(void **state)
{
	struct x86_mm a = {0}, b = {0}, c = {0};

	(void)state;
	machine_init(true);
	here = 1;
	x86_mm_init(&mmu, &a);
	x86_mm_init(&mmu, &b);
	here = 2;
	x86_mm_init(&mmu, &c);
	assert_true(a.id && b.id && c.id && a.id != b.id && a.id != c.id && b.id != c.id);
}

/* One CPU's request, as if it had begun a flush and were waiting. True: it would send an interrupt. */
static bool begin_flush(unsigned asker, unsigned to, unsigned mm, uintptr_t start, uintptr_t end)
{
	struct x86_request *r = &mmu.cpu[asker].request;

	r->mm = &mms[mm];
	r->retire = false;
	r->range = (struct x86_range){.start = start << 12,
	                              .end = end << 12,
	                              .generation = atomic_fetch_add(&mms[mm].generation, 1) + 1};
	r->waiting = 1;
	return post(&mmu.cpu[to], asker);
}

/* Letters of several CPUs need one interrupt in each word, and all are answered when the CPU looks. */
static void test_mailbox(void **state)
{
	static const unsigned askers[] = {0, 2, 63, 64, 199};

	(void)state;
	machine_with(200, false, false);
	go(1, 0);
	assert_true(begin_flush(0, 1, 0, 0, 1));
	assert_false(begin_flush(2, 1, 0, 1, 2));
	assert_false(begin_flush(63, 1, 1, 2, 3)); /* not loaded there */
	assert_true(begin_flush(64, 1, 0, 3, 4));
	assert_true(begin_flush(199, 1, 0, 4, 6));
	here = 1;
	x86_flush_interrupt(&mmu);
	for (unsigned i = 0; i < sizeof(askers) / sizeof(*askers); i++)
		assert_int_equal(mmu.cpu[askers[i]].request.waiting, 0);
	assert_int_equal(models[1].invlpg, 5);
	assert_int_equal(models[1].cr3_writes, 1);
	assert_int_equal(mmu.cpu[1].generation, 4);
	assert_true(begin_flush(0, 1, 0, 0, 1));
}

/* A later flush comes first: everything goes, and the earlier one finds that it is done. */
static void test_out_of_order(void **state)
{
	(void)state;
	machine_init(false);
	go(1, 0);
	begin_flush(3, 1, 0, 0, 1);
	begin_flush(0, 1, 0, 1, 2); /* CPU 0 is looked at first */
	here = 1;
	x86_flush_interrupt(&mmu);
	assert_int_equal(mmu.cpu[0].request.waiting + mmu.cpu[3].request.waiting, 0);
	assert_int_equal(models[1].invlpg, 0);
	assert_int_equal(models[1].cr3_writes, 2);
	assert_int_equal(x86_mmu_figures(&mmu).full_flushes, 1);
	flush(1, 0, 2, 3);
	assert_int_equal(models[1].invlpg, 1);
}

/* As many CPUs as there can be. */
static void test_many(void **state)
{
	(void)state;
	machine_with(MAX_CPUS, true, false);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		go(i, i == 70 ? 1 : 0);
	flush(130, 0, 5, 6);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		assert_int_equal(models[i].interrupts, i != 70 && i != 130);
	assert_int_equal(x86_mmu_figures(&mmu).ipis, MAX_CPUS - 2);
	flush(70, 1, 5, 6);
	assert_int_equal(x86_mmu_figures(&mmu).shootdowns, 1);
	here = 3;
	x86_mm_retire(&mmu, &mms[0]);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		assert_int_equal(models[i].cr3 == KERNEL_ROOT, i != 70);
	for (unsigned i = 0; i < X86_CPU_WORDS; i++)
		assert_int_equal(mms[0].loaded[i], 0);
	here = 255;
	x86_flush_kernel(&mmu, MAX_CPUS, 0, 0x1000);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		assert_int_equal(models[i].interrupts,
		                 (i != 70 && i != 130) + (i != 70 && i != 3) + (i != 255));
}

/* With the machine's own instructions nobody is interrupted, but at the end of an address space. */
static void test_everywhere(void **state)
{
	(void)state;
	machine_with(FEW, true, true);
	go(0, 0);
	go(1, 0);
	models[1].tlb[1][5] = 1;
	flush(0, 0, 5, 6);
	assert_int_equal(models[1].tlb[1][5], NO_ENTRY);
	assert_int_equal(models[1].interrupts + models[0].invlpg, 0);
	assert_int_equal(x86_mmu_figures(&mmu).shootdowns, 1);
	go(1, 1);
	go(1, 0);
	assert_false(kept(1)); /* it does not know of that flush */
	go(1, 1);
	flush(0, 0, 5, 6); /* alone: by itself, and everything, for its own count has a gap */
	assert_int_equal(x86_mmu_figures(&mmu).full_flushes, 1);
	x86_flush_kernel(&mmu, FEW, 0, 0x1000);
	assert_int_equal(models[1].interrupts, 0);
	go(1, 0);
	here = 0;
	x86_mm_retire(&mmu, &mms[0]);
	assert_int_equal(models[1].interrupts, 1);
	assert_int_equal(models[1].cr3, KERNEL_ROOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),        cmocka_unit_test(test_format),
	    cmocka_unit_test(test_switch),       cmocka_unit_test(test_flush_local),
	    cmocka_unit_test(test_pcid),         cmocka_unit_test(test_shootdown),
	    cmocka_unit_test(test_lazy),         cmocka_unit_test(test_retire),
	    cmocka_unit_test(test_flush_tables), cmocka_unit_test(test_flush_kernel),
	    cmocka_unit_test(test_ids),          cmocka_unit_test(test_mailbox),
	    cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_many),
	    cmocka_unit_test(test_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: the port is for 64-bit machines");
	return 77;
}

#endif
