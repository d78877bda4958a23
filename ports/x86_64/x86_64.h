/*
 * x86_64.h: the run-time half of the x86-64 port: switching address spaces and keeping the TLBs of all
 * CPUs right. It belongs to no kernel; what it needs of yours is in struct x86_mmu_config.
 *
 * How it works. Every address space has a generation that grows with each flush. Each CPU remembers, for
 * each of the few address spaces whose translations it keeps (by PCID; one without), the generation it is
 * at. A flush raises the generation, interrupts the CPUs that run on the address space now and waits for
 * them; every other CPU finds itself behind when it next switches there, and drops what it has. A CPU that
 * runs a kernel thread keeps the root loaded (lazy): it is not interrupted, but flushes before it goes back
 * to user mode.
 */
#ifndef X86_64_H
#define X86_64_H

#include <objrmap/objrmap.h>

#define X86_MAX_CPUS 32

/*
 * Must be the first thing at the GS base of each CPU while it is in the kernel: om_arch.h finds the number
 * of the CPU and the preemption count there. You fill in `number` and zero the rest.
 */
struct x86_cpu {
	uint32_t number;
	uint32_t preempt; /* not 0: the running thread must not be preempted */
};

static inline unsigned x86_cpu_number(void)
{
	unsigned n;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(n));
	return n;
}

static inline void x86_preempt_disable(void)
{
	__asm__ volatile("incl %%gs:4" : : : "memory");
}

static inline void x86_preempt_enable(void)
{
	__asm__ volatile("decl %%gs:4" : : : "memory");
}

/* The port's part of an address space; zeroed, then x86_mm_init(). Pass it as the cookie of the mm. */
struct x86_mm {
	uint64_t id;                  /* never used twice */
	_Atomic uint64_t generation;  /* flushes so far */
	_Atomic uint32_t running;     /* CPUs on whose root register it is, not lazily */
	_Atomic uint32_t lazy;        /* CPUs that have it loaded, but run a kernel thread */
};

#define X86_PCIDS 6 /* address spaces whose translations a CPU keeps */

struct x86_mmu_cpu {
	struct x86_mm *loaded;        /* whose root is in CR3; NULL: the kernel's own */
	bool lazy;
	unsigned slot, next_slot;
	struct {
		uint64_t id, generation;
	} pcid[X86_PCIDS];
} __attribute__((aligned(64)));

struct x86_mmu_config {
	void *ctx;
	unsigned nr_cpus;
	uint64_t kernel_root; /* physical address of a root with the kernel's half alone */
	bool pcid;            /* CR4.PCIDE is set on every CPU (CPUID.1:ECX.17) */
	bool global;          /* CR4.PGE is set: kernel translations outlive a write to CR3 */
	/* Raise on each CPU of the set an interrupt whose handler calls x86_flush_interrupt(). */
	void (*send_flush)(void *ctx, uint32_t cpus);
};

/* One a machine. All fields are the port's. */
struct x86_mmu {
	struct x86_mmu_config config;
	_Atomic uint64_t next_id;
	struct x86_mmu_cpu cpu[X86_MAX_CPUS];
	struct x86_shootdown { /* one under way at a time; guarded by `busy` */
		_Atomic uint32_t busy;
		_Atomic uint32_t waiting; /* CPUs that have not answered yet */
		struct x86_mm *mm;
		uintptr_t start, end;
		uint64_t generation;
	} shootdown;
	_Atomic uint64_t shootdowns, ipis, full_flushes; /* figures */
};

void x86_mmu_init(struct x86_mmu *mmu, const struct x86_mmu_config *config);
void x86_mm_init(struct x86_mmu *mmu, struct x86_mm *mm);

/*
 * This CPU goes to `mm`, whose top-level table is `root`; NULL: to a kernel thread, lazily. Interrupts are off.
 */
void x86_switch(struct x86_mmu *mmu, struct x86_mm *mm, om_pfn_t root);

/*
 * Before om_mm_destroy(): no CPU has it loaded when this returns, lazily or not. No thread runs on it any
 * more. Interrupts are on. May be called by a thread that has it loaded: switches to the kernel's root.
 */
void x86_mm_retire(struct x86_mmu *mmu, struct x86_mm *mm);

/* The hook `flush` of struct om_port_ops, with ctx = the struct x86_mmu. */
void x86_flush(void *mmu, struct om_mm *mm, uintptr_t start, uintptr_t end);

/*
 * Answer a flush, if one waits for this CPU. The handler of the interrupt calls it, and every loop of yours
 * that spins with interrupts off for something a flushing CPU may hold.
 */
void x86_flush_interrupt(struct x86_mmu *mmu);

#endif
