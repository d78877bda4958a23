/*
 * timer.c: one-shot timers. All that are armed are on one list, the earliest first; every clock
 * interrupt, on whichever CPU, runs what is due.
 *
 * A handler may free its timer, or let another thread free it, so the list is done with a timer
 * before its handler runs. timer_stop() waits for a handler that is running: each CPU notes which
 * one that is.
 */
#include "sched.h"
#include "timer.h"

static struct spin lock;
static struct list timers = LIST_INIT(timers);
static struct timer *_Atomic running[MAX_CPUS];

static void insert(struct timer *t)
{
	struct timer *it;

	list_for_each (it, &timers, node)
		if (it->deadline > t->deadline)
			break;
	list_append(&it->node, &t->node); /* before `it`; at the end if that is the head */
	t->armed = true;
}

static bool disarm(struct timer *t)
{
	if (!t->armed)
		return false;
	list_remove(&t->node);
	t->armed = false;
	return true;
}

void timer_start(struct timer *t, uint64_t deadline)
{
	unsigned long flags = spin_lock_irq(&lock);

	disarm(t);
	t->deadline = deadline;
	insert(t);
	if (timers.next == &t->node)
		clock_arm(deadline);
	spin_unlock_irq(&lock, flags);
}

/* On this CPU a handler can only be running if it is the caller. */
static bool running_elsewhere(const struct timer *t)
{
	for (unsigned i = 0; i < nr_cpus; i++)
		if (i != x86_cpu_number() && atomic_load(&running[i]) == t)
			return true;
	return false;
}

bool timer_stop(struct timer *t)
{
	unsigned long flags = spin_lock_irq(&lock);
	bool armed = disarm(t);

	spin_unlock_irq(&lock, flags);
	while (running_elsewhere(t)) {
		x86_flush_interrupt(&mmu);
		cpu_relax();
	}
	return armed;
}

static struct timer *take_due(uint64_t now)
{
	struct timer *t = list_first(&timers, struct timer, node);

	if (list_empty(&timers) || t->deadline > now)
		return NULL;
	disarm(t);
	return t;
}

/* Run what is due; returns the next deadline. */
static uint64_t run_due(uint64_t now)
{
	struct timer *_Atomic *mine = &running[x86_cpu_number()];
	uint64_t next = UINT64_MAX;
	struct timer *t;

	spin_lock(&lock);
	while ((t = take_due(now))) {
		atomic_store(mine, t); /* with the lock: timer_stop() finds it armed, or here */
		spin_unlock(&lock);
		t->fn(t);
		atomic_store(mine, NULL);
		spin_lock(&lock);
	}
	if (!list_empty(&timers))
		next = list_first(&timers, struct timer, node)->deadline;
	spin_unlock(&lock);
	return next;
}

uint64_t clock_tick(uint64_t now, bool user)
{
	uint64_t next_timer = run_due(now), slice_end = sched_tick(now, user);

	return MIN(next_timer, slice_end);
}
