/*
 * test_aarch64.c: the AArch64 port: the format of entries, and what flushes and switches do. One
 * thread plays all CPUs of a machine whose TLBs keep all that they may.
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

#define EMPTY_ROOT 0xfff000ul

static struct {
	uint64_t ttbr, tcr;
	unsigned tlb[1 << TAG_BITS][NR_PAGES];
	unsigned local_pages, local_all;
} models[FEW];

static unsigned flushed_pages, flushed_tags, unfinished;
static uint64_t mmfr0, mmfr1;

#define ARM_INSN_H

static unsigned arm_cpu_number(void)
{
	return here;
}

static void arm_preempt_disable(void)
{
}

static void arm_preempt_enable(void)
{
}

static void arm_pause(void)
{
}

static uint64_t arm_read_mmfr0(void)
{
	return mmfr0;
}

static uint64_t arm_read_mmfr1(void)
{
	return mmfr1;
}

static uint64_t arm_read_tcr(void)
{
	return models[here].tcr;
}

static void arm_write_tcr(uint64_t v)
{
	models[here].tcr = v;
}

static void arm_write_ttbr0(uint64_t v)
{
	models[here].ttbr = v;
}

static void arm_entries_written(void)
{
}

static void drop_page(unsigned cpu, uint64_t asid_and_page)
{
	if ((asid_and_page & 0xfffffffffff) < NR_PAGES)
		models[cpu].tlb[asid_and_page >> 48][asid_and_page & 0xfff] = NOTHING;
}

static void arm_flush_page(uint64_t asid_and_page)
{
	flushed_pages++;
	unfinished = 1;
	for (unsigned i = 0; i < FEW; i++)
		drop_page(i, asid_and_page);
}

static void arm_flush_asid(uint64_t asid)
{
	flushed_tags++;
	unfinished = 1;
	for (unsigned i = 0; i < FEW; i++)
		memset(models[i].tlb[asid >> 48], 0, sizeof(models[i].tlb[0]));
}

static void arm_flushes_done(void)
{
	unfinished = 0;
}

static void arm_flush_page_here(uint64_t asid_and_page)
{
	models[here].local_pages++;
	drop_page(here, asid_and_page);
}

static void arm_flush_all_here(void)
{
	models[here].local_all++;
	memset(models[here].tlb, 0, sizeof(models[here].tlb));
}

#include "../../ports/aarch64/mmu.c"

#include "../../ports/asid.c"

#include "../../ports/template/check.c"

static struct arm_mmu mmu;
static struct arm_mm mms[NR_MMS];

static void machine(void)
{
	memset(models, 0, sizeof(models));
	memset(&mmu, 0, sizeof(mmu));
	memset(mms, 0, sizeof(mms));
	arm_mmu_init(&mmu, EMPTY_ROOT, TAG_BITS, FEW);
	here = flushed_pages = flushed_tags = 0;
	fill_entries();
	for (unsigned i = 0; i < FEW; i++)
		models[i].ttbr = EMPTY_ROOT;
}

static void go(unsigned cpu, int mm)
{
	here = cpu;
	arm_switch(&mmu, mm < 0 ? NULL : &mms[mm], (om_pfn_t)(mm + 1));
}

static void flush(unsigned cpu, unsigned mm, unsigned start, unsigned end, enum om_flush what)
{
	here = cpu;
	arm_flush(&mmu, (struct om_mm *)&mms[mm], (uintptr_t)start << 12, (uintptr_t)end << 12,
	          what);
	assert_int_equal(unfinished, 0);
}

static void flush_entries(unsigned cpu, unsigned mm, unsigned start, unsigned end, bool all)
{
	flush(cpu, mm, start, end, all ? OM_FLUSH_ALL : OM_FLUSH_PAGES);
}

static int mm_on(unsigned cpu)
{
	return mmu.loaded[cpu] ? (int)(mmu.loaded[cpu] - mms) : -1;
}

static unsigned tag_of(unsigned cpu)
{
	return (unsigned)(models[cpu].ttbr >> 48);
}

static unsigned look(unsigned cpu, unsigned page)
{
	uint64_t mm = ((models[cpu].ttbr & ARM_PFN) >> 12) - ARM_FIRST_FRAME - 1;
	unsigned *cached = &models[cpu].tlb[tag_of(cpu)][page];

	assert_true(mm < NR_MMS);
	if (*cached == NOTHING)
		*cached = entries[mm][page];
	return *cached;
}

/* ---- entries ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	const char *broken = port_check_entries();

	(void)state;
	if (broken)
		fail_msg("%s", broken);
}

/* What the manual says about the bits. RO is 0x80, AF 0x400, DBM bit 51, PXN 53, UXN 54. */
static void test_format(void **state)
{
	const om_pte_t frame = (0x12345ul + ARM_FIRST_FRAME) << 12 | 1ul << 55 | 1ul << 53;

	(void)state;
	assert_int_equal(om_pte_make(0x12345, OM_PROT_READ), frame | 1ul << 54 | 0xbc3);
	assert_int_equal(om_pte_make(0x12345, RW), frame | 1ul << 54 | 1ul << 51 | 0xbc3);
	assert_int_equal(om_pte_make(0x12345, RX), frame | 0xbc3);
	assert_int_equal(om_pte_make(0x12345, OM_PROT_NONE) & 0x41, 0);
	assert_int_equal(om_pte_mkyoung(0), 0x400);
	assert_int_equal(om_pte_mktable(0x12345) & ~(1ul << 55),
	                 (0x12345ul + ARM_FIRST_FRAME) << 12 | 3);
	assert_int_equal(om_pte_mkswap((1u << OM_SWAP_BITS) - 1) & 1, 0);
	assert_int_equal(om_pte_mkfile(~0ul >> 12) & 1, 0);
	assert_int_equal(om_arch_pfn(NULL, om_arch_frame(NULL, 0xfffff)), 0xfffff);
	assert_int_equal(OM_VA_LIMIT, 1ul << 39);
}

/* The MMU takes RO away from an entry with DBM: that is what mkdirty does, and it stays known. */
static void test_dirty(void **state)
{
	om_pte_t made = om_pte_make(7, RW), written = made & ~0x80ul;

	(void)state;
	assert_true(om_pte_dirty(written));
	assert_int_equal(om_pte_mkdirty(made), written);
	assert_int_equal(om_pte_modify(written, RW), written);
	assert_true(om_pte_dirty(om_pte_wrprotect(written)));
	assert_true(om_pte_wrprotect(written) & 0x80);
	assert_int_equal(om_pte_modify(om_pte_wrprotect(written), RW), written);
	assert_int_equal(om_pte_modify(om_pte_modify(written, OM_PROT_NONE), RW), written);
	assert_int_equal(om_pte_mkclean(written), made);
}

/* ---- CPUs --------------------------------------------------------------------------------- */

static void test_features(void **state)
{
	struct arm_features has;

	(void)state;
	machine();
	mmfr0 = 0, mmfr1 = 0;
	models[0].tcr = 1ul << 40 | 25;
	has = arm_cpu_init();
	assert_true(has.asid_bits == 8 && !has.sets_af && !has.sets_dirty);
	assert_int_equal(models[0].tcr, 25);
	mmfr0 = 0x20, mmfr1 = 0x2;
	has = arm_cpu_init();
	assert_true(has.asid_bits == 16 && has.sets_af && has.sets_dirty);
	assert_int_equal(models[0].tcr, 25 | 1ul << 36 | 1ul << 39 | 1ul << 40);
	mmfr1 = 0x1;
	has = arm_cpu_init();
	assert_true(has.sets_af && !has.sets_dirty);
}

static void test_switch(void **state)
{
	unsigned tag;

	(void)state;
	machine();
	go(0, 2);
	tag = tag_of(0);
	assert_true(tag > 0);
	assert_int_equal(models[0].ttbr & ARM_PFN, (ARM_FIRST_FRAME + 3) << 12);
	go(0, -1);
	assert_int_equal(models[0].ttbr, EMPTY_ROOT);
	go(1, 2);
	assert_int_equal(tag_of(1), tag);
	assert_int_equal(models[0].local_all + models[1].local_all, 0);
}

static void test_flush(void **state)
{
	(void)state;
	machine();
	go(0, 0);
	go(1, 0);
	for (unsigned i = 0; i < 2; i++)
		look(i, 5);
	entries[0][5] = 2;
	flush(2, 0, 5, 7, OM_FLUSH_PAGES);
	assert_int_equal(flushed_pages, 2);
	assert_true(look(0, 5) == 2 && look(1, 5) == 2);
	flush(0, 0, 0, 33, OM_FLUSH_PAGES);
	flush(0, 0, 3, 4, OM_FLUSH_TABLES); /* an address would not do */
	assert_int_equal(flushed_tags, 2);
	assert_int_equal(flushed_pages, 2);
	arm_flush_local(&mmu, (struct om_mm *)&mms[0], 7 << 12, false);
	assert_int_equal(models[0].local_pages, 0);
	arm_flush_local(&mmu, (struct om_mm *)&mms[0], 7 << 12, true);
	assert_int_equal(models[0].local_pages, 1);
}

static void test_play(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 10; seed++) {
		machine();
		play_anything(seed);
		assert_true(mmu.asids.round > 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),  cmocka_unit_test(test_format),
	    cmocka_unit_test(test_dirty),  cmocka_unit_test(test_features),
	    cmocka_unit_test(test_switch), cmocka_unit_test(test_flush),
	    cmocka_unit_test(test_play),
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
