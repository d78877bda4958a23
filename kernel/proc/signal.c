/*
 * signal.c: sending signals, and which of them a thread takes.
 *
 * What has been sent is kept as pending.c says; deliver.c does what signals ask for, when their
 * thread returns to user mode.
 */
#include "internal.h"
#include "options.h"

struct waitq signal_arrived = WAITQ_INIT(signal_arrived);

/* ---------------------------------------------------------------- dispositions -------------- */

siginfo_t signal_info(int sig, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	if (current->proc) {
		info.si_pid = current->proc->pid;
		info.si_uid = current->proc->cred.uid.real;
	}
	return info;
}

/* Exact, because a system call that fails with EINTR although no signal comes would be wrong. */
bool signal_pending(void)
{
	struct thread *t = current;
	struct proc *p = t->proc;

	if (!p || !(t->work & WORK_SIGNAL))
		return false;
	return t->dying || p->stopping ||
	       ((t->pending | p->pending) & ~(t->blocked & ~t->waiting_for));
}

static bool ignored_by_default(int sig)
{
	return sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH;
}

bool signal_is_ignored(const struct proc *p, int sig)
{
	uintptr_t handler = p->action[sig - 1].handler;

	if (handler == (uintptr_t)SIG_DFL)
		return p == init_proc || ignored_by_default(sig);
	return handler == (uintptr_t)SIG_IGN;
}

bool signal_ignored(int sig)
{
	return (current->blocked & SIGBIT(sig)) ||
	       current->proc->action[sig - 1].handler == (uintptr_t)SIG_IGN;
}

static bool thread_accepts(const struct thread *t, int sig)
{
	return !(t->blocked & ~t->waiting_for & SIGBIT(sig));
}

/* The thread that is to take a signal of the process: one that waits for it, or one that can. */
static struct thread *choose_taker(struct proc *p, int sig)
{
	struct thread *t, *able = NULL;

	list_for_each (t, &p->threads, siblings) {
		if (t->waiting_for & SIGBIT(sig))
			return t;
		if (thread_accepts(t, sig) && (!able || t == current))
			able = t;
	}
	return able ? able : list_first(&p->threads, struct thread, siblings);
}

/* ---------------------------------------------------------------- sending ------------------- */

void thread_poke(struct thread *t, bool stopped)
{
	atomic_fetch_or(&t->work, WORK_SIGNAL);
	thread_interrupt(t, stopped);
}

void threads_kill(struct proc *p, const struct thread *keep)
{
	struct thread *t;

	list_for_each (t, &p->threads, siblings) {
		if (t == keep)
			continue;
		t->dying = true;
		thread_poke(t, true);
	}
}

void group_exit(struct proc *p, int status, const struct thread *keep)
{
	if (p->exiting)
		return;
	p->exiting = true;
	p->exit_status = status;
	p->stopping = false;
	p->state = PROC_RUNNING;
	threads_kill(p, keep);
}

/* Stop signals and SIGCONT undo each other when they are sent. */
static void cancel_opposite(struct proc *p, int sig)
{
	if (SIGBIT(sig) & BITS_STOP)
		signals_flush_all(p, SIGBIT(SIGCONT));
	if (sig == SIGCONT) {
		signals_flush_all(p, BITS_STOP);
		stop_continue(p);
	}
}

/* `target`: to this thread alone. */
static int send_signal(struct proc *p, struct thread *target, int sig, const siginfo_t *info,
                       bool must)
{
	struct thread *taker;
	int err;

	if (!sig || p->exiting || p->state == PROC_ZOMBIE)
		return 0;
	if (sig == SIGKILL) {
		if (p != init_proc)
			group_exit(p, SIGKILL, NULL);
		return 0;
	}
	cancel_opposite(p, sig);
	taker = target ? target : choose_taker(p, sig);
	if (!((taker->blocked | taker->waiting_for) & SIGBIT(sig)) && signal_is_ignored(p, sig))
		return 0;
	err = target ? pending_add(p, &target->pending, &target->pending_info, sig, info, must)
	             : pending_add(p, &p->pending, &p->pending_info, sig, info, must);
	if (!err && thread_accepts(taker, sig))
		thread_poke(taker, false);
	wake_all(&signal_arrived);
	return err;
}

int signal_proc(struct proc *p, int sig, const siginfo_t *info)
{
	return send_signal(p, NULL, sig, info, false);
}

int signal_thread(struct thread *t, int sig, const siginfo_t *info)
{
	return send_signal(t->proc, t, sig, info, false);
}

int signal_queue_proc(struct proc *p, int sig, const siginfo_t *info)
{
	return send_signal(p, NULL, sig, info, sig >= SIGRTMIN);
}

int signal_queue_thread(struct thread *t, int sig, const siginfo_t *info)
{
	return send_signal(t->proc, t, sig, info, sig >= SIGRTMIN);
}

int signal_group(int pgid, int sig, const siginfo_t *info)
{
	struct proc *p;
	int err = -ESRCH;

	list_for_each (p, &all_procs, all) {
		if (p->pgid != pgid)
			continue;
		signal_proc(p, sig, info);
		err = 0;
	}
	return err;
}

void signals_retarget(struct proc *p)
{
	struct thread *t;

	if (!p->pending)
		return;
	list_for_each (t, &p->threads, siblings)
		if (p->pending & ~t->blocked)
			thread_poke(t, false);
}

/* ---------------------------------------------------------------- the running thread -------- */

void signal_set_mask(sigmask_t mask)
{
	struct thread *t = current;
	sigmask_t added;

	mask &= ~(BIT_KILL | BIT_STOP);
	spin_lock(&proc_lock);
	added = mask & ~t->blocked;
	t->blocked = mask;
	if ((t->pending | t->proc->pending) & ~mask)
		atomic_fetch_or(&t->work, WORK_SIGNAL);
	if (added & t->proc->pending)
		signals_retarget(t->proc);
	spin_unlock(&proc_lock);
}

int sigmask_read(sigmask_t *mask, uintptr_t set, size_t size)
{
	return size == sizeof(*mask) ? user_get(*mask, set) : -EINVAL;
}

int signal_temp_mask(uintptr_t set, size_t size)
{
	struct thread *t = current;
	sigmask_t mask;
	int err;

	if (!set)
		return 0;
	err = sigmask_read(&mask, set, size);
	if (err)
		return err;
	t->saved_mask = t->blocked;
	signal_set_mask(mask);
	atomic_fetch_or(&t->work, WORK_RESTORE_MASK);
	return 0;
}

static void remember_trap(struct thread *t, uintptr_t addr)
{
	const struct regs *regs = thread_regs(t);

	t->trap_vector = regs->vector;
	t->trap_error = regs->error;
	t->trap_addr = addr;
}

void signal_force(int sig, int code, uintptr_t addr)
{
	struct thread *t = current;
	struct proc *p = t->proc;
	siginfo_t info = signal_info(sig, code);
	uintptr_t handler;

	info.si_addr = (void *)addr;
	remember_trap(t, addr);
	signals_reserve();
	spin_lock(&proc_lock);
	handler = p->action[sig - 1].handler;
	if (handler == (uintptr_t)SIG_DFL || handler == (uintptr_t)SIG_IGN ||
	    (t->blocked & SIGBIT(sig))) {
		group_exit(p, sig, NULL);
	} else {
		pending_add(p, &t->pending, &t->pending_info, sig, &info, false);
		atomic_fetch_or(&t->work, WORK_SIGNAL);
	}
	spin_unlock(&proc_lock);
	if (p->exiting && boot_option(OPTION_log_signals))
		printk("%s[%d]: signal %d, address %lx, rip %lx, rsp %lx\n", t->name, t->tid, sig,
		       addr, (unsigned long)thread_regs(t)->rip,
		       (unsigned long)thread_regs(t)->rsp);
}

void signals_exec(struct proc *p)
{
	for (int i = 0; i < NR_SIGNALS; i++) {
		struct kernel_sigaction *action = &p->action[i];

		if (action->handler != (uintptr_t)SIG_IGN)
			action->handler = (uintptr_t)SIG_DFL;
		action->flags = 0;
		action->restorer = 0;
		action->mask = 0;
	}
}
