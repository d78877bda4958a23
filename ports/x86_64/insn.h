/*
 * insn.h: the instructions of the port that only a kernel may execute, and what it finds at the
 * GS base. A test on a development machine defines X86_INSN_H and brings functions of its own.
 */
#ifndef X86_INSN_H
#define X86_INSN_H

#include <stdint.h>

/*
 * Must be the first thing at the GS base of each CPU while it is in the kernel. You fill in
 * `number` and zero the rest.
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

static inline unsigned long x86_irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void x86_irq_restore(unsigned long flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" : : : "memory");
}

static inline uint64_t x86_read_cr3(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v) : : "memory");
	return v;
}

static inline void x86_write_cr3(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

/* Bit 17: PCIDE. */
static inline uint64_t x86_read_cr4(void)
{
	uint64_t v;

	__asm__("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline void x86_invlpg(uintptr_t addr)
{
	__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/* Not atomic; a release, as every store. */
static inline void x86_decrement(uint8_t *byte)
{
	__asm__ volatile("decb %0" : "+m"(*byte) : : "memory", "cc");
}

static inline void x86_pause(void)
{
	__builtin_ia32_pause();
}

#endif
