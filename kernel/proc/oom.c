/*
 * oom.c: memory and swap are exhausted, and a program's fault finds no frame.
 *
 * The process that asked goes, and the others go on. But the machine ends with process 1, so when
 * that asks the biggest of the others goes instead, and process 1 tries again.
 */
#include "internal.h"

/*
 * The process with the lowest number above `pid`, referenced, with its space; false if there is
 * none.
 */
static bool next_proc(int pid, struct proc **proc, struct space **space)
{
	struct proc *p, *best = NULL;

	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		if (p->pid > pid && p->space && !p->exiting && (!best || p->pid < best->pid))
			best = p;
	if (best) {
		atomic_fetch_add(&best->refs, 1);
		*proc = best;
		*space = best->space;
		space_get(best->space);
	}
	spin_unlock(&proc_lock);
	return best;
}

static size_t pages_of(struct space *space)
{
	struct om_mminfo info;

	return om_mminfo(space->mm, 0, UINTPTR_MAX, &info) ? 0 : info.rss + info.swap;
}

/* The number of the biggest process but for process 1; 0: there is no other. */
static int biggest_proc(void)
{
	struct proc *p;
	struct space *space;
	size_t most = 0;
	int pid = init_proc->pid, victim = 0;

	while (next_proc(pid, &p, &space)) {
		size_t pages = pages_of(space);

		pid = p->pid;
		if (pages >= most) {
			most = pages;
			victim = pid;
		}
		space_put(space);
		proc_put(p);
	}
	return victim;
}

static void kill_victim(int pid)
{
	struct proc *p;

	spin_lock(&proc_lock);
	p = proc_find(pid);
	if (p && !list_empty(&p->threads)) {
		printk("out of memory: killed %s[%d]\n",
		       list_first(&p->threads, struct thread, siblings)->name, pid);
		signal_proc(p, SIGKILL, NULL);
	}
	spin_unlock(&proc_lock);
}

static void kill_self(void)
{
	struct thread *t = current;

	printk("out of memory: killed %s[%d]\n", t->name, t->tid);
	spin_lock(&proc_lock);
	group_exit(t->proc, SIGKILL, NULL);
	spin_unlock(&proc_lock);
}

void out_of_memory(void)
{
	int victim = current->proc == init_proc ? biggest_proc() : 0;

	if (!victim) {
		kill_self();
		return;
	}
	kill_victim(victim);
	/* It needs a moment to go; until then our faults find no memory. */
	sleep_until(now_ns() + NSEC_PER_SEC / 100);
}
