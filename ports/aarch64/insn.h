/*
 * insn.h: the instructions of the port that only a kernel may execute, and what it finds in
 * TPIDR_EL1. A test on a development machine defines ARM_INSN_H and brings functions of its own.
 */
#ifndef ARM_INSN_H
#define ARM_INSN_H

#include <stdint.h>

/*
 * Of the running thread: TPIDR_EL1 points to it. You zero it when the thread is made, and fill in
 * `cpu` whenever it begins to run on one. It is the thread's and not the CPU's, so that a thread
 * which is moved between a load and a store changes its own count and nobody else's. A kernel that
 * does not preempt may have one for each CPU instead.
 */
struct arm_thread {
	uint32_t cpu;     /* its number, from 0 */
	uint32_t preempt; /* not 0: the thread must not be preempted */
};

/* Not volatile: it is the same for the life of a thread. */
static inline struct arm_thread *arm_this_thread(void)
{
	struct arm_thread *thread;

	__asm__("mrs %0, tpidr_el1" : "=r"(thread));
	return thread;
}

static inline unsigned arm_cpu_number(void)
{
	return *(volatile uint32_t *)&arm_this_thread()->cpu;
}

/* The barriers are the compiler's. */
static inline void arm_preempt_disable(void)
{
	arm_this_thread()->preempt++;
	__asm__ volatile("" : : : "memory");
}

static inline void arm_preempt_enable(void)
{
	__asm__ volatile("" : : : "memory");
	arm_this_thread()->preempt--;
}

static inline void arm_write_ttbr0(uint64_t v)
{
	__asm__ volatile("msr ttbr0_el1, %0; isb" : : "r"(v) : "memory");
}

/* ID_AA64MMFR0_EL1: bits 4 to 7 are 2 if ASIDs have 16 bits. */
static inline uint64_t arm_read_mmfr0(void)
{
	uint64_t v;

	__asm__("mrs %0, id_aa64mmfr0_el1" : "=r"(v));
	return v;
}

/* ID_AA64MMFR1_EL1: bits 0 to 3 are 1 if the MMU sets AF, 2 if it manages the dirty state, too. */
static inline uint64_t arm_read_mmfr1(void)
{
	uint64_t v;

	__asm__("mrs %0, id_aa64mmfr1_el1" : "=r"(v));
	return v;
}

static inline uint64_t arm_read_tcr(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, tcr_el1" : "=r"(v));
	return v;
}

static inline void arm_write_tcr(uint64_t v)
{
	__asm__ volatile("msr tcr_el1, %0; isb" : : "r"(v) : "memory");
}

/* Entries have been written, by this CPU: all MMUs see them from here on. */
static inline void arm_entries_written(void)
{
	__asm__ volatile("dsb ishst" : : : "memory");
}

/*
 * TLBI takes ASID << 48 | address >> 12. On all CPUs: the last level of a page, and all of an ASID;
 * to be followed by arm_flushes_done().
 */
static inline void arm_flush_page(uint64_t asid_and_page)
{
	__asm__ volatile("tlbi vale1is, %0" : : "r"(asid_and_page) : "memory");
}

static inline void arm_flush_asid(uint64_t asid)
{
	__asm__ volatile("tlbi aside1is, %0" : : "r"(asid) : "memory");
}

static inline void arm_flushes_done(void)
{
	__asm__ volatile("dsb ish" : : : "memory");
}

/* On this CPU: a page; everything. */
static inline void arm_flush_page_here(uint64_t asid_and_page)
{
	__asm__ volatile("tlbi vae1, %0; dsb nsh; isb" : : "r"(asid_and_page) : "memory");
}

static inline void arm_flush_all_here(void)
{
	__asm__ volatile("tlbi vmalle1; dsb nsh; isb" : : : "memory");
}

static inline void arm_pause(void)
{
	__asm__ volatile("yield" : : : "memory");
}

#endif
