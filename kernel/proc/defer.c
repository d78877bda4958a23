/*
 * defer.c: work that interrupt handlers cannot do because it takes proc_lock or sleeps: a timer
 * expires, ^C is typed. They queue a struct deferred, and the kernel thread `kdefer` calls its
 * function.
 */
#include "internal.h"

static struct spin lock; /* guards what follows and deferred.queued; taken with interrupts off */
static struct list queue = LIST_INIT(queue);
static struct deferred *running;
static struct waitq work = WAITQ_INIT(work); /* kdefer sleeps here */
static struct waitq idle = WAITQ_INIT(idle); /* defer_cancel() does until `running` has ended */

void deferred_init(struct deferred *d, void (*fn)(struct deferred *))
{
	list_init(&d->node);
	d->fn = fn;
	d->queued = d->used = false;
}

void defer(struct deferred *d)
{
	unsigned long flags = spin_lock_irq(&lock);
	bool fresh = !d->queued;

	if (fresh) {
		d->queued = d->used = true;
		list_append(&queue, &d->node);
	}
	spin_unlock_irq(&lock, flags);
	if (fresh)
		wake_all(&work);
}

static bool is_running(const struct deferred *d)
{
	unsigned long flags = spin_lock_irq(&lock);
	bool yes = running == d;

	spin_unlock_irq(&lock, flags);
	return yes;
}

void defer_cancel(struct deferred *d)
{
	unsigned long flags;

	if (!d->used) /* read without the lock: nobody queues it any more */
		return;
	flags = spin_lock_irq(&lock);
	if (d->queued) {
		d->queued = false;
		list_remove(&d->node);
	}
	spin_unlock_irq(&lock, flags);
	wait_event(&idle, !is_running(d));
}

/* The first of the queue becomes `running`; NULL: none is left. */
static struct deferred *next(void)
{
	unsigned long flags = spin_lock_irq(&lock);
	struct deferred *d = NULL;

	if (!list_empty(&queue)) {
		d = list_first(&queue, struct deferred, node);
		list_remove(&d->node);
		d->queued = false;
	}
	running = d;
	spin_unlock_irq(&lock, flags);
	return d;
}

static void kdefer(void *arg)
{
	(void)arg;
	for (;;) {
		struct deferred *d;

		wait_event(&work, !list_empty(&queue));
		while ((d = next())) {
			signals_reserve();
			d->fn(d);
		}
		wake_all(&idle);
	}
}

void defer_start(void)
{
	BUG_ON(!kthread("kdefer", kdefer, NULL));
}
