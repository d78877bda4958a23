/* machine.h: 64-bit RISC-V on QEMU's virt, with OpenSBI: a CPU, and the registers of a program. */
#ifndef TINY_MACHINE_H
#define TINY_MACHINE_H

#define CPU_REGS    8 /* offsets in struct machine_cpu, for boot.S */
#define CPU_STACK   16
#define CPU_SCRATCH 24

#ifndef __ASSEMBLER__

#include "om_arch.h"

/* x1 has its place at 8, and so on. */
struct regs {
	unsigned long pc, ra, sp, gp, tp, t0_to_s1[5], a[7], number, s2_to_t6[14];
};

struct machine_cpu {
	struct rv_cpu port; /* tp points here while the CPU is in the kernel, sscratch otherwise */
	struct regs *regs;  /* where to save those of the program that runs */
	void *stack;        /* top of the kernel's, which is empty when a program runs */
	unsigned long sp;   /* the program's, for a moment */
	bool woken;         /* an interrupt has come since it was idle */
};

#define CPU_NUMBER  number /* in struct rv_cpu */
#define KERNEL_SLOT 256    /* entries of a root are the kernel's from here on */
#define machine_mm  rv_mm

_Static_assert(__builtin_offsetof(struct machine_cpu, regs) == CPU_REGS, "for boot.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for boot.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, sp) == CPU_SCRATCH, "for boot.S");

#endif
#endif
