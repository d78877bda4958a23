/* machine.h: 32-bit Arm on QEMU's virt: a CPU, and the registers of a program. */
#ifndef TINY_MACHINE_H
#define TINY_MACHINE_H

#define CPU_REGS  8 /* offsets in struct machine_cpu, for boot.S */
#define CPU_STACK 12

#define TRAPS_CALL    0 /* how boot.S tells what has happened */
#define TRAPS_FETCH   1
#define TRAPS_DATA    2
#define TRAPS_MISTAKE 3

#ifndef __ASSEMBLER__

#include "om_arch.h"

/* r0 to r14, and the others. */
struct regs {
	unsigned long a[7], number, r8_to_r12[5], sp, lr, pc, cpsr;
};

struct machine_cpu {
	struct armv7_thread port; /* TPIDRPRW points here; no thread is ever preempted */
	struct regs *regs;        /* where to save those of the program that runs */
	void *stack;              /* top of the kernel's, which is empty when a program runs */
};

#define CPU_NUMBER  cpu       /* in struct armv7_thread */
#define KERNEL_SLOT PER_TABLE /* it is in TTBR1, so no entry of a root is the kernel's */
#define machine_mm  armv7_mm

_Static_assert(__builtin_offsetof(struct machine_cpu, regs) == CPU_REGS, "for boot.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for boot.S");

#endif
#endif
