/*
 * irq.c: interrupts: the table of handlers by vector, and what happens when one comes. Lines of the
 * IO-APIC go to the boot CPU, messages of PCI devices where their drivers want them.
 */
#include "arch.h"

static struct {
	irq_fn *fn;
	void *arg;
} handlers[256];
static int next_vector = VECTOR_DYNAMIC;

/* ---------------------------------------------------------------- handlers ------------------ */

int irq_alloc(irq_fn *fn, void *arg)
{
	int vector = next_vector;

	if (vector == VECTOR_CLOCK)
		return -ENOSPC;
	next_vector++;
	handlers[vector].arg = arg;
	handlers[vector].fn = fn;
	return vector;
}

int irq_isa(unsigned line, irq_fn *fn, void *arg)
{
	int vector = irq_alloc(fn, arg);

	if (vector < 0)
		return vector;
	io_apic_route(line, vector);
	return 0;
}

void irq_msi(int vector, unsigned cpu, uint64_t *address, uint32_t *data)
{
	*address = 0xfee00000u | cpus[cpu].apic_id << 12;
	*data = (uint32_t)vector;
}

static void flush_interrupt(void *arg)
{
	(void)arg;
	x86_flush_interrupt(&mmu);
}

/* `resched` is set: interrupt() looks at it. */
static void resched_interrupt(void *arg)
{
	(void)arg;
}

/*
 * The two 8259 controllers of old: all their lines off, and their vectors out of the way of traps.
 */
static void pic_disable(void)
{
	static const uint8_t start[][2] = {
	    {0x11, 0x11}, {0x20, 0x28}, {4, 2}, {1, 1}, {0xff, 0xff}};

	for (unsigned i = 0; i < ARRAY_SIZE(start); i++) {
		outb(i ? 0x21 : 0x20, start[i][0]);
		outb(i ? 0xa1 : 0xa0, start[i][1]);
	}
}

void interrupts_init(void)
{
	pic_disable();
	apic_init_cpu();
	handlers[VECTOR_RESCHED].fn = resched_interrupt;
	handlers[VECTOR_FLUSH].fn = flush_interrupt;
}

/* ---------------------------------------------------------------- taking one ---------------- */

/*
 * To give way, the thread goes the long way back to user mode; or at once if it is in the kernel
 * and neither it nor the interrupted code minds.
 */
static void interrupt_exit(const struct regs *regs)
{
	if (!this_cpu()->resched)
		return;
	atomic_fetch_or(&current->work, WORK_RESCHED);
	if (!regs_user(regs))
		sched_preempt();
}

void interrupt(struct regs *regs)
{
	unsigned vector = (unsigned)regs->vector;

	if (vector == VECTOR_SPURIOUS)
		return;
	if (vector == VECTOR_CLOCK)
		clock_interrupt(regs_user(regs));
	else if (handlers[vector].fn)
		handlers[vector].fn(handlers[vector].arg);
	apic_eoi();
	interrupt_exit(regs);
}
