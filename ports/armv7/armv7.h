/*
 * armv7.h: the run-time half of the port to 32-bit Arm with short descriptors: switching address
 * spaces, the tables that the MMU begins with, and keeping the TLBs of all CPUs right. It belongs
 * to no kernel.
 *
 * How it works. Tags (ASIDs) and flushes are as on AArch64. But in its first level the MMU wants an
 * entry for each MiB, and tables of 1 KiB; the core wants tables of one page. So a page is four
 * tables, the core's root has an entry for each 4 MiB, and beside it the MMU has a table of its
 * own, `first`, with four for each of those. It is brought up to date where tables go
 * (armv7_flush), and where a fault has found that one is missing (armv7_flush_local).
 *
 * What your kernel does at boot, on each CPU: TTBCR = 1, so that programs have 2 GiB, and the
 * kernel's half is TTBR1's; SCTLR.TRE and AFE are set, and memory that is 3 by PRRR and NMRR is
 * normal; DACR = 1.
 */
#ifndef ARMV7_H
#define ARMV7_H

#include <objrmap/objrmap.h>

#include "../asid.h"
#include "insn.h"

/* The physical page with which memory begins, frame 0 of objrmap. On many boards it is at 1 GiB. */
#ifndef ARMV7_FIRST_FRAME
#define ARMV7_FIRST_FRAME 0x40000u
#endif

/* Where the kernel sees physical address 0, if it sees that. */
#ifndef ARMV7_DIRECT_MAP
#define ARMV7_DIRECT_MAP 0x40000000ul
#endif

#define ARMV7_ASID_BITS 8
#define ARMV7_FIRST     2048 /* entries of the first level: 2 GiB */

static inline uint32_t armv7_phys(om_pfn_t pfn)
{
	return ((uint32_t)pfn + ARMV7_FIRST_FRAME) << 12;
}

/* The port's part of an address space; zeroed at first. The cookie of the mm points to it. */
struct armv7_mm {
	_Atomic uint32_t first[ARMV7_FIRST] __attribute__((aligned(8192)));
	struct asid asid;
	_Atomic uint32_t lock; /* of `first` */
};

/* One a machine, zeroed at first. All fields are the port's. */
struct armv7_mmu {
	uint32_t empty_root; /* constant */
	struct asids asids;
	struct armv7_mm *loaded[ASID_MAX_CPUS]; /* NULL: none. Each CPU's own */
};

/*
 * `empty_root`: physical address of 8 KiB of zeros, aligned so, which TTBR0 has while no address
 * space is loaded. nr_cpus <= ASID_MAX_CPUS, and fewer than ASIDs.
 */
void armv7_mmu_init(struct armv7_mmu *mmu, uint32_t empty_root, unsigned nr_cpus);

/*
 * This CPU goes to `mm`; NULL: to none. Interrupts are off. Before om_mm_destroy() every CPU must
 * have gone elsewhere. `first` lies in the direct map.
 */
void armv7_switch(struct armv7_mmu *mmu, struct armv7_mm *mm);

/* The hooks `flush` and `flush_local` of struct om_port_ops, with ctx = the struct armv7_mmu. */
void armv7_flush(void *mmu, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what);
void armv7_flush_local(void *mmu, struct om_mm *mm, uintptr_t addr, bool was_present);

#endif
