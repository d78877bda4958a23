/*
 * thread.c: the memory of threads, and kernel threads. What runs when is in sched.c.
 */
#include "kmem.h"
#include "process.h"

#define FPU_SIZE 512

struct thread *thread_alloc(struct proc *proc)
{
	struct thread *t = kmalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->stack = kstack_alloc();
	t->fpu = kmalloc(FPU_SIZE);
	if (!t->stack || !t->fpu) {
		thread_free(t);
		return NULL;
	}
	t->proc = proc;
	t->cpu = this_cpu()->port.number;
	list_init(&t->run);
	list_init(&t->siblings);
	list_init(&t->by_tid);
	list_init(&t->pending_info);
	cpu_fpu_reset(t);
	return t;
}

void thread_free(struct thread *t)
{
	if (t->stack)
		kstack_free(t->stack);
	kfree(t->fpu);
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
