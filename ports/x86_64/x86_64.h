/*
 * x86_64.h: the run-time half of the x86-64 port: switching address spaces and keeping the TLBs of
 * all CPUs right. It belongs to no kernel; what it needs of yours is in struct x86_mmu_config.
 *
 * How it works. Every address space knows the set of CPUs that have it loaded, and has a generation
 * that grows with each flush. A flush asks the other CPUs of the set and waits for their answers;
 * an address space that runs on one CPU costs the others nothing. With PCIDs a CPU keeps
 * translations of address spaces it has left, and the generation it left them at: if there have
 * been flushes since, it drops them when it comes back.
 *
 * To ask, a CPU writes what it wants into its own request, sets its bit in the mailbox of each CPU,
 * and interrupts those whose mailbox was empty. There is no lock, so CPUs that flush different
 * address spaces, or the same one, do not wait for each other.
 *
 * A CPU that goes to a kernel thread keeps what it has loaded (it is lazy): coming back costs
 * nothing. If a flush interrupts it meanwhile, it lets go, so that happens once and not for every
 * flush. Why interrupt it at all, if no program runs there? Because page tables are freed after a
 * flush, and its MMU may still walk them: a CPU runs ahead of itself, and such a walk may even set
 * an accessed bit.
 */
#ifndef X86_64_H
#define X86_64_H

#include <objrmap/objrmap.h>

#include "insn.h"

#define X86_MAX_CPUS  256
#define X86_CPU_WORDS (X86_MAX_CPUS / 64)

/* A set of CPUs: CPU n is bit n % 64 of word n / 64. */
struct x86_cpus {
	uint64_t word[X86_CPU_WORDS];
};

/*
 * The port's part of an address space; zeroed, then x86_mm_init(). The cookie of the mm points to
 * it. On a cache line of its own it does not disturb those that fault on other CPUs.
 */
struct x86_mm {
	uint64_t id;                            /* never used twice */
	_Atomic uint64_t generation;            /* flushes so far */
	_Atomic uint64_t loaded[X86_CPU_WORDS]; /* CPUs whose root register has it, lazily or not */
};

/* One flush of an address space. */
struct x86_range {
	uintptr_t start, end;
	uint64_t generation; /* that it has raised the address space to */
};

/* What one CPU asks of others. It has one at a time, and waits until all have answered. */
struct x86_request {
	_Atomic uint32_t waiting; /* CPUs that have not answered yet: the last thing they touch */
	bool retire;              /* drop the mm */
	struct x86_mm *mm;        /* NULL: addresses of the kernel */
	struct x86_range range;
} __attribute__((aligned(64)));

struct x86_figures {
	uint64_t shootdowns;   /* flushes that other CPUs had to do, too */
	uint64_t ipis;         /* CPUs interrupted for it */
	uint64_t full_flushes; /* flushes, on one CPU, that dropped everything */
};

#define X86_PCIDS 6 /* address spaces whose translations a CPU keeps */

/* One CPU. The first part is written by that CPU alone. */
struct x86_mmu_cpu {
	struct x86_mm *loaded; /* NULL: the kernel's own root */
	/* Flushes of `loaded` up to this one, and perhaps later ones, have been done here. */
	uint64_t generation;
	bool lazy;
	uint32_t slot, next_slot;
	struct {
		uint64_t id, generation; /* and of address spaces that were left */
	} pcid[X86_PCIDS];
	uint64_t ids; /* given out here */
	_Atomic uint64_t shootdowns, ipis, full_flushes;
	/* The mailbox: the CPUs whose requests wait for this one. */
	_Atomic uint64_t asked_by[X86_CPU_WORDS] __attribute__((aligned(64)));
	struct x86_request request;
};

struct x86_mmu_config {
	void *ctx;
	uint64_t kernel_root; /* physical address of a root with the kernel's half alone */
	bool pcid;            /* CR4.PCIDE is set on every CPU (CPUID.1:ECX.17) */
	/* Raise on each CPU of the set an interrupt whose handler calls x86_flush_interrupt(). */
	void (*send_flush)(void *ctx, const struct x86_cpus *cpus);
	/*
	 * NULL; or, where the machine has instructions for it (INVLPGB and TLBSYNC): drop on all
	 * CPUs, this one included, what they have of these addresses, whatever the PCID, global
	 * pages and upper levels, too; return when all have done so. Then a flush interrupts
	 * nobody; send_flush is still needed when an address space ends. Preemption is off.
	 */
	void (*drop_everywhere)(void *ctx, uintptr_t start, uintptr_t end);
};

/* One a machine. All fields are the port's. */
struct x86_mmu {
	struct x86_mmu_config config; /* constant */
	struct x86_mmu_cpu cpu[X86_MAX_CPUS];
};

/* Each CPU has the kernel's root loaded when it gets here. */
void x86_mmu_init(struct x86_mmu *mmu, const struct x86_mmu_config *config);
void x86_mm_init(struct x86_mmu *mmu, struct x86_mm *mm);

/*
 * This CPU goes to `mm`, whose top-level table is `root`; NULL: to a kernel thread, lazily.
 * Interrupts are off.
 */
void x86_switch(struct x86_mmu *mmu, struct x86_mm *mm, om_pfn_t root);

/*
 * Before om_mm_destroy(): no CPU has it loaded when this returns, not even lazily. No thread runs
 * on it in user mode any more; the caller's own CPU may still have it loaded.
 */
void x86_mm_retire(struct x86_mmu *mmu, struct x86_mm *mm);

/* The hook `flush` of struct om_port_ops, with ctx = the struct x86_mmu. */
void x86_flush(void *mmu, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what);

/*
 * Not needed by objrmap: the same for pages of the kernel, on the CPUs below nr_cpus. Their entries
 * must be global if there are PCIDs. Waits for the other CPUs, like x86_flush().
 */
void x86_flush_kernel(struct x86_mmu *mmu, unsigned nr_cpus, uintptr_t start, uintptr_t end);

/*
 * Answer the flushes that wait for this CPU. The handler of the interrupt calls it, and every loop
 * of yours that spins with interrupts off for something a flushing CPU may hold.
 */
void x86_flush_interrupt(struct x86_mmu *mmu);

/* What all CPUs have done since boot. */
struct x86_figures x86_mmu_figures(const struct x86_mmu *mmu);

#endif
