/*
 * riscv64.h: the run-time half of the RISC-V port: switching address spaces and keeping the TLBs of
 * all CPUs right. It belongs to no kernel; what it needs of yours is in struct rv_mmu_config.
 *
 * How it works. An address space has a tag (ASID), the same on all CPUs (ports/asid.h), and two
 * sets of CPUs: those that have it `loaded`, and those that are `stale`. A flush is made on the
 * loaded ones, by the firmware (SBI) or by your interrupt; the others become stale, and drop all
 * that they have kept under the tag when they load it next. So an address space that runs on one
 * CPU costs the others nothing.
 */
#ifndef RISCV64_H
#define RISCV64_H

#include <objrmap/objrmap.h>

#include "../asid.h"
#include "insn.h"

/* Levels of page tables: 3 is Sv39, 4 is Sv48. */
#ifndef RV_LEVELS
#define RV_LEVELS 3
#endif

/* The physical page with which memory begins: frame 0 of objrmap. On most boards it is at 2 GiB. */
#ifndef RV_FIRST_FRAME
#define RV_FIRST_FRAME 0x80000ul
#endif

/* Where the kernel sees physical address 0: by default, where the upper half begins. */
#ifndef RV_DIRECT_MAP
#define RV_DIRECT_MAP (0ul - (1ul << (12 + 9 * RV_LEVELS - 1)))
#endif

#define RV_MAX_CPUS 64

static inline uint64_t rv_phys(om_pfn_t pfn)
{
	return ((uint64_t)pfn + RV_FIRST_FRAME) << 12;
}

/* The port's part of an address space; rv_mm_init(). The cookie of the mm points to it. */
struct rv_mm {
	struct asid asid;
	_Atomic uint64_t loaded; /* CPUs whose satp has it */
	_Atomic uint64_t stale;  /* CPUs that must drop the tag before they load it */
};

/* One flush, as one CPU asks others for it: it waits until all have answered. */
struct rv_request {
	_Atomic uint32_t waiting; /* CPUs that have not answered yet: the last thing they touch */
	uintptr_t start, end;     /* 0 and UINTPTR_MAX: all of the address space */
	unsigned asid;
};

/* One CPU. */
struct rv_mmu_cpu {
	struct rv_mm *loaded;      /* NULL: the kernel's own root */
	_Atomic uint64_t asked_by; /* CPUs whose requests wait for this one */
	struct rv_request request; /* what this one asks of others */
	_Atomic uint64_t remote;   /* flushes that other CPUs had to do, too */
} __attribute__((aligned(64)));

struct rv_mmu_config {
	void *ctx;
	uint64_t kernel_root;  /* physical address of a root with the kernel's half alone */
	unsigned nr_cpus;      /* at most RV_MAX_CPUS, and fewer than there are ASIDs */
	unsigned asid_bits;    /* rv_asid_bits(), or 0: every switch drops everything */
	const uint32_t *harts; /* the hart number of each CPU; NULL: they are the same */
	/*
	 * Raise on each CPU of the set an interrupt whose handler calls rv_flush_interrupt(). NULL:
	 * the firmware flushes on other CPUs (SBI's extension RFENCE), which needs nothing of
	 * the kernel and reaches CPUs that have interrupts off.
	 */
	void (*send_flush)(void *ctx, uint64_t cpus);
};

/* One a machine. All fields are the port's. */
struct rv_mmu {
	struct rv_mmu_config config; /* constant */
	struct asids asids;
	struct rv_mmu_cpu cpu[RV_MAX_CPUS];
};

/* How many bits of an ASID this CPU has. Its satp has the kernel's root, interrupts are off. */
unsigned rv_asid_bits(void);

/* Each CPU has the kernel's root loaded, with ASID 0, when it gets here. */
void rv_mmu_init(struct rv_mmu *mmu, const struct rv_mmu_config *config);
void rv_mm_init(struct rv_mm *mm);

/*
 * This CPU goes to `mm`, whose top-level table is `root`; NULL: to the kernel's own. Interrupts are
 * off. Before om_mm_destroy() every CPU must have gone elsewhere.
 */
void rv_switch(struct rv_mmu *mmu, struct rv_mm *mm, om_pfn_t root);

/* The hooks `flush` and `flush_local` of struct om_port_ops, with ctx = the struct rv_mmu. */
void rv_flush(void *mmu, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what);
void rv_flush_local(void *mmu, struct om_mm *mm, uintptr_t addr, bool was_present);

/*
 * With `send_flush`: answer the flushes that wait for this CPU. The handler of the interrupt calls
 * it, and every loop of yours that spins with interrupts off for something a flushing CPU may hold.
 */
void rv_flush_interrupt(struct rv_mmu *mmu);

#endif
