/*
 * timer.c: one-shot timers. Each CPU has a list of those that were started there, the earliest
 * first; its clock interrupt runs what is due. So CPUs do not wait for each other's, nor are they
 * interrupted for them.
 *
 * A timer belongs to the list of the CPU in its `cpu`, whose lock guards it; timer_start() gives it
 * to the CPU it runs on, with the lock of the old one.
 *
 * A handler may free its timer, or let another thread free it, so the list is done with a timer
 * before its handler runs. timer_stop() waits for a handler that is running: each CPU notes which
 * one that is.
 */
#include "sched.h"
#include "timer.h"

static struct timers {
	struct spin lock; /* taken with interrupts off */
	struct list list;
	struct timer *_Atomic running __attribute__((aligned(64))); /* other CPUs look at it */
} __attribute__((aligned(64))) timers[MAX_CPUS];

void timers_init(void)
{
	for (unsigned i = 0; i < MAX_CPUS; i++)
		list_init(&timers[i].list);
}

/* Lock the list that the timer belongs to. */
static struct timers *lock_timers_of(const struct timer *t, unsigned long *flags)
{
	for (;;) {
		struct timers *its = &timers[atomic_load(&t->cpu)];

		*flags = spin_lock_irq(&its->lock);
		if (its == &timers[atomic_load(&t->cpu)])
			return its;
		spin_unlock_irq(&its->lock, *flags);
	}
}

static void insert(struct timers *mine, struct timer *t)
{
	struct timer *it;

	list_for_each (it, &mine->list, node)
		if (it->deadline > t->deadline)
			break;
	list_append(&it->node, &t->node); /* before `it`; at the end if that is the head */
	t->armed = true;
	if (mine->list.next == &t->node)
		clock_arm(t->deadline);
}

static bool disarm(struct timer *t)
{
	if (!t->armed)
		return false;
	list_remove(&t->node);
	t->armed = false;
	return true;
}

/* Another CPU may start it, too: then it is not ours any more when its list is locked again. */
void timer_start(struct timer *t, uint64_t deadline)
{
	for (;;) {
		unsigned long flags;
		struct timers *its = lock_timers_of(t, &flags);
		unsigned me = x86_cpu_number();
		bool mine = its == &timers[me];

		disarm(t);
		t->deadline = deadline;
		t->used = true;
		if (mine)
			insert(its, t);
		else
			atomic_store(&t->cpu, me);
		spin_unlock_irq(&its->lock, flags);
		if (mine)
			return;
	}
}

/* On this CPU a handler can only be running if it is the caller. */
static bool running_elsewhere(const struct timer *t)
{
	for (unsigned i = 0; i < nr_cpus; i++)
		if (i != x86_cpu_number() && atomic_load(&timers[i].running) == t)
			return true;
	return false;
}

bool timer_stop(struct timer *t)
{
	unsigned long flags;
	struct timers *its;
	bool armed;

	if (!t->used) /* read without the lock: a start that is missed comes after this */
		return false;
	its = lock_timers_of(t, &flags);
	armed = disarm(t);
	spin_unlock_irq(&its->lock, flags);
	while (running_elsewhere(t)) {
		x86_flush_interrupt(&mmu);
		cpu_relax();
	}
	return armed;
}

/* The lock is held. */
static struct timer *take_due(struct timers *mine, uint64_t now)
{
	struct timer *t = list_first(&mine->list, struct timer, node);

	if (list_empty(&mine->list) || t->deadline > now)
		return NULL;
	disarm(t);
	return t;
}

/* Run what is due; returns the next deadline. */
static uint64_t run_due(uint64_t now)
{
	struct timers *mine = &timers[x86_cpu_number()];
	uint64_t next = UINT64_MAX;
	struct timer *t;

	spin_lock(&mine->lock);
	while ((t = take_due(mine, now))) {
		atomic_store(&mine->running,
		             t); /* with the lock: timer_stop() finds it armed, or here */
		spin_unlock(&mine->lock);
		t->fn(t);
		atomic_store(&mine->running, NULL);
		spin_lock(&mine->lock);
	}
	if (!list_empty(&mine->list))
		next = list_first(&mine->list, struct timer, node)->deadline;
	spin_unlock(&mine->lock);
	return next;
}

uint64_t clock_tick(uint64_t now, bool user)
{
	uint64_t next_timer = run_due(now), slice_end = sched_tick(now, user);

	return MIN(next_timer, slice_end);
}
