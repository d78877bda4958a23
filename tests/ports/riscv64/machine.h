/* machine.h: 64-bit RISC-V on QEMU's virt, with OpenSBI: registers, and where things are. */
#ifndef PORTS_MACHINE_H
#define PORTS_MACHINE_H

/* Offsets for boot.S and entry.S: of struct machine_cpu, and of struct regs. */
#define CPU_REGS    8
#define CPU_STACK   16
#define CPU_SCRATCH 24
#define REGS_PC     0 /* x1 is at 8, and so on */

#ifndef __ASSEMBLER__

#include "om_arch.h"

#define PAGE_BYTES (1ul << OM_PAGE_SHIFT)
#define USER_END   OM_VA_LIMIT
#define STACK_TOP  (USER_END - (1ul << 20))
#define TEXT       0x400000ul /* user/program.ld */

struct regs {
	unsigned long pc, x[31]; /* x1 to x31 */
};

struct machine_cpu {
	struct rv_cpu port; /* tp points here while the CPU is in the kernel, sscratch otherwise */
	struct regs *regs;  /* where to save those of the program that runs */
	void *stack;        /* top of the kernel's, which is empty when a program runs */
	unsigned long tp;   /* the program's, for a moment */
};

struct machine_mm {
	struct rv_mm rv;
};

enum trap { TRAP_CALL, TRAP_FAULT, TRAP_MISTAKE };

#define X(n) ((n)-1)

static inline unsigned long regs_argument(const struct regs *regs, unsigned n)
{
	return regs->x[X(10) + n];
}

static inline unsigned long regs_number(const struct regs *regs)
{
	return regs->x[X(17)];
}

static inline void regs_set_answer(struct regs *regs, long answer)
{
	regs->x[X(10)] = (unsigned long)answer;
}

static inline void regs_start(struct regs *regs, uintptr_t pc, uintptr_t stack, uintptr_t arg)
{
	*regs = (struct regs){.pc = pc};
	regs->x[X(2)] = stack;
	regs->x[X(10)] = arg;
}

_Static_assert(__builtin_offsetof(struct machine_cpu, regs) == CPU_REGS, "for entry.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for entry.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, tp) == CPU_SCRATCH, "for entry.S");

#endif
#endif
