/*
 * insn.h: the instructions of the port that only a kernel may execute, and what it finds in
 * TPIDRPRW. A test on a development machine defines ARMV7_INSN_H and brings functions of its own.
 */
#ifndef ARMV7_INSN_H
#define ARMV7_INSN_H

#include <stdint.h>

/*
 * Of the running thread: TPIDRPRW points to it. You zero it when the thread is made, and fill in
 * `cpu` whenever it begins to run on one. A kernel that does not preempt may have one for each CPU.
 */
struct armv7_thread {
	uint32_t cpu;     /* its number, from 0 */
	uint32_t preempt; /* not 0: the thread must not be preempted */
};

/* Not volatile: it is the same for the life of a thread. */
static inline struct armv7_thread *armv7_this_thread(void)
{
	struct armv7_thread *thread;

	__asm__("mrc p15, 0, %0, c13, c0, 4" : "=r"(thread));
	return thread;
}

static inline unsigned armv7_cpu_number(void)
{
	return *(volatile uint32_t *)&armv7_this_thread()->cpu;
}

/* The barriers are the compiler's. */
static inline void armv7_preempt_disable(void)
{
	armv7_this_thread()->preempt++;
	__asm__ volatile("" : : : "memory");
}

static inline void armv7_preempt_enable(void)
{
	__asm__ volatile("" : : : "memory");
	armv7_this_thread()->preempt--;
}

/* TTBR0 and CONTEXTIDR. Each is in force when this returns. */
static inline void armv7_write_ttbr0(uint32_t v)
{
	__asm__ volatile("mcr p15, 0, %0, c2, c0, 0; isb" : : "r"(v) : "memory");
}

static inline void armv7_write_asid(uint32_t v)
{
	__asm__ volatile("mcr p15, 0, %0, c13, c0, 1; isb" : : "r"(v) : "memory");
}

/* Entries have been written, by this CPU: all MMUs see them from here on. */
static inline void armv7_entries_written(void)
{
	__asm__ volatile("dsb ishst" : : : "memory");
}

/* On all CPUs: a page of an ASID, all of it; to be followed by armv7_flushes_done(). */
static inline void armv7_flush_page(uint32_t page_and_asid)
{
	__asm__ volatile("mcr p15, 0, %0, c8, c3, 1" : : "r"(page_and_asid) : "memory");
}

static inline void armv7_flush_asid(uint32_t asid)
{
	__asm__ volatile("mcr p15, 0, %0, c8, c3, 2" : : "r"(asid) : "memory");
}

static inline void armv7_flushes_done(void)
{
	__asm__ volatile("dsb ish; isb" : : : "memory");
}

/* On this CPU: a page; everything. */
static inline void armv7_flush_page_here(uint32_t page_and_asid)
{
	__asm__ volatile("mcr p15, 0, %0, c8, c7, 1; dsb; isb" : : "r"(page_and_asid) : "memory");
}

static inline void armv7_flush_all_here(void)
{
	__asm__ volatile("mcr p15, 0, %0, c8, c7, 0; dsb; isb" : : "r"(0) : "memory");
}

static inline void armv7_pause(void)
{
	__asm__ volatile("yield" : : : "memory");
}

#endif
