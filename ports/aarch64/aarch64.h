/*
 * aarch64.h: the run-time half of the AArch64 port: switching address spaces and keeping the TLBs
 * of all CPUs right. It belongs to no kernel.
 *
 * How it works. An address space has a tag (ASID), the same on all CPUs (ports/asid.h), and the
 * machine has instructions that drop what all CPUs have kept under a tag. So nobody needs to know
 * which CPUs have it loaded, and no CPU is interrupted.
 *
 * What your kernel does at boot, on each CPU: attribute 0 of MAIR_EL1 is normal memory; TCR_EL1 has
 * T0SZ = 64 - ARM_VA_BITS, the granule TG0 of ARM_PAGE_SHIFT, A1 = 0; then arm_cpu_init().
 */
#ifndef AARCH64_H
#define AARCH64_H

#include <objrmap/objrmap.h>

#include "../asid.h"
#include "insn.h"

/* Pages of 4, 16 or 64 KiB: 12, 14, 16. */
#ifndef ARM_PAGE_SHIFT
#define ARM_PAGE_SHIFT 12
#endif

/* Levels of page tables: addresses of 39 bits with 4 KiB, 47 with 16 KiB, 42 with 64 KiB. */
#ifndef ARM_LEVELS
#define ARM_LEVELS (ARM_PAGE_SHIFT == 16 ? 2 : 3)
#endif

#define ARM_VA_BITS (ARM_PAGE_SHIFT + (ARM_PAGE_SHIFT - 3) * ARM_LEVELS)

/* The physical page with which memory begins, frame 0 of objrmap. On many boards it is at 1 GiB. */
#ifndef ARM_FIRST_FRAME
#define ARM_FIRST_FRAME (0x40000000ul >> ARM_PAGE_SHIFT)
#endif

/* Where the kernel sees physical address 0: by default, where TTBR1's half begins. */
#ifndef ARM_DIRECT_MAP
#define ARM_DIRECT_MAP (0ul - (1ul << ARM_VA_BITS))
#endif

static inline uint64_t arm_phys(om_pfn_t pfn)
{
	return ((uint64_t)pfn + ARM_FIRST_FRAME) << ARM_PAGE_SHIFT;
}

/* The port's part of an address space; zeroed at first. The cookie of the mm points to it. */
struct arm_mm {
	struct asid asid;
};

/* One a machine, zeroed at first. All fields are the port's. */
struct arm_mmu {
	uint64_t empty_root; /* constant */
	struct asids asids;
	struct arm_mm *loaded[ASID_MAX_CPUS]; /* NULL: none. Each CPU's own */
};

/* What the MMUs can do, as arm_cpu_init() has found. */
struct arm_features {
	unsigned asid_bits;
	bool sets_af, sets_dirty;
};

/* On each CPU, before it loads an address space: switches on what its MMU can do. */
struct arm_features arm_cpu_init(void);

/*
 * `empty_root`: physical address of a page of zeros, which TTBR0 has while no address space is
 * loaded. `asid_bits`: the fewest that a CPU has. nr_cpus <= ASID_MAX_CPUS, and fewer than ASIDs.
 */
void arm_mmu_init(struct arm_mmu *mmu, uint64_t empty_root, unsigned asid_bits, unsigned nr_cpus);

/*
 * This CPU goes to `mm`, whose top-level table is `root`; NULL: to none. Interrupts are off. Before
 * om_mm_destroy() every CPU must have gone elsewhere.
 */
void arm_switch(struct arm_mmu *mmu, struct arm_mm *mm, om_pfn_t root);

/* The hooks `flush` and `flush_local` of struct om_port_ops, with ctx = the struct arm_mmu. */
void arm_flush(void *mmu, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what);
void arm_flush_local(void *mmu, struct om_mm *mm, uintptr_t addr, bool was_present);

#endif
