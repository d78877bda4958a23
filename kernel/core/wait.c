/*
 * wait.c: threads that sleep: queues of them, sleeping for a time, and mutexes.
 */
#include "sched.h"
#include "timer.h"

/* ---------------------------------------------------------------- queues -------------------- */

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
	w->fn = NULL;
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

void wait_watch(struct waitq *q, struct waiter *w, void (*fn)(struct waiter *w, unsigned events))
{
	unsigned long flags;

	*w = (struct waiter){.q = q, .fn = fn};
	flags = spin_lock_irq(&q->lock);
	list_append(&q->waiters, &w->node);
	spin_unlock_irq(&q->lock, flags);
}

void wait_unwatch(struct waiter *w)
{
	unsigned long flags = spin_lock_irq(&w->q->lock);

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

void wake_events(struct waitq *q, unsigned events)
{
	struct waiter *w;
	unsigned long flags;

	if (nobody_waits(q))
		return;
	flags = spin_lock_irq(&q->lock);
	list_for_each (w, &q->waiters, node) {
		if (w->fn)
			w->fn(w, events);
		else
			thread_wake(w->thread);
	}
	spin_unlock_irq(&q->lock, flags);
}

void wake_all(struct waitq *q)
{
	wake_events(q, WAKE_EVERYTHING);
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

/* ---------------------------------------------------------------- for a time ---------------- */

struct sleep_timer {
	struct timer timer;
	struct thread *thread;
};

static void sleep_over(struct timer *t)
{
	thread_wake(container_of(t, struct sleep_timer, timer)->thread);
}

void schedule_until(uint64_t deadline)
{
	struct sleep_timer t = {.timer.fn = sleep_over, .thread = current};

	if (deadline == UINT64_MAX) {
		schedule();
		return;
	}
	timer_start(&t.timer, deadline);
	schedule();
	timer_stop(&t.timer);
}

int sleep_until(uint64_t deadline)
{
	struct thread *t = current;
	int err = 0;

	while (!err && now_ns() < deadline) {
		atomic_store(&t->state, THREAD_INTERRUPTIBLE);
		if (signal_pending())
			err = -EINTR;
		else
			schedule_until(deadline);
		atomic_store(&t->state, THREAD_RUNNING);
	}
	return err;
}

void pause_ms(unsigned ms)
{
	atomic_store(&current->state, THREAD_SLEEPING);
	schedule_until(now_ns() + ms * 1000000ull);
	atomic_store(&current->state, THREAD_RUNNING);
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
