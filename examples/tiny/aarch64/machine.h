/* machine.h: AArch64 on QEMU's virt: a CPU, and the registers of a program. */
#ifndef TINY_MACHINE_H
#define TINY_MACHINE_H

#define CPU_REGS  8 /* offsets in struct machine_cpu, for boot.S */
#define CPU_STACK 16

#ifndef __ASSEMBLER__

#include "om_arch.h"

/* x0 to x30, and the others. */
struct regs {
	unsigned long a[8], number, x9_to_x30[22], sp, pc;
};

struct machine_cpu {
	struct arm_thread port; /* TPIDR_EL1 points here; no thread is ever preempted */
	struct regs *regs;      /* where to save those of the program that runs */
	void *stack;            /* top of the kernel's, which is empty when a program runs */
};

#define CPU_NUMBER  cpu       /* in struct arm_thread */
#define KERNEL_SLOT PER_TABLE /* it is in TTBR1, so no entry of a root is the kernel's */
#define machine_mm  arm_mm

_Static_assert(__builtin_offsetof(struct machine_cpu, regs) == CPU_REGS, "for boot.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for boot.S");

#endif
#endif
