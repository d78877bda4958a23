/*
 * fpu.c: the FPU state of threads.
 *
 * The kernel itself uses no FPU registers, so they belong to the program of the running thread all
 * the time and change hands in cpu_switch() only.
 */
#include "arch.h"

void cpu_fpu_save(struct thread *t)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(t->fpu) : "memory");
}

void cpu_fpu_load(struct thread *t)
{
	__asm__ volatile("fxrstor64 (%0)" : : "r"(t->fpu) : "memory");
}

/* As after FNINIT: all exceptions masked, all registers empty. */
void cpu_fpu_reset(struct thread *t)
{
	preempt_disable(); /* a switch would save the old registers over it */
	memset(t->fpu, 0, 512);
	((uint16_t *)t->fpu)[0] = 0x37f;  /* control word */
	((uint32_t *)t->fpu)[6] = 0x1f80; /* MXCSR */
	if (t == current)
		cpu_fpu_load(t);
	preempt_enable();
}
