/* machine.h: AArch64 on QEMU's virt: registers, and where things are. */
#ifndef PORTS_MACHINE_H
#define PORTS_MACHINE_H

/* Offsets for boot.S: of struct machine_cpu, and of struct regs. */
#define CPU_REGS  8
#define CPU_STACK 16
#define REGS_SP   248 /* after x0 to x30 */
#define REGS_PC   256

#ifndef __ASSEMBLER__

#include "om_arch.h"

#define PAGE_BYTES (1ul << OM_PAGE_SHIFT)
#define USER_END   OM_VA_LIMIT
#define STACK_TOP  (USER_END - (1ul << 20))
#define TEXT       0x400000ul /* user/program.ld */

struct regs {
	unsigned long x[31], sp, pc;
};

struct machine_cpu {
	struct arm_thread port; /* TPIDR_EL1 points here; no thread is ever preempted */
	struct regs *regs;      /* where to save those of the program that runs */
	void *stack;            /* top of the kernel's, which is empty when a program runs */
};

struct machine_mm {
	struct arm_mm arm;
};

enum trap { TRAP_CALL, TRAP_FAULT, TRAP_MISTAKE };

static inline unsigned long regs_argument(const struct regs *regs, unsigned n)
{
	return regs->x[n];
}

static inline unsigned long regs_number(const struct regs *regs)
{
	return regs->x[8];
}

static inline void regs_set_answer(struct regs *regs, long answer)
{
	regs->x[0] = (unsigned long)answer;
}

static inline void regs_start(struct regs *regs, uintptr_t pc, uintptr_t stack, uintptr_t arg)
{
	*regs = (struct regs){.x = {arg}, .sp = stack, .pc = pc};
}

_Static_assert(__builtin_offsetof(struct machine_cpu, regs) == CPU_REGS, "for boot.S");
_Static_assert(__builtin_offsetof(struct machine_cpu, stack) == CPU_STACK, "for boot.S");
_Static_assert(__builtin_offsetof(struct regs, pc) == REGS_PC, "for boot.S");

#endif
#endif
