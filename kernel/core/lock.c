/*
 * lock.c: spinning locks, queues of sleeping threads, and the mutex made of these.
 *
 * A CPU that spins answers TLB flushes meanwhile: with interrupts off it would not otherwise, and
 * the CPU that holds the lock may be the one that waits for the answer.
 */
#include "process.h"

/* ---------------------------------------------------------------- spinning ------------------ */

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

/* ---------------------------------------------------------------- sleeping ------------------ */

/*
 * The waiter is on the queue before the state changes: whoever wakes the queue from now on finds
 * both.
 */
void wait_begin_key(struct waitq *q, struct waiter *w, enum thread_state state, const void *key)
{
	struct thread *t = current;
	unsigned long flags;

	w->thread = t;
	w->q = q;
	w->key = key;
	flags = spin_lock_irq(&q->lock);
	list_append(&q->waiters, &w->node);
	atomic_store(&t->state, state);
	spin_unlock_irq(&q->lock, flags);
}

void wait_begin(struct waitq *q, struct waiter *w, enum thread_state state)
{
	wait_begin_key(q, w, state, NULL);
}

void wait_end(struct waiter *w)
{
	unsigned long flags = spin_lock_irq(&w->q->lock);

	atomic_store(&w->thread->state, THREAD_RUNNING);
	list_remove(&w->node);
	spin_unlock_irq(&w->q->lock, flags);
}

/*
 * Is there nobody to wake? The fence is the other half of what wait_begin() does: either we see the
 * waiter, or it sees what the caller has changed before.
 */
static bool nobody_waits(const struct waitq *q)
{
	atomic_thread_fence(memory_order_seq_cst);
	return list_empty(&q->waiters);
}

void wake_all(struct waitq *q)
{
	struct waiter *w;
	unsigned long flags;

	if (nobody_waits(q))
		return;
	flags = spin_lock_irq(&q->lock);
	list_for_each (w, &q->waiters, node)
		thread_wake(w->thread);
	spin_unlock_irq(&q->lock, flags);
}

void wake_key(struct waitq *q, const void *key)
{
	struct waiter *w;
	unsigned long flags;

	if (nobody_waits(q))
		return;
	flags = spin_lock_irq(&q->lock);
	list_for_each (w, &q->waiters, node)
		if (w->key == key)
			thread_wake(w->thread);
	spin_unlock_irq(&q->lock, flags);
}

/* Off the queue at once, so that the next call wakes the next one. */
void wake_one(struct waitq *q)
{
	struct waiter *w;
	unsigned long flags;

	if (nobody_waits(q))
		return;
	flags = spin_lock_irq(&q->lock);
	if (!list_empty(&q->waiters)) {
		w = list_first(&q->waiters, struct waiter, node);
		list_remove(&w->node);
		thread_wake(w->thread);
	}
	spin_unlock_irq(&q->lock, flags);
}

/* ---------------------------------------------------------------- mutexes ------------------- */

void mutex_init(struct mutex *m)
{
	m->owner = NULL;
	waitq_init(&m->q);
}

static bool mutex_try(struct mutex *m)
{
	struct thread *nobody = NULL;

	return atomic_compare_exchange_strong(&m->owner, &nobody, current);
}

/* wait_event() would try once more after success. */
void mutex_lock(struct mutex *m)
{
	bool mine = mutex_try(m);
	struct waiter w;

	BUG_ON(!mine && m->owner == current);
	while (!mine) {
		wait_begin(&m->q, &w, THREAD_SLEEPING);
		mine = mutex_try(m);
		if (!mine)
			schedule();
		wait_end(&w);
		mine = mine || mutex_try(m);
	}
}

void mutex_unlock(struct mutex *m)
{
	BUG_ON(m->owner != current);
	atomic_store(&m->owner, NULL);
	wake_one(&m->q);
}
