/*
 * sched.c: which thread runs where.
 *
 * Each CPU has a queue of threads that are ready, and runs them in turn for a slice of time. There
 * are no priorities. A thread that wakes goes to the CPU it ran on last if that is idle, else to an
 * idle one, else it waits at its last one, or where the queue is shorter by two. A CPU without work
 * takes a thread from the longest queue. All this among the CPUs of the thread's `affinity`.
 *
 * Each queue has a lock, which also guards what thread.h marks (s) of the threads whose `cpu` this
 * is: on its queue, running, or asleep. No two of these locks are held at a time. A thread goes
 * from one CPU to another like this: with the lock of the old one it becomes `ready`, is on no
 * queue, and gets the new number; then, with the lock of the new one, it is put on that queue
 * (place()). Between the two it belongs to whoever moves it: others find it `ready` and leave it.
 *
 * The switch itself happens under the queue's lock: the next thread unlocks what the previous one
 * has locked. So a thread on a queue is never still on its stack elsewhere. One that must not stay
 * here, because it is dead or its affinity has changed, is dealt with after that (finish_switch()).
 * thread->state is the thread's own to change, from RUNNING to a sleeping state, before it calls
 * schedule(); if it is preempted in between it stays on the queue all the same, and goes to sleep
 * when it gets to schedule().
 *
 * An idle CPU puts its bit into idle_cpus, then looks at all queues, then halts. Who puts a thread
 * on the queue of a busy CPU looks at idle_cpus after that. So one of the two sees the other. Who
 * chooses an idle CPU takes its bit, so that the next one chooses another, and interrupts it.
 */
#include "pressure.h"
#include "sched.h"

static _Atomic uint64_t idle_cpus __attribute__((aligned(64)));

_Static_assert(MAX_CPUS <= 64, "sets of CPUs are words");

/* Not by its own number, which lies beside what it writes all the time. */
static uint64_t bit(const struct cpu *cpu)
{
	return 1ull << (cpu - cpus);
}

static bool may_run(const struct thread *t, const struct cpu *cpu)
{
	return atomic_load(&t->affinity) & bit(cpu);
}

/* How many threads are on the queue: exact with the lock, else a hint. */
static unsigned ready_at(const struct cpu *cpu)
{
	return atomic_load_explicit(&cpu->nr_ready, memory_order_relaxed);
}

/* How many of them have to wait for another: what other CPUs ask, exact or not as above. */
static unsigned waiting_at(const struct cpu *cpu)
{
	return atomic_load_explicit(&cpu->nr_waiting, memory_order_relaxed);
}

/*
 * The lock is held. While each finds its CPU idle, or is alone there, it stays 0 and is not
 * written.
 */
static void note_waiting(struct cpu *cpu, bool busy)
{
	unsigned n = ready_at(cpu);

	if (!busy && n)
		n--; /* the first is about to run */
	if (waiting_at(cpu) != n)
		atomic_store_explicit(&cpu->nr_waiting, n, memory_order_relaxed);
}

/* ---------------------------------------------------------------- queues -------------------- */

/* Lock the queue of the CPU that the thread belongs to, with interrupts off. */
static struct cpu *lock_queue_of(const struct thread *t, unsigned long *flags)
{
	for (;;) {
		struct cpu *cpu = &cpus[atomic_load(&t->cpu)];

		*flags = spin_lock_irq(&cpu->lock);
		if (cpu == &cpus[atomic_load(&t->cpu)])
			return cpu;
		spin_unlock_irq(&cpu->lock, *flags);
	}
}

static void enqueue(struct cpu *cpu, struct thread *t)
{
	list_append(&cpu->queue, &t->run);
	t->ready = true;
	atomic_store_explicit(&cpu->nr_ready, ready_at(cpu) + 1, memory_order_relaxed);
	note_waiting(cpu, cpu->running != cpu->idle);
}

/* Off the queue, but still `ready`: to be run, or placed elsewhere. */
static void dequeue(struct cpu *cpu, struct thread *t)
{
	list_remove(&t->run);
	atomic_store_explicit(&cpu->nr_ready, ready_at(cpu) - 1, memory_order_relaxed);
	note_waiting(cpu, cpu->running != cpu->idle);
}

/* ---------------------------------------------------------------- choosing a CPU ------------ */

/* None is idle. The lengths are hints: they may change at any time. */
static struct cpu *shortest_queue(struct cpu *last, uint64_t allowed)
{
	struct cpu *best = allowed & bit(last) ? last : NULL;

	if (allowed == bit(last))
		return last;
	for (struct cpu *cpu = cpus; cpu < cpus + nr_cpus; cpu++)
		if (allowed & bit(cpu) &&
		    (!best || waiting_at(cpu) + (best == last) < waiting_at(best)))
			best = cpu;
	return best;
}

static struct cpu *choose_cpu(const struct thread *t)
{
	uint64_t allowed = atomic_load(&t->affinity);
	uint64_t idle = atomic_load(&idle_cpus) & allowed;
	struct cpu *cpu = &cpus[t->cpu];

	if (!idle)
		return shortest_queue(cpu, allowed);
	if (!(idle & bit(cpu)))
		cpu = &cpus[__builtin_ctzll(idle)];
	atomic_fetch_and(&idle_cpus, ~bit(cpu));
	return cpu;
}

/* It has been idle a moment ago, and looks for work again. */
static void disturb(struct cpu *cpu)
{
	if (cpu != this_cpu())
		cpu_kick(cpu->port.number);
}

/* A thread has been put on the queue of this CPU. The lock is held. */
static void tell(struct cpu *cpu, const struct thread *t)
{
	uint64_t idle;

	if (cpu->running == cpu->idle) {
		cpu->resched = true;
		disturb(cpu);
		return;
	}
	atomic_thread_fence(memory_order_seq_cst); /* the other half is in sched_idle() */
	idle = atomic_load(&idle_cpus) & atomic_load(&t->affinity);
	if (!idle)
		return;
	cpu = &cpus[__builtin_ctzll(idle)];
	atomic_fetch_and(&idle_cpus, ~bit(cpu));
	disturb(cpu);
}

/* Give a thread that is ours, between queues, to another CPU. The lock of its CPU is held. */
static void send_away(struct thread *t)
{
	t->ready = true;
	atomic_store(&t->cpu, choose_cpu(t)->port.number);
}

/*
 * Put such a thread on its new queue. No lock is held, interrupts are off. Its affinity may have
 * changed in between.
 */
static void place(struct thread *t)
{
	struct cpu *cpu = &cpus[t->cpu];

	spin_lock_irq(&cpu->lock);
	while (!may_run(t, cpu)) {
		send_away(t);
		spin_unlock_irq(&cpu->lock, 0);
		disturb(cpu); /* choose_cpu() may have taken its bit */
		cpu = &cpus[t->cpu];
		spin_lock_irq(&cpu->lock);
	}
	enqueue(cpu, t);
	tell(cpu, t);
	spin_unlock_irq(&cpu->lock, 0);
}

/* ---------------------------------------------------------------- time ---------------------- */

/* Interrupts are off. Returns what is new. */
static uint64_t account_running(struct cpu *cpu, uint64_t now)
{
	uint64_t ns = now - cpu->accounted;

	cpu->accounted = now;
	if (cpu->running != cpu->idle)
		cpu->running->cpu_ns += ns;
	return ns;
}

void sched_account(void)
{
	unsigned long flags = irq_save();

	account_running(this_cpu(), now_ns());
	irq_restore(flags);
}

static void start_slice(struct cpu *cpu, const struct thread *t, uint64_t now)
{
	if (cpu->idle_since)
		cpu->idle_ns += now - cpu->idle_since;
	cpu->idle_since = t == cpu->idle ? now : 0;
	cpu->slice_end = t == cpu->idle ? UINT64_MAX : now + SLICE_NS;
	if (t != cpu->idle)
		clock_arm(cpu->slice_end);
}

uint64_t sched_tick(uint64_t now, bool user)
{
	struct cpu *cpu = this_cpu();
	struct thread *t = cpu->running;
	uint64_t ns;

	if (t == cpu->idle)
		return cpu->slice_end;
	ns = account_running(cpu, now);
	if (user)
		t->user_ns += ns;
	proc_tick(t, user);
	if (now < cpu->slice_end)
		return cpu->slice_end;
	cpu->slice_end = now + SLICE_NS;
	if (ready_at(cpu))
		cpu->resched = true;
	return cpu->slice_end;
}

/* ---------------------------------------------------------------- switching ----------------- */

/* Off its stack soon: finish_switch() does the rest. */
static void leave(struct cpu *cpu, struct thread *prev)
{
	cpu->leaving = prev;
	prev->on_cpu = false;
	if (atomic_load(&prev->state) != THREAD_DEAD)
		send_away(prev);
}

/* The lock is held. A thread that is preempted is ready whatever its state. */
static void put_previous(struct cpu *cpu, struct thread *prev, bool ready)
{
	if (prev == cpu->idle)
		return;
	if (ready && may_run(prev, cpu))
		enqueue(cpu, prev);
	else if (ready || atomic_load(&prev->state) == THREAD_DEAD)
		leave(cpu, prev);
}

/* Work of others comes by way of the idle thread. The lock is held. */
static struct thread *next_thread(struct cpu *cpu)
{
	struct thread *t;

	if (!ready_at(cpu))
		return cpu->idle;
	t = list_first(&cpu->queue, struct thread, run);
	dequeue(cpu, t);
	t->ready = false;
	return t;
}

/* On the stack of the next thread, which may have come from another CPU. Interrupts stay off. */
static void finish_switch(void)
{
	struct cpu *cpu = this_cpu();
	struct thread *t = cpu->leaving;

	cpu->leaving = NULL;
	spin_unlock_irq(&cpu->lock, 0);
	if (!t)
		return;
	if (atomic_load(&t->state) == THREAD_DEAD)
		thread_bury(t);
	else
		place(t);
}

/* The lock is held. Returns when the thread runs again, perhaps on another CPU; it is not then. */
static void switch_away(bool ready)
{
	struct cpu *cpu = this_cpu();
	struct thread *prev = cpu->running, *next;
	uint64_t now = now_ns();

	cpu->resched = false;
	atomic_fetch_and(&prev->work, ~WORK_RESCHED);
	account_running(cpu, now);
	put_previous(cpu, prev, ready);
	next = next_thread(cpu);
	note_waiting(cpu, next != cpu->idle);
	start_slice(cpu, next, now);
	if (next != prev) {
		if (prev == cpu->idle)
			atomic_fetch_and(&idle_cpus, ~bit(cpu));
		prev->on_cpu = false;
		next->on_cpu = true;
		pressure_switch(cpu, next);
		space_switch(next->space);
		cpu_switch(prev, next);
	}
	finish_switch();
}

/* Interrupts go off first: the queue must be that of the CPU we are on. */
void schedule(void)
{
	unsigned long flags = irq_save();

	BUG_ON(this_cpu()->port.preempt);
	spin_lock_irq(&this_cpu()->lock);
	switch_away(atomic_load(&current->state) == THREAD_RUNNING);
	irq_restore(flags);
}

void yield(void)
{
	schedule();
}

/* Interrupts are off. Whatever its state, the thread has not asked to sleep yet. */
void sched_preempt(void)
{
	struct cpu *cpu = this_cpu();

	if (!cpu->resched || cpu->port.preempt)
		return;
	spin_lock_irq(&cpu->lock);
	switch_away(true);
}

/* The first thing a new thread does; interrupts stay off. */
void sched_begin(void)
{
	finish_switch();
}

/* ---------------------------------------------------------------- waking -------------------- */

static bool asleep(enum thread_state state)
{
	return state == THREAD_SLEEPING || state == THREAD_INTERRUPTIBLE;
}

/*
 * It does not sleep any more. True: it was on no CPU, and is ours to place. The lock of its CPU is
 * held.
 */
static bool rouse(struct thread *t)
{
	atomic_store(&t->state, THREAD_RUNNING);
	if (t->on_cpu || t->ready)
		return false;
	send_away(t);
	return true;
}

static void unlock_queue(struct cpu *cpu, struct thread *to_place, unsigned long flags)
{
	spin_unlock_irq(&cpu->lock, 0);
	if (to_place)
		place(to_place);
	irq_restore(flags);
}

void thread_wake(struct thread *t)
{
	unsigned long flags;
	struct cpu *cpu = lock_queue_of(t, &flags);
	bool ours = asleep(atomic_load(&t->state)) && rouse(t);

	unlock_queue(cpu, ours ? t : NULL, flags);
}

void thread_interrupt(struct thread *t, bool stopped)
{
	unsigned long flags;
	struct cpu *cpu = lock_queue_of(t, &flags);
	enum thread_state state = atomic_load(&t->state);
	bool ours = false;

	if (state == THREAD_INTERRUPTIBLE || (stopped && state == THREAD_STOPPED))
		ours = rouse(t);
	else if (t->on_cpu)
		disturb(cpu);
	unlock_queue(cpu, ours ? t : NULL, flags);
}

void thread_start(struct thread *t)
{
	unsigned long flags;
	struct cpu *cpu = lock_queue_of(t, &flags);
	bool ours = rouse(t);

	unlock_queue(cpu, ours ? t : NULL, flags);
}

/*
 * The mask changes first: whoever places the thread from now on finds the new one. If it waits, it
 * waits where it may run; if it runs elsewhere than it may, it is interrupted there, and
 * put_previous() sends it away.
 */
void sched_set_affinity(struct thread *t, uint64_t allowed)
{
	bool ours = false;
	unsigned long flags;
	struct cpu *cpu;

	atomic_store(&t->affinity, allowed);
	cpu = lock_queue_of(t, &flags);
	if (t->ready && !list_empty(&t->run)) {
		dequeue(cpu, t);
		send_away(t);
		ours = true;
	} else if (t->on_cpu && !may_run(t, cpu)) {
		cpu->resched = true;
		disturb(cpu);
	}
	unlock_queue(cpu, ours ? t : NULL, flags);
}

/* ---------------------------------------------------------------- idle ---------------------- */

/*
 * Take a thread that may run on `me` from the queue of `from`, if that is busy: if it is idle, it
 * has been told already. The lengths are hints at first.
 */
static bool take_from(struct cpu *from, const struct cpu *me)
{
	struct thread *it, *t = NULL;

	if (!waiting_at(from))
		return false;
	spin_lock_irq(&from->lock);
	if (from->running != from->idle)
		list_for_each (it, &from->queue, run)
			if (may_run(it, me)) {
				t = it;
				break;
			}
	if (t) {
		dequeue(from, t);
		atomic_store(&t->cpu, me->port.number);
	}
	spin_unlock_irq(&from->lock, 0);
	if (t)
		place(t);
	return t;
}

/* From the longest queue, or else, if all who wait there must not run here, from any. */
static bool take_work(const struct cpu *me)
{
	struct cpu *longest = cpus;

	for (struct cpu *cpu = cpus; cpu < cpus + nr_cpus; cpu++)
		if (waiting_at(cpu) > waiting_at(longest))
			longest = cpu;
	if (take_from(longest, me))
		return true;
	for (struct cpu *cpu = cpus; cpu < cpus + nr_cpus; cpu++)
		if (take_from(cpu, me))
			return true;
	return false;
}

/* Interrupts go on at the last moment: one that makes a thread ready ends the halt. */
void sched_idle(void)
{
	struct cpu *cpu = this_cpu();

	irq_disable();
	cpu->slice_end = UINT64_MAX;
	cpu->accounted = cpu->idle_since = now_ns();
	for (;;) {
		atomic_fetch_or(&idle_cpus, bit(cpu)); /* a fence, too: tell() has the other half */
		if (ready_at(cpu) || take_work(cpu))
			schedule();
		else
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
}

bool sched_at_rest(void)
{
	for (struct cpu *cpu = cpus; cpu < cpus + nr_cpus; cpu++) {
		struct thread *running = *(struct thread *volatile *)&cpu->running;

		if (ready_at(cpu) || (running != current && running != cpu->idle))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- at boot ------------------- */

/* Another CPU runs on the stack of its idle thread from the beginning. */
static struct thread *idle_thread(unsigned cpu)
{
	struct thread *t = thread_alloc(NULL);

	if (!t)
		return NULL;
	snprintf(t->name, sizeof(t->name), "idle/%u", cpu);
	t->cpu = cpu;
	t->on_cpu = true;
	return t;
}

/* The idle thread of one that does not answer stays: it may yet wake up. */
void sched_start_cpus(unsigned max)
{
	for (unsigned i = 1; i < cpus_present() && nr_cpus < max; i++) {
		struct thread *t = idle_thread(nr_cpus);

		if (t && cpu_start(i, t, sched_idle))
			nr_cpus++;
	}
}

void sched_init(void)
{
	for (unsigned i = 0; i < MAX_CPUS; i++) {
		list_init(&cpus[i].queue);
		cpus[i].slice_end = UINT64_MAX;
	}
	threads_init();
}
