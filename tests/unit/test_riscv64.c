/*
 * test_riscv64.c: the RISC-V port: the format of entries, tags of address spaces, and what flushes
 * and switches do. One thread plays all CPUs of a machine whose TLBs keep all that they may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if UINTPTR_MAX > 0xffffffff

/* ---- the machine -------------------------------------------------------------------------- */

#include "tag_machine.h"

#define KERNEL_ROOT 0xfff000ul

static struct {
	uint64_t satp;
	unsigned tlb[1 << TAG_BITS][NR_PAGES];
	unsigned page_fences, asid_fences, all_fences, interrupts;
	_Bool pending;
} models[FEW];

static unsigned firmware_calls;

static void drop_model(unsigned cpu, uintptr_t start, uintptr_t end, unsigned long asid)
{
	for (unsigned page = 0; page < NR_PAGES; page++)
		if (start <= (uintptr_t)page << 12 && (uintptr_t)page << 12 < end)
			models[cpu].tlb[asid][page] = NOTHING;
}

static void interrupt(unsigned cpu);

#define RV_INSN_H

static unsigned rv_cpu_number(void)
{
	return here;
}

static void rv_preempt_disable(void)
{
}

static void rv_preempt_enable(void)
{
}

static unsigned long rv_irq_save(void)
{
	return 0;
}

static void rv_irq_restore(unsigned long status)
{
	(void)status;
}

static uint64_t rv_read_satp(void)
{
	return models[here].satp;
}

/* The upper bits of an ASID are not there. */
static void rv_write_satp(uint64_t v)
{
	models[here].satp = v & ~((uint64_t)(0xffff & -(1 << TAG_BITS)) << 44);
}

static void rv_sfence_page(uintptr_t addr, unsigned long asid)
{
	models[here].page_fences++;
	drop_model(here, addr, addr + 1, asid);
}

static void rv_sfence_asid(unsigned long asid)
{
	models[here].asid_fences++;
	drop_model(here, 0, UINTPTR_MAX, asid);
}

static void rv_sfence_all(void)
{
	models[here].all_fences++;
	memset(models[here].tlb, 0, sizeof(models[here].tlb));
}

/* A CPU waits: the others have their turn. */
static void rv_pause(void)
{
	unsigned self = here;

	for (unsigned i = 0; i < FEW; i++)
		if (i != self && models[i].pending)
			interrupt(i);
	here = self;
}

/* CPU n is hart 100 + n * 30: not all are in one set of 64. */
static const uint32_t hart_of_cpu[FEW] = {100, 130, 160, 190};

static void rv_sbi_sfence(unsigned long set, unsigned long base, uintptr_t start, size_t size,
                          unsigned long asid)
{
	firmware_calls++;
	for (unsigned i = 0; i < FEW; i++)
		if (hart_of_cpu[i] - base < 64 && set >> (hart_of_cpu[i] - base) & 1) {
			set &= ~(1ul << (hart_of_cpu[i] - base));
			drop_model(i, start, size == (size_t)-1 ? size : start + size, asid);
		}
	assert_int_equal(set, 0);
}

#include "../../ports/riscv64/mmu.c"

#include "../../ports/asid.c"

#include "../../ports/template/check.c"

static struct rv_mmu mmu;
static struct rv_mm mms[NR_MMS];

static void interrupt(unsigned cpu)
{
	here = cpu;
	models[cpu].pending = false;
	models[cpu].interrupts++;
	rv_flush_interrupt(&mmu);
}

static void send_flush(void *ctx, uint64_t cpus)
{
	assert_ptr_equal(ctx, models);
	for (unsigned i = 0; i < FEW; i++)
		if (cpus >> i & 1)
			models[i].pending = true;
	assert_int_equal(cpus >> FEW, 0);
}

static void machine(unsigned asid_bits, bool firmware)
{
	const struct rv_mmu_config config = {.ctx = models,
	                                     .kernel_root = KERNEL_ROOT,
	                                     .nr_cpus = FEW,
	                                     .asid_bits = asid_bits,
	                                     .harts = hart_of_cpu,
	                                     .send_flush = firmware ? NULL : send_flush};

	memset(models, 0, sizeof(models));
	memset(&mmu, 0, sizeof(mmu));
	rv_mmu_init(&mmu, &config);
	for (unsigned i = 0; i < FEW; i++)
		models[i].satp = MODE | KERNEL_ROOT >> 12;
	here = firmware_calls = 0;
	for (unsigned i = 0; i < NR_MMS; i++)
		rv_mm_init(&mms[i]);
	fill_entries();
}

static void go(unsigned cpu, int mm)
{
	here = cpu;
	rv_switch(&mmu, mm < 0 ? NULL : &mms[mm], (om_pfn_t)(mm + 1));
}

static void flush(unsigned cpu, unsigned mm, unsigned start, unsigned end, enum om_flush what)
{
	here = cpu;
	rv_flush(&mmu, (struct om_mm *)&mms[mm], (uintptr_t)start << 12, (uintptr_t)end << 12,
	         what);
}

static void flush_entries(unsigned cpu, unsigned mm, unsigned start, unsigned end, bool all)
{
	flush(cpu, mm, start, end, all ? OM_FLUSH_ALL : OM_FLUSH_PAGES);
}

static int mm_on(unsigned cpu)
{
	return mmu.cpu[cpu].loaded ? (int)(mmu.cpu[cpu].loaded - mms) : -1;
}

static unsigned look(unsigned cpu, unsigned page)
{
	uint64_t satp = models[cpu].satp, mm = (satp & 0xfffffff) - RV_FIRST_FRAME - 1;
	unsigned *cached = &models[cpu].tlb[satp >> 44 & 0xffff][page];

	assert_true(mm < NR_MMS);
	if (*cached == NOTHING)
		*cached = entries[mm][page];
	return *cached;
}

static unsigned tag_of(unsigned cpu)
{
	return models[cpu].satp >> 44 & 0xffff;
}

/* ---- entries ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	const char *broken = port_check_entries();

	(void)state;
	if (broken)
		fail_msg("%s", broken);
}

/* What the manual says about the bits: V 1, R 2, W 4, X 8, U 16, A 64, D 128; R 0 with W is none. */
static void test_format(void **state)
{
	const om_pte_t frame = (0x12345ul + RV_FIRST_FRAME) << 10 | RV_HELD;

	(void)state;
	assert_int_equal(om_pte_make(0x12345, OM_PROT_READ), frame | 0x13);
	assert_int_equal(om_pte_make(0x12345, RW), frame | 0x17);
	assert_int_equal(om_pte_make(0x12345, RX), frame | 0x1b);
	assert_int_equal(om_pte_make(0x12345, OM_PROT_NONE), frame);
	assert_int_equal(om_pte_wrprotect(om_pte_make(0x12345, RW)), frame | 0x13);
	assert_int_equal(om_pte_mkyoung(0), 0x40);
	assert_int_equal(om_pte_mkdirty(0), 0x80);
	assert_int_equal(om_pte_mktable(0x12345), frame | 1);
	assert_int_equal(om_pte_mkswap((1u << OM_SWAP_BITS) - 1) & 1, 0);
	assert_int_equal(om_pte_mkfile(~0ul >> 10) & 1, 0);
	assert_int_equal(om_arch_pfn(NULL, om_arch_frame(NULL, 0xfffff)), 0xfffff);
	assert_int_equal(OM_VA_LIMIT, 1ul << 38);
	assert_int_equal(MODE >> 60, 8);
}

/* ---- one CPU ------------------------------------------------------------------------------ */

static void test_asid_bits(void **state)
{
	(void)state;
	machine(0, true);
	assert_int_equal(rv_asid_bits(), TAG_BITS);
	assert_int_equal(models[0].satp, MODE | KERNEL_ROOT >> 12);
}

/* An address space keeps its tag, and what is under it is kept, until there is a flush. */
static void test_tags(void **state)
{
	unsigned tag;

	(void)state;
	machine(TAG_BITS, true);
	go(0, 2);
	tag = tag_of(0);
	assert_true(tag > 0);
	assert_int_equal(models[0].satp & 0xfffffff, RV_FIRST_FRAME + 3);
	assert_int_equal(models[0].asid_fences, 1); /* it is new here */
	go(0, 3);
	assert_true(tag_of(0) > 0 && tag_of(0) != tag);
	go(0, -1);
	assert_int_equal(models[0].satp, MODE | KERNEL_ROOT >> 12);
	go(0, 2);
	assert_int_equal(tag_of(0), tag);
	assert_int_equal(models[0].asid_fences, 2);
	go(0, 3);
	flush(0, 2, 1, 2, OM_FLUSH_PAGES); /* not loaded: later */
	assert_int_equal(models[0].page_fences, 0);
	go(0, 2);
	assert_int_equal(models[0].asid_fences, 3);
	assert_int_equal(firmware_calls, 0);
}

static void test_flush_here(void **state)
{
	(void)state;
	machine(TAG_BITS, true);
	go(0, 0);
	flush(0, 0, 3, 5, OM_FLUSH_PAGES);
	assert_int_equal(models[0].page_fences, 2);
	assert_int_equal(models[0].asid_fences, 1);
	flush(0, 0, 0, 33, OM_FLUSH_PAGES);
	assert_int_equal(models[0].asid_fences, 2);
	flush(0, 0, 3, 4, OM_FLUSH_TABLES); /* an address would not do */
	assert_int_equal(models[0].asid_fences, 3);
	rv_flush_local(&mmu, (struct om_mm *)&mms[0], 7 << 12, false);
	rv_flush_local(&mmu, (struct om_mm *)&mms[1], 7 << 12, true);
	assert_int_equal(models[0].page_fences, 3);
}

/* Without tags a switch drops everything. */
static void test_no_tags(void **state)
{
	(void)state;
	machine(0, true);
	go(0, 0);
	assert_int_equal(look(0, 5), 1);
	entries[1][5] = 2;
	go(0, 1);
	assert_int_equal(look(0, 5), 2);
	assert_int_equal(tag_of(0), 0);
	flush(0, 1, 5, 6, OM_FLUSH_PAGES);
	assert_int_equal(models[0].page_fences, 1);
}

/* ---- several CPUs ------------------------------------------------------------------------- */

static void shootdown(bool firmware)
{
	machine(TAG_BITS, firmware);
	go(0, 0);
	go(1, 0);
	go(2, 1);
	for (unsigned i = 0; i < 3; i++)
		look(i, 5);
	entries[0][5] = 2;
	flush(0, 0, 5, 7, OM_FLUSH_PAGES);
	assert_int_equal(look(0, 5), 2);
	assert_int_equal(look(1, 5), 2);
	assert_int_equal(models[0].page_fences, 2);
	assert_int_equal(models[1].interrupts, !firmware);
	assert_int_equal(models[2].interrupts, 0);
	assert_int_equal(firmware_calls, firmware);
	/* From a CPU that has something else loaded: 0 and 1 are in two sets of harts. */
	entries[0][5] = 3;
	flush(2, 0, 0, 40, OM_FLUSH_PAGES);
	assert_int_equal(look(0, 5), 3);
	assert_int_equal(look(1, 5), 3);
	assert_int_equal(firmware_calls, firmware ? 3 : 0);
	assert_int_equal(mmu.cpu[0].remote + mmu.cpu[2].remote, 2);
}

static void test_shootdown(void **state)
{
	(void)state;
	shootdown(true);
	shootdown(false);
}

/* Nobody is interrupted twice who has not looked yet. */
static void test_mailbox(void **state)
{
	(void)state;
	machine(TAG_BITS, false);
	assert_int_equal(post(&mmu, 0, 0xe), 0xe);
	assert_int_equal(post(&mmu, 2, 0x3), 0x1);
	mmu.cpu[0].request.waiting = 3;
	mmu.cpu[2].request.waiting = 2;
	interrupt(1);
	assert_int_equal(mmu.cpu[0].request.waiting, 2);
	assert_int_equal(mmu.cpu[2].request.waiting, 1);
	assert_int_equal(post(&mmu, 2, 0x2), 0x2);
}

/* A new round: who runs keeps its tag, also for a CPU that comes later; all others are given out. */
static void test_round(void **state)
{
	unsigned tag;

	(void)state;
	machine(TAG_BITS, true);
	go(1, 11);
	tag = tag_of(1);
	for (int i = 0; i < 7; i++) /* the last one begins a round */
		go(0, i);
	assert_int_equal(mmu.asids.round, 2);
	assert_int_equal(models[0].all_fences, 1);
	assert_true(tag_of(0) != tag);
	go(2, 11);
	assert_int_equal(tag_of(2), tag);
	assert_int_equal(models[2].all_fences, 1);
	assert_int_equal(asid_tag(&mms[11].asid), tag);
	assert_int_equal(models[1].all_fences, 0);
	go(1, -1);
	go(1, 11);
	assert_int_equal(tag_of(1), tag);
	assert_int_equal(models[1].all_fences, 1);
}

/* With `asid_bits` 0, without tags. */
static void play(unsigned asid_bits, bool firmware, unsigned seed)
{
	machine(asid_bits, firmware);
	play_anything(seed);
	assert_true(!asid_bits || mmu.asids.round > 2);
}

static void test_play(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 10; seed++) {
		play(TAG_BITS, true, seed);
		play(TAG_BITS, false, seed);
		play(0, true, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),   cmocka_unit_test(test_format),
	    cmocka_unit_test(test_tags),    cmocka_unit_test(test_asid_bits),
	    cmocka_unit_test(test_no_tags), cmocka_unit_test(test_flush_here),
	    cmocka_unit_test(test_mailbox), cmocka_unit_test(test_shootdown),
	    cmocka_unit_test(test_round),   cmocka_unit_test(test_play),
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
