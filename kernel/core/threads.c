/*
 * threads.c: how threads begin and end: their memory, kernel threads, and the reaper, a thread that
 * frees those that have ended.
 *
 * A thread cannot free the stack it stands on. When it ends, the scheduler switches to another one,
 * which buries it (thread_bury()). Each CPU keeps a few for the next that begin there, whose memory
 * then is where it was last used. What is more goes to the reaper: freeing may not be done in the
 * midst of a switch.
 */
#include "kmem.h"
#include "sched.h"

static struct spin lock; /* guards `dead`; taken with interrupts off */
static struct list dead = LIST_INIT(dead);
static struct thread *reaper;

#define KEPT_MOST 4

/* Ended threads of programs that a CPU keeps. */
static struct kept {
	struct spin lock; /* taken with interrupts off; nearly always by this CPU alone */
	unsigned n;
	struct thread *thread[KEPT_MOST];
} __attribute__((aligned(64))) kept[MAX_CPUS];

/* ---------------------------------------------------------------- kept threads -------------- */

/* False: there are enough. */
static bool keep(struct thread *t)
{
	struct kept *mine = &kept[x86_cpu_number()];
	unsigned long flags = spin_lock_irq(&mine->lock);
	bool room = mine->n < KEPT_MOST;

	if (room)
		mine->thread[mine->n++] = t;
	spin_unlock_irq(&mine->lock, flags);
	return room;
}

static struct thread *take_kept(unsigned cpu)
{
	struct kept *its = &kept[cpu];
	unsigned long flags = spin_lock_irq(&its->lock);
	struct thread *t = its->n ? its->thread[--its->n] : NULL;

	spin_unlock_irq(&its->lock, flags);
	return t;
}

void threads_trim(void)
{
	struct thread *t;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		while ((t = take_kept(cpu)))
			thread_free(t);
	kstack_trim();
}

/* ---------------------------------------------------------------- memory -------------------- */

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
	return true;
}

/* One with its parts, all else zeroed. */
static struct thread *fresh_thread(bool user)
{
	struct thread *t = kmalloc(sizeof(*t));

	if (!t || thread_parts(t, user))
		return t;
	thread_free(t);
	return NULL;
}

/* One that has ended here, with its parts and all else zeroed; NULL: none is kept. */
static struct thread *kept_thread(void)
{
	struct thread *t = take_kept(x86_cpu_number());

	if (t)
		*t = (struct thread){.stack = t->stack, .fpu = t->fpu, .fpu_object = t->fpu_object};
	return t;
}

struct thread *thread_alloc(struct proc *proc)
{
	struct thread *t = proc ? kept_thread() : NULL;

	if (!t)
		t = fresh_thread(proc);
	if (!t)
		return NULL;
	if (proc)
		cpu_fpu_reset(t);
	list_init(&t->run);
	t->cpu = x86_cpu_number();
	t->affinity = ANY_CPU;
	t->proc = proc;
	return t;
}

void thread_free(struct thread *t)
{
	if (t->stack)
		kstack_free(t->stack);
	kfree(t->fpu_object);
	kfree(t);
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

/* ---------------------------------------------------------------- the end ------------------- */

void thread_exit(void)
{
	irq_disable();
	atomic_store(&current->state, THREAD_DEAD);
	schedule();
	panic("a dead thread runs");
}

void thread_bury(struct thread *t)
{
	unsigned long flags;

	if (t->fpu && keep(t))
		return;
	flags = spin_lock_irq(&lock);
	list_append(&dead, &t->run);
	spin_unlock_irq(&lock, flags);
	thread_wake(reaper);
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

/* It says that it sleeps before it looks: thread_bury() wakes it if it has looked too early. */
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

void threads_init(void)
{
	reaper = kthread("reaper", reap, NULL);
	if (!reaper)
		panic("no memory for the first thread");
}
