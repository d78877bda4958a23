/*
 * spin.c: spinning locks.
 *
 * A CPU that spins answers TLB flushes meanwhile: with interrupts off it would not otherwise, and
 * the CPU that holds the lock may be the one that waits for the answer.
 */
#include "cpu.h"
#include "spin.h"

static void spin_acquire(struct spin *s)
{
	while (atomic_exchange_explicit(&s->locked, 1, memory_order_acquire))
		while (atomic_load_explicit(&s->locked, memory_order_relaxed)) {
			x86_flush_interrupt(&mmu);
			cpu_relax();
		}
}

static void spin_release(struct spin *s)
{
	atomic_store_explicit(&s->locked, 0, memory_order_release);
}

void spin_lock(struct spin *s)
{
	preempt_disable();
	spin_acquire(s);
}

void spin_unlock(struct spin *s)
{
	spin_release(s);
	preempt_enable();
}

unsigned long spin_lock_irq(struct spin *s)
{
	unsigned long flags = irq_save();

	spin_acquire(s);
	return flags;
}

void spin_unlock_irq(struct spin *s, unsigned long flags)
{
	spin_release(s);
	irq_restore(flags);
}
