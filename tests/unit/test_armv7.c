/*
 * test_armv7.c: the port to 32-bit Arm: the format of entries, the MMU's first level, and what
 * flushes and switches do. One thread plays all CPUs of a machine whose TLBs keep all that they
 * may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the machine -------------------------------------------------------------------------- */

#include "tag_machine.h"

#define FIRST_TABLE 100u /* frames before are roots, those from here on tables */
#define EMPTY_ROOT  0x7fff0000u

static char memory[NR_MMS][4096] __attribute__((aligned(8192)));

static struct {
	uint32_t ttbr, asid;
	unsigned tlb[256][NR_PAGES];
	unsigned local_pages, local_all;
} models[FEW];

static unsigned flushed_pages, flushed_tags, unfinished, tables;

#define ARMV7_INSN_H
#define ARMV7_DIRECT_MAP  ((uintptr_t)memory)
#define ARMV7_FIRST_FRAME 0u

static unsigned armv7_cpu_number(void)
{
	return here;
}

static void armv7_preempt_disable(void)
{
}

static void armv7_preempt_enable(void)
{
}

static void armv7_pause(void)
{
}

static void armv7_write_ttbr0(uint32_t v)
{
	models[here].ttbr = v;
}

/* While there is an address space, another one's tag would be a mistake. */
static void armv7_write_asid(uint32_t v)
{
	assert_int_equal(models[here].ttbr & ~0x1fffu, EMPTY_ROOT);
	models[here].asid = v;
}

static void armv7_entries_written(void)
{
}

static void drop_page(unsigned cpu, uint32_t page_and_asid)
{
	if (page_and_asid >> 12 < NR_PAGES)
		models[cpu].tlb[page_and_asid & 0xff][page_and_asid >> 12] = NOTHING;
}

static void armv7_flush_page(uint32_t page_and_asid)
{
	flushed_pages++;
	unfinished = 1;
	for (unsigned i = 0; i < FEW; i++)
		drop_page(i, page_and_asid);
}

static void armv7_flush_asid(uint32_t asid)
{
	flushed_tags++;
	unfinished = 1;
	for (unsigned i = 0; i < FEW; i++)
		memset(models[i].tlb[asid], 0, sizeof(models[i].tlb[0]));
}

static void armv7_flushes_done(void)
{
	unfinished = 0;
}

static void armv7_flush_page_here(uint32_t page_and_asid)
{
	models[here].local_pages++;
	drop_page(here, page_and_asid);
}

static void armv7_flush_all_here(void)
{
	models[here].local_all++;
	memset(models[here].tlb, 0, sizeof(models[here].tlb));
}

#include "../../ports/armv7/mmu.c"

#include "../../ports/asid.c"

#include "../../ports/template/check.c"

static struct armv7_mmu mmu;
static struct armv7_mm mms[NR_MMS];

/* The core's: the root of an mm is the frame of its number. */
om_pfn_t om_mm_root(const struct om_mm *mm)
{
	return (om_pfn_t)((const struct armv7_mm *)mm - mms);
}

static om_pte_t *root(unsigned mm)
{
	return om_arch_frame(NULL, mm);
}

/* The core puts another table where the pages are. */
static void new_table(unsigned mm)
{
	root(mm)[0] = om_pte_mktable(FIRST_TABLE + ++tables % 1000);
}

static void machine(void)
{
	memset(models, 0, sizeof(models));
	memset(&mmu, 0, sizeof(mmu));
	memset(mms, 0, sizeof(mms));
	memset(memory, 0, sizeof(memory));
	armv7_mmu_init(&mmu, EMPTY_ROOT, FEW);
	here = flushed_pages = flushed_tags = tables = 0;
	fill_entries();
	for (unsigned i = 0; i < NR_MMS; i++)
		new_table(i);
}

static void go(unsigned cpu, int mm)
{
	here = cpu;
	armv7_switch(&mmu, mm < 0 ? NULL : &mms[mm]);
}

static void flush(unsigned cpu, unsigned mm, unsigned start, unsigned end, enum om_flush what)
{
	here = cpu;
	armv7_flush(&mmu, (struct om_mm *)&mms[mm], (uintptr_t)start << 12, (uintptr_t)end << 12,
	            what);
	assert_int_equal(unfinished, 0);
}

static void flush_entries(unsigned cpu, unsigned mm, unsigned start, unsigned end, bool all)
{
	if (all)
		new_table(mm);
	flush(cpu, mm, start, end, all ? OM_FLUSH_ALL : OM_FLUSH_PAGES);
}

static int mm_on(unsigned cpu)
{
	return mmu.loaded[cpu] ? (int)(mmu.loaded[cpu] - mms) : -1;
}

/* Where nothing is kept the MMU walks; where it finds no table, it faults, once. */
static unsigned look(unsigned cpu, unsigned page)
{
	struct armv7_mm *mm = mmu.loaded[cpu];
	unsigned *cached = &models[cpu].tlb[models[cpu].asid][page];

	assert_int_equal(models[cpu].ttbr & ~0x1fffu, armv7_first(mm));
	if (*cached != NOTHING)
		return *cached;
	here = cpu;
	if (!mm->first[0])
		armv7_flush_local(&mmu, (struct om_mm *)mm, (uintptr_t)page << 12, false);
	assert_int_equal(mm->first[0], armv7_phys(om_pte_pfn(root(mm_on(cpu))[0])) | 1);
	return *cached = entries[mm_on(cpu)][page];
}

/* ---- entries ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	const char *broken = port_check_entries();

	(void)state;
	if (broken)
		fail_msg("%s", broken);
}

/*
 * What the manual says about the bits of a small page: XN 1, it is one 2, memory 3 0xc, AF 0x10,
 * user mode 0x20, read only 0x200, shared 0x400, not global 0x800.
 */
static void test_format(void **state)
{
	const om_pte_t frame = 0x12345000 | 0xc0e;
	const om_pte_t rw = om_pte_make(0x12345, RW);

	(void)state;
	assert_int_equal(om_pte_make(0x12345, OM_PROT_READ), frame | 0x221);
	assert_int_equal(om_pte_make(0x12345, RX), frame | 0x220);
	assert_int_equal(om_pte_make(0x12345, OM_PROT_NONE) & 0x20, 0);
	assert_int_equal(rw & 0x200, 0x200);
	assert_int_equal(om_pte_mkdirty(rw) & 0x200, 0);
	assert_int_equal(om_pte_wrprotect(om_pte_mkdirty(rw)) & 0x200, 0x200);
	assert_int_equal(om_pte_mkclean(om_pte_mkdirty(rw)), rw);
	assert_int_equal(om_pte_mkyoung(0), 0x10);
	assert_int_equal(om_pte_mkswap((1u << OM_SWAP_BITS) - 1) & 3, 0);
	assert_int_equal(om_pte_mkfile((1u << OM_FILE_BITS) - 1) & 3, 0);
	assert_int_equal(om_arch_pfn(NULL, om_arch_frame(NULL, 0xfffff)), 0xfffff);
}

/* ---- CPUs --------------------------------------------------------------------------------- */

/* Four of the MMU's entries for one of the core's, each with a quarter of its page. */
static void test_first_level(void **state)
{
	struct om_mm *om = (struct om_mm *)&mms[3];

	(void)state;
	machine();
	root(3)[5] = om_pte_mktable(7);
	armv7_flush_local(&mmu, om, 5u << 22 | 0x123456, false);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(mms[3].first[20 + k], (7u << 12) + k * 1024 + 1);
	assert_int_equal(mms[3].first[19] | mms[3].first[24], 0);
	root(3)[5] = 0;
	flush(0, 3, 5u << 10, 6u << 10, OM_FLUSH_PAGES);
	assert_true(mms[3].first[20]);
	flush(0, 3, (5u << 10) + 1, (5u << 10) + 2, OM_FLUSH_TABLES);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(mms[3].first[20 + k], 0);
	root(3)[511] = om_pte_mktable(8);
	flush(0, 3, 0, OM_VA_LIMIT >> 12, OM_FLUSH_ALL);
	assert_int_equal(mms[3].first[2047], (8u << 12) + 3 * 1024 + 1);
}

static void test_switch(void **state)
{
	uint32_t asid;

	(void)state;
	machine();
	go(0, 2);
	asid = models[0].asid;
	assert_true(asid > 0);
	assert_int_equal(models[0].ttbr, armv7_first(&mms[2]) | 0x6a);
	go(0, -1);
	assert_int_equal(models[0].ttbr, EMPTY_ROOT | 0x6a);
	go(1, 2);
	assert_int_equal(models[1].asid, asid);
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
	flush(0, 0, 3, 4, OM_FLUSH_TABLES);
	assert_int_equal(flushed_tags, 2);
	assert_int_equal(flushed_pages, 2);
	armv7_flush_local(&mmu, (struct om_mm *)&mms[0], 7 << 12, false);
	assert_int_equal(models[0].local_pages, 0);
	armv7_flush_local(&mmu, (struct om_mm *)&mms[0], 7 << 12, true);
	assert_int_equal(models[0].local_pages, 1);
}

static void test_play(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 10; seed++) {
		machine();
		play_anything(seed);
		assert_true(tables > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),       cmocka_unit_test(test_format),
	    cmocka_unit_test(test_first_level), cmocka_unit_test(test_switch),
	    cmocka_unit_test(test_flush),       cmocka_unit_test(test_play),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
