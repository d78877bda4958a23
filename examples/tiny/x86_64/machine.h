/* machine.h: x86-64 as in QEMU's q35: a CPU, and the registers of a program. */
#ifndef TINY_MACHINE_H
#define TINY_MACHINE_H

#define CPU_STACK        8  /* offset in struct machine_cpu, for boot.S and entry.S */
#define VECTOR_CALL      32 /* the first after the CPU's own */
#define VECTOR_INTERRUPT 33
#define VECTORS          34

#ifndef __ASSEMBLER__

#include "om_arch.h"

/* As entry.S and the CPU push them. The CPU begins at a multiple of 16. */
struct regs {
	unsigned long r15_to_r12[4], rbp, rbx, r11, rcx, number, a[6];
	unsigned long vector, error, pc, cs, flags, sp, ss;
} __attribute__((aligned(16)));

struct machine_cpu {
	struct x86_cpu port; /* GS base points here while the CPU is in the kernel */
	void *stack;         /* top of the kernel's, which is empty when a program runs */
	bool woken;          /* it has begun, or an interrupt has come since it was idle */
	uint32_t tss[26];    /* words 1 and 2: where the CPU pushes what it knows of a program */
};

#define CPU_NUMBER  number /* in struct x86_cpu */
#define KERNEL_SLOT 256    /* entries of a root are the kernel's from here on */
#define machine_mm  x86_mm

_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for boot.S");

#endif
#endif
