/*
 * thread.c: the part of a thread that is the CPU's: where a new one begins, switching, FPU state;
 * and the end of the machine.
 *
 * The kernel itself uses no FPU registers, so they belong to the program of the running thread all
 * the time and change hands in cpu_switch() only.
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
static void prepare(struct thread *t, void *below, void (*fn)(void), void *r12, void *r13)
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
	prepare(t, thread_regs(t), thread_begin_kernel, (void *)fn, arg);
}

void cpu_thread_user(struct thread *t, const struct regs *regs)
{
	*thread_regs(t) = *regs;
	prepare(t, thread_regs(t), thread_begin_user, NULL, NULL);
}

/* ---------------------------------------------------------------- FPU ----------------------- */

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

/* ---------------------------------------------------------------- switching ----------------- */

/* An interrupt in between would have the old thread's base written back. */
void cpu_set_fs(uint64_t base)
{
	unsigned long flags = irq_save();

	current->fs_base = base;
	wrmsr(MSR_FS_BASE, base);
	irq_restore(flags);
}

static void load_process(const struct thread *next)
{
	const struct space *space = next->proc ? next->proc->space : NULL;

	if (space)
		x86_switch(&mmu, (struct x86_mm *)&space->x86, om_mm_root(space->mm));
	else
		x86_switch(&mmu, NULL, 0);
}

void cpu_switch(struct thread *prev, struct thread *next)
{
	struct cpu *cpu = this_cpu();

	if (prev->proc)
		cpu_fpu_save(prev);
	load_process(next);
	if (next->proc) {
		cpu_fpu_load((struct thread *)next);
		wrmsr(MSR_FS_BASE, next->fs_base);
	}
	cpu->kernel_rsp = (uintptr_t)next->stack + KSTACK_SIZE;
	tss_set_stack(cpu->tss, cpu->kernel_rsp);
	cpu->running = next;
	switch_stacks(&prev->sp, next->sp);
}

/* ---------------------------------------------------------------- the end ------------------- */

/*
 * QEMU's isa-debug-exit device ends it with 2 * value + 1. 0x10 stands for "all was right" (33), so
 * that status is told as 0x11.
 */
void machine_end(unsigned status)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_table = {0, 0};

	irq_disable();
	outl(0xf4, status == 0 ? 0x10 : status == 0x10 ? 0x11 : status);
	outb(0xcf9, 6); /* reset, the ways of three generations of PCs */
	outb(0x64, 0xfe);
	__asm__ volatile("lidt %0; int3" : : "m"(no_table));
	for (;;)
		__asm__ volatile("hlt");
}
