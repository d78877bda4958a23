/*
 * stop.c: job control: a process stops and continues as a whole.
 *
 * A stop signal sets proc->stopping. Each thread stops itself on its next way to user mode; the
 * last one makes the process PROC_STOPPED and tells the parent. SIGCONT clears `stopping` and wakes
 * them all; that happens when it is sent (signal.c), however it is handled.
 */
#include "internal.h"

#define NS_PER_TICK (NSEC_PER_SEC / 100)

void parent_notify(struct proc *p, int code, int status)
{
	struct proc *parent = p->parent;
	bool ended = code != CLD_STOPPED && code != CLD_CONTINUED;
	siginfo_t info = signal_info(ended ? p->exit_signal : SIGCHLD, code);
	uint64_t cpu, user;

	if (!parent)
		return;
	proc_times(p, &cpu, &user);
	info.si_pid = p->pid;
	info.si_uid = p->cred.uid.real;
	info.si_status = status;
	info.si_utime = (long)(user / NS_PER_TICK);
	info.si_stime = (long)((cpu - MIN(user, cpu)) / NS_PER_TICK);
	if (ended || !(parent->action[SIGCHLD - 1].flags & SA_NOCLDSTOP))
		signal_proc(parent, info.si_signo, &info);
	wake_all(&parent->child_wait);
}

void stop_begin(struct proc *p, int sig)
{
	struct thread *t;

	p->stopping = true;
	p->stop_signal = sig;
	p->continued = false;
	list_for_each (t, &p->threads, siblings)
		if (t != current)
			thread_poke(t, false);
}

void stop_check(struct proc *p)
{
	if (!p->stopping || p->state != PROC_RUNNING || p->nr_stopped != p->nr_threads)
		return;
	p->state = PROC_STOPPED;
	p->stop_reported = false;
	parent_notify(p, CLD_STOPPED, p->stop_signal);
}

void stop_self(void)
{
	struct thread *t = current;
	struct proc *p = t->proc;

	t->stopped = true;
	p->nr_stopped++;
	stop_check(p);
	while (p->stopping && !t->dying) {
		t->state = THREAD_STOPPED;
		spin_unlock(&proc_lock);
		schedule();
		spin_lock(&proc_lock);
	}
	t->stopped = false;
	p->nr_stopped--;
}

void stop_continue(struct proc *p)
{
	struct thread *t;

	if (!p->stopping)
		return;
	p->stopping = false;
	if (p->state == PROC_STOPPED) {
		p->state = PROC_RUNNING;
		p->continued = true;
		parent_notify(p, CLD_CONTINUED, SIGCONT);
	}
	list_for_each (t, &p->threads, siblings)
		thread_poke(t, true);
}
