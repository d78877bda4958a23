/*
 * mmu.c: the root register, the first level, and flushes. armv7.h tells what happens; here is why
 * no translation survives.
 *
 * A flush changes entries first (the core does), brings the first level up to date if tables go,
 * waits until all MMUs see that, reads the tag, and drops it everywhere. A CPU that loads the
 * address space takes the tag first, and then lets its MMU walk the tables. So either it has the
 * tag that the flush has read; or it has taken another one after that, and sees the new entries.
 *
 * The first level shows no table that is gone: who copies an entry of the core's root holds the
 * lock. If that is after the flush which drops the table, he finds the entry empty; if before, the
 * flush overwrites what he has written. A table that is missing there is a fault, and om_fault()
 * ends with armv7_flush_local().
 */
#include "om_arch.h"

#define PAGE        (1ul << OM_PAGE_SHIFT)
#define FLUSH_BYTES (32 * PAGE) /* of a larger range everything is dropped, not page by page */
#define ROOT_SHIFT  (OM_PAGE_SHIFT + OM_TABLE_SHIFT)
#define QUARTER     1024u /* bytes of one of the MMU's tables */
#define IS_TABLE    1u    /* of the MMU's first level */
#define WALKS       0x6au /* of TTBR0: walks through caches, shared by all CPUs */

void armv7_mmu_init(struct armv7_mmu *mmu, uint32_t empty_root, unsigned nr_cpus)
{
	mmu->empty_root = empty_root;
	asids_init(&mmu->asids, ARMV7_ASID_BITS, nr_cpus);
}

/* Root and tag cannot be changed together: in between there is an address space of nothing. */
void armv7_switch(struct armv7_mmu *mmu, struct armv7_mm *mm)
{
	unsigned me = armv7_cpu_number();
	bool everything = false;

	if (mm == mmu->loaded[me])
		return;
	armv7_write_ttbr0(mmu->empty_root | WALKS);
	if (mm) {
		armv7_write_asid(asid_load(&mmu->asids, &mm->asid, me, &everything));
		if (everything)
			armv7_flush_all_here();
		armv7_write_ttbr0(armv7_first(mm) | WALKS);
	}
	mmu->loaded[me] = mm;
}

/* What entries `i` to `last` of the core's root say is what the MMU sees. */
static void copy_root(struct om_mm *om, uintptr_t i, uintptr_t last)
{
	const om_pte_t *root = om_arch_frame(NULL, om_mm_root(om));
	struct armv7_mm *mm = om_mm_cookie(om);

	armv7_preempt_disable();
	while (atomic_exchange(&mm->lock, 1))
		armv7_pause();
	for (; i <= last; i++) {
		om_pte_t e = om_arch_pte_load(&root[i]);
		uint32_t table = e ? armv7_phys(om_pte_pfn(e)) | IS_TABLE : 0;

		for (uint32_t k = 0; k < 4; k++)
			mm->first[4 * i + k] = table ? table + k * QUARTER : 0;
	}
	atomic_store(&mm->lock, 0);
	armv7_preempt_enable();
}

void armv7_flush(void *ctx, struct om_mm *om, uintptr_t start, uintptr_t end, enum om_flush what)
{
	struct armv7_mm *mm = om_mm_cookie(om);
	uint32_t tag;

	(void)ctx;
	if (what & OM_FLUSH_TABLES)
		copy_root(om, start >> ROOT_SHIFT, (end - 1) >> ROOT_SHIFT);
	armv7_entries_written();
	atomic_thread_fence(memory_order_seq_cst);
	tag = asid_tag(&mm->asid);
	if (what & OM_FLUSH_TABLES || end - start > FLUSH_BYTES)
		armv7_flush_asid(tag);
	else
		for (uintptr_t addr = start; addr < end; addr += PAGE)
			armv7_flush_page((uint32_t)addr | tag);
	armv7_flushes_done();
}

/* A thread that is moved meanwhile faults once more. */
void armv7_flush_local(void *ctx, struct om_mm *om, uintptr_t addr, bool was_present)
{
	struct armv7_mm *mm = om_mm_cookie(om);
	uintptr_t i = addr >> ROOT_SHIFT;

	(void)ctx;
	if (!mm->first[4 * i])
		copy_root(om, i, i);
	armv7_entries_written();
	if (was_present)
		armv7_flush_page_here((uint32_t)(addr & ~(PAGE - 1)) | asid_tag(&mm->asid));
}
