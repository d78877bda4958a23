/*
 * mmu.c: the root register, and flushes. aarch64.h tells what happens; here is why no translation
 * survives.
 *
 * A flush changes entries first (the core does), waits until all MMUs see that, reads the tag, and
 * drops it everywhere. A CPU that loads the address space takes the tag first, and then lets its
 * MMU walk the tables. So either it has the tag that the flush has read; or it has taken another
 * one after that, and sees the new entries. What CPUs have kept under tags of older rounds, the
 * flush does not reach; they drop all of it before they use a tag of this round (ports/asid.c).
 *
 * A new entry, or one that grants more, is not flushed. A CPU whose MMU has not seen it, or has
 * kept the old one, faults, and arm_flush_local() lets it see: Arm keeps no invalid entry.
 */
#include "om_arch.h"

#define PAGE        (1ul << OM_PAGE_SHIFT)
#define FLUSH_BYTES (32 * PAGE) /* of a larger range everything is dropped, not page by page */
#define ASID_SHIFT  48
#define TCR_AS      (1ul << 36) /* ASIDs of 16 bits */
#define TCR_HA      (1ul << 39) /* the MMU sets AF */
#define TCR_HD      (1ul << 40) /* and takes RO away */

struct arm_features arm_cpu_init(void)
{
	unsigned managed = arm_read_mmfr1() & 15;
	struct arm_features has = {.asid_bits = (arm_read_mmfr0() >> 4 & 15) == 2 ? 16 : 8,
	                           .sets_af = managed >= 1,
	                           .sets_dirty = managed >= 2};
	uint64_t tcr = arm_read_tcr() & ~(TCR_AS | TCR_HA | TCR_HD);

	if (has.asid_bits == 16)
		tcr |= TCR_AS;
	if (has.sets_af)
		tcr |= TCR_HA;
	if (has.sets_dirty)
		tcr |= TCR_HD;
	arm_write_tcr(tcr);
	arm_flush_all_here();
	return has;
}

void arm_mmu_init(struct arm_mmu *mmu, uint64_t empty_root, unsigned asid_bits, unsigned nr_cpus)
{
	mmu->empty_root = empty_root;
	asids_init(&mmu->asids, asid_bits, nr_cpus);
}

/* One write changes root and tag together. */
void arm_switch(struct arm_mmu *mmu, struct arm_mm *mm, om_pfn_t root)
{
	unsigned me = arm_cpu_number();
	uint64_t ttbr = mmu->empty_root;
	bool everything = false;

	if (mm == mmu->loaded[me])
		return;
	if (mm)
		ttbr = (uint64_t)asid_load(&mmu->asids, &mm->asid, me, &everything) << ASID_SHIFT |
		       arm_phys(root);
	if (everything)
		arm_flush_all_here();
	arm_write_ttbr0(ttbr);
	mmu->loaded[me] = mm;
}

static uint64_t operand(uint64_t tag, uintptr_t addr)
{
	return tag << ASID_SHIFT | addr >> 12;
}

/* A page's address drops the last level alone, so where tables go all of the tag is dropped. */
void arm_flush(void *ctx, struct om_mm *om, uintptr_t start, uintptr_t end, enum om_flush what)
{
	struct arm_mm *mm = om_mm_cookie(om);
	uint64_t tag;

	(void)ctx;
	arm_entries_written();
	atomic_thread_fence(memory_order_seq_cst);
	tag = asid_tag(&mm->asid);
	if (what & OM_FLUSH_TABLES || end - start > FLUSH_BYTES)
		arm_flush_asid(tag << ASID_SHIFT);
	else
		for (uintptr_t addr = start; addr < end; addr += PAGE)
			arm_flush_page(operand(tag, addr));
	arm_flushes_done();
}

/* A thread that is moved meanwhile faults once more. */
void arm_flush_local(void *ctx, struct om_mm *om, uintptr_t addr, bool was_present)
{
	struct arm_mm *mm = om_mm_cookie(om);

	(void)ctx;
	arm_entries_written();
	if (was_present)
		arm_flush_page_here(operand(asid_tag(&mm->asid), addr));
}
