/*
 * thread.c: the part of a thread that is the CPU's: where a new one begins, and switching.
 */
#include "arch.h"

#define SAVED_REGS 6 /* pushed by switch_stacks(): r15 r14 r13 r12 rbp rbx */

struct regs *thread_regs(const struct thread *t)
{
	return (struct regs *)(t->stack + KSTACK_SIZE) - 1;
}

/*
 * Make switch_stacks() "return" to fn with this r12 and r13; `below` is the stack pointer fn sees.
 */
static void prepare_stack(struct thread *t, void *below, void (*fn)(void), void *r12, void *r13)
{
	uint64_t *sp = below;

	*--sp = (uintptr_t)fn;
	sp -= SAVED_REGS;
	memset(sp, 0, SAVED_REGS * sizeof(*sp));
	sp[3] = (uintptr_t)r12;
	sp[2] = (uintptr_t)r13;
	t->sp = sp;
}

void cpu_thread_kernel(struct thread *t, void (*fn)(void *), void *arg)
{
	prepare_stack(t, thread_regs(t), thread_begin_kernel, (void *)fn, arg);
}

void cpu_thread_user(struct thread *t, const struct regs *regs)
{
	*thread_regs(t) = *regs;
	prepare_stack(t, thread_regs(t), thread_begin_user, NULL, NULL);
}

/* ---------------------------------------------------------------- switching ----------------- */

/* An interrupt in between would have the old thread's base written back. */
void cpu_set_fs(uint64_t base)
{
	unsigned long flags = irq_save();

	current->fs_base = base;
	wrmsr(MSR_FS_BASE, base);
	irq_restore(flags);
}

void cpu_switch(struct thread *prev, struct thread *next)
{
	struct cpu *cpu = this_cpu();

	if (prev->proc)
		fpu_save_changed(prev);
	if (next->proc) {
		fpu_load(next);
		wrmsr(MSR_FS_BASE, next->fs_base);
	}
	cpu->kernel_rsp = (uintptr_t)next->stack + KSTACK_SIZE;
	tss_set_stack(cpu->tss, cpu->kernel_rsp);
	cpu->running = next;
	switch_stacks(&prev->sp, next->sp);
}
