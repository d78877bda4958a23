/*
 * sched.c: which thread runs where.
 *
 * Each CPU has a queue of threads that are ready, and runs them in turn for a slice of time. A
 * thread that wakes goes to the CPU it ran on last if that is idle, else to an idle one, else it
 * waits at its last one; a CPU without work takes from the queues of others. There are no
 * priorities.
 *
 * One lock guards all queues, and the switch itself happens under it: the next thread unlocks what
 * the previous one has locked. So a thread on a queue is never still on its stack elsewhere.
 * thread->state is the thread's own to change, from RUNNING to a sleeping state, before it calls
 * schedule(); if it is preempted in between it stays on the queue all the same, and goes to sleep
 * when it gets to schedule().
 */
#include "kmem.h"
#include "pressure.h"
#include "sched.h"

static struct spin lock;
static struct list dead = LIST_INIT(dead); /* threads to be freed; by `lock` */
static struct thread *reaper;

/* ---------------------------------------------------------------- queues -------------------- */

static void run_enqueue(struct cpu *cpu, struct thread *t)
{
	list_append(&cpu->queue, &t->run);
	t->queued = true;
	cpu->nr_ready++;
}

static struct thread *run_dequeue(struct cpu *cpu)
{
	struct thread *t = list_first(&cpu->queue, struct thread, run);

	if (!cpu->nr_ready)
		return NULL;
	list_remove(&t->run);
	t->queued = false;
	cpu->nr_ready--;
	return t;
}

static bool idle(const struct cpu *cpu)
{
	return cpu->online && cpu->running == cpu->idle && !cpu->nr_ready;
}

static struct cpu *choose_cpu(const struct thread *t)
{
	if (idle(&cpus[t->cpu]))
		return &cpus[t->cpu];
	for (unsigned i = 0; i < nr_cpus; i++)
		if (idle(&cpus[i]))
			return &cpus[i];
	return &cpus[t->cpu];
}

/* The lock is held. */
static void make_ready(struct thread *t)
{
	struct cpu *cpu;

	atomic_store(&t->state, THREAD_RUNNING);
	if (t->on_cpu || t->queued)
		return;
	cpu = choose_cpu(t);
	run_enqueue(cpu, t);
	if (cpu->running != cpu->idle)
		return;
	cpu->resched = true;
	if (cpu != this_cpu())
		cpu_kick(cpu->port.number);
}

/* From our own queue, or else from that of another CPU. */
static struct thread *next_thread(struct cpu *cpu)
{
	struct thread *t = run_dequeue(cpu);

	for (unsigned i = 0; !t && i < nr_cpus; i++)
		t = run_dequeue(&cpus[i]);
	return t ? t : cpu->idle;
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
	if (cpu->nr_ready)
		cpu->resched = true;
	return cpu->slice_end;
}

/* ---------------------------------------------------------------- switching ----------------- */

/* The lock is held. A dead thread is off its stack before the reaper can get the lock. */
static void put_previous(struct cpu *cpu, struct thread *prev, bool ready)
{
	if (prev == cpu->idle)
		return;
	if (ready) {
		run_enqueue(cpu, prev);
	} else if (atomic_load(&prev->state) == THREAD_DEAD) {
		list_append(&dead, &prev->run);
		make_ready(reaper);
	}
}

/* The lock is held. Returns when the thread runs again, perhaps on another CPU. */
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
	start_slice(cpu, next, now);
	if (next == prev)
		return;
	prev->on_cpu = false;
	next->on_cpu = true;
	next->cpu = cpu->port.number;
	pressure_switch(cpu, next);
	space_switch(next->space);
	cpu_switch(prev, next);
}

void schedule(void)
{
	unsigned long flags = spin_lock_irq(&lock);

	BUG_ON(this_cpu()->port.preempt);
	switch_away(atomic_load(&current->state) == THREAD_RUNNING);
	spin_unlock_irq(&lock, flags);
}

void yield(void)
{
	schedule();
}

/* Interrupts are off. Whatever its state, the thread has not asked to sleep yet. */
void sched_preempt(void)
{
	const struct cpu *cpu = this_cpu();

	if (!cpu->resched || cpu->port.preempt)
		return;
	spin_lock_irq(&lock);
	switch_away(true);
	spin_unlock_irq(&lock, 0);
}

/* The first thing a new thread does; interrupts stay off. */
void sched_begin(void)
{
	spin_unlock_irq(&lock, 0);
}

/* ---------------------------------------------------------------- waking -------------------- */

static bool asleep(const struct thread *t)
{
	enum thread_state state = atomic_load(&t->state);

	return state == THREAD_SLEEPING || state == THREAD_INTERRUPTIBLE;
}

void thread_wake(struct thread *t)
{
	unsigned long flags = spin_lock_irq(&lock);

	if (asleep(t))
		make_ready(t);
	spin_unlock_irq(&lock, flags);
}

void thread_interrupt(struct thread *t, bool stopped)
{
	unsigned long flags = spin_lock_irq(&lock);
	enum thread_state state = atomic_load(&t->state);

	if (state == THREAD_INTERRUPTIBLE || (stopped && state == THREAD_STOPPED))
		make_ready(t);
	else if (t->on_cpu && t->cpu != x86_cpu_number())
		cpu_kick(t->cpu);
	spin_unlock_irq(&lock, flags);
}

/* ---------------------------------------------------------------- threads ------------------- */

static bool thread_parts(struct thread *t, bool user)
{
	t->stack = kstack_alloc();
	if (!t->stack)
		return false;
	if (!user)
		return true;
	t->fpu_object = kmalloc(cpu_fpu_bytes() + FPU_ALIGN - 1);
	if (!t->fpu_object)
		return false;
	t->fpu = (void *)ALIGN_UP((uintptr_t)t->fpu_object, FPU_ALIGN);
	cpu_fpu_reset(t);
	return true;
}

struct thread *thread_alloc(struct proc *proc)
{
	struct thread *t = kmalloc(sizeof(*t));

	if (!t)
		return NULL;
	list_init(&t->run);
	t->cpu = x86_cpu_number();
	t->proc = proc;
	if (thread_parts(t, proc))
		return t;
	thread_free(t);
	return NULL;
}

void thread_free(struct thread *t)
{
	if (t->stack)
		kstack_free(t->stack);
	kfree(t->fpu_object);
	kfree(t);
}

void thread_start(struct thread *t)
{
	unsigned long flags = spin_lock_irq(&lock);

	make_ready(t);
	spin_unlock_irq(&lock, flags);
}

void thread_exit(void)
{
	irq_disable();
	atomic_store(&current->state, THREAD_DEAD);
	schedule();
	panic("a dead thread runs");
}

struct thread *kthread(const char *name, void (*fn)(void *), void *arg)
{
	struct thread *t = thread_alloc(NULL);

	if (!t)
		return NULL;
	strlcpy(t->name, name, sizeof(t->name));
	cpu_thread_kernel(t, fn, arg);
	thread_start(t);
	return t;
}

static struct thread *take_dead(void)
{
	unsigned long flags = spin_lock_irq(&lock);
	struct thread *t = NULL;

	if (!list_empty(&dead)) {
		t = list_first(&dead, struct thread, run);
		list_remove(&t->run);
	}
	spin_unlock_irq(&lock, flags);
	return t;
}

/* Frees threads where that may be done: not in the midst of a switch. put_previous() wakes it. */
static void reap(void *arg)
{
	(void)arg;
	for (;;) {
		struct thread *t;

		atomic_store(&current->state, THREAD_SLEEPING);
		while ((t = take_dead()))
			thread_free(t);
		schedule();
	}
}

/* ---------------------------------------------------------------- idle ---------------------- */

static bool any_ready(void)
{
	for (unsigned i = 0; i < nr_cpus; i++)
		if (*(volatile unsigned *)&cpus[i].nr_ready)
			return true;
	return false;
}

bool sched_at_rest(void)
{
	for (unsigned i = 0; i < nr_cpus; i++) {
		struct thread *running = *(struct thread *volatile *)&cpus[i].running;

		if (running != current && running != cpus[i].idle)
			return false;
	}
	return !any_ready();
}

/* Interrupts go on at the last moment: one that makes a thread ready ends the halt. */
void sched_idle(void)
{
	struct cpu *cpu = this_cpu();

	irq_disable();
	cpu->slice_end = UINT64_MAX;
	cpu->accounted = cpu->idle_since = now_ns();
	for (;;) {
		if (any_ready())
			schedule();
		else
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
}

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
	reaper = kthread("reaper", reap, NULL);
	if (!reaper)
		panic("no memory for the first thread");
}
