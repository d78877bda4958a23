/*
 * insn.h: the instructions of the port that only a kernel may execute, and what it finds in tp. A
 * test on a development machine defines RV_INSN_H and brings functions of its own.
 */
#ifndef RV_INSN_H
#define RV_INSN_H

#include <stdint.h>

/* While a CPU is in the kernel its tp points to this. You fill in `number` and zero the rest. */
struct rv_cpu {
	uint32_t preempt; /* not 0: the running thread must not be preempted */
	uint32_t number;  /* from 0; the machine's number of the hart may be another */
};

/* Volatile, because a thread that has been moved finds another one. */
static inline unsigned rv_cpu_number(void)
{
	unsigned n;

	__asm__ volatile("lw %0, 4(tp)" : "=r"(n));
	return n;
}

/* One instruction each, so that no thread is moved between the load of the count and the store. */
static inline void rv_preempt_disable(void)
{
	__asm__ volatile("amoadd.w zero, %0, (tp)" : : "r"(1) : "memory");
}

static inline void rv_preempt_enable(void)
{
	__asm__ volatile("amoadd.w zero, %0, (tp)" : : "r"(-1) : "memory");
}

#define RV_SIE 2ul /* of sstatus: interrupts are on */

static inline unsigned long rv_irq_save(void)
{
	unsigned long status;

	__asm__ volatile("csrrc %0, sstatus, %1" : "=r"(status) : "r"(RV_SIE) : "memory");
	return status;
}

static inline void rv_irq_restore(unsigned long status)
{
	__asm__ volatile("csrs sstatus, %0" : : "r"(status & RV_SIE) : "memory");
}

static inline uint64_t rv_read_satp(void)
{
	uint64_t v;

	__asm__ volatile("csrr %0, satp" : "=r"(v));
	return v;
}

static inline void rv_write_satp(uint64_t v)
{
	__asm__ volatile("csrw satp, %0" : : "r"(v) : "memory");
}

/* Drop the translation of one page, and that it is absent; entries of upper levels stay. */
static inline void rv_sfence_page(uintptr_t addr, unsigned long asid)
{
	__asm__ volatile("sfence.vma %0, %1" : : "r"(addr), "r"(asid) : "memory");
}

/* Drop all of one address space. */
static inline void rv_sfence_asid(unsigned long asid)
{
	__asm__ volatile("sfence.vma zero, %0" : : "r"(asid) : "memory");
}

/* Drop everything, global translations, too. */
static inline void rv_sfence_all(void)
{
	__asm__ volatile("sfence.vma" : : : "memory");
}

/* Zihintpause; a CPU that does not know it takes it for a fence that orders nothing. */
static inline void rv_pause(void)
{
	__asm__ volatile(".word 0x0100000f" : : : "memory");
}

struct rv_sbi_answer {
	long error, value;
};

/* A call of the firmware (SBI). */
static inline struct rv_sbi_answer rv_sbi(unsigned long extension, unsigned long function,
                                          unsigned long arg0, unsigned long arg1,
                                          unsigned long arg2, unsigned long arg3,
                                          unsigned long arg4)
{
	register unsigned long a0 __asm__("a0") = arg0, a1 __asm__("a1") = arg1;
	register unsigned long a2 __asm__("a2") = arg2, a3 __asm__("a3") = arg3;
	register unsigned long a4 __asm__("a4") = arg4;
	register unsigned long a6 __asm__("a6") = function, a7 __asm__("a7") = extension;

	__asm__ volatile("ecall"
	                 : "+r"(a0), "+r"(a1)
	                 : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
	                 : "memory");
	return (struct rv_sbi_answer){(long)a0, (long)a1};
}

/*
 * sfence.vma on the harts base + n for each bit n of `harts`; returns when it is done. Size -1:
 * all of the address space. The firmware interrupts them, whatever they have masked.
 */
static inline void rv_sbi_sfence(unsigned long harts, unsigned long base, uintptr_t start,
                                 size_t size, unsigned long asid)
{
	rv_sbi(0x52464e43, 2, harts, base, start, size, asid);
}

#endif
