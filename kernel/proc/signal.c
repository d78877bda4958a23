/*
 * signal.c: sending signals, and what is pending.
 *
 * A pending signal is a bit in `pending` of a thread or of a process (any thread may take it then),
 * and, where there is something to say about it, an entry with its siginfo on pending_info. Signals
 * below 32 are pending once at most, real-time ones as often as they were sent. Everything is under
 * proc_lock, under which nothing can be allocated: entries come from a list of spare ones that
 * system calls fill up before they take the lock. Without a spare entry a signal still arrives, but
 * says nothing of its sender.
 *
 * deliver.c does what signals ask for, when their thread returns to user mode.
 */
#include "internal.h"
#include "kmem.h"

#define SPARE_LOW  32u
#define SPARE_HIGH 256u

static struct list spare = LIST_INIT(spare);
static unsigned nr_spare; /* changed under proc_lock */

/* ---------------------------------------------------------------- entries ------------------- */

void signals_reserve(void)
{
	while (nr_spare < SPARE_LOW) {
		struct sigqueued *q = kmalloc(sizeof(*q));

		if (!q)
			return;
		spin_lock(&proc_lock);
		list_append(&spare, &q->node);
		nr_spare++;
		spin_unlock(&proc_lock);
	}
}

/* Faults have to tell their address, whatever the limit. */
static struct sigqueued *entry_get(struct proc *p, int sig)
{
	bool full = p->nr_queued >= p->limit[RLIMIT_SIGPENDING].rlim_cur;
	struct sigqueued *q;

	if (list_empty(&spare) || (full && !(SIGBIT(sig) & BITS_FAULT)))
		return NULL;
	q = list_first(&spare, struct sigqueued, node);
	list_remove(&q->node);
	nr_spare--;
	q->owner = p;
	p->nr_queued++;
	return q;
}

static void entry_put(struct sigqueued *q)
{
	list_remove(&q->node);
	q->owner->nr_queued--;
	if (nr_spare >= SPARE_HIGH) {
		kfree(q);
		return;
	}
	list_append(&spare, &q->node);
	nr_spare++;
}

siginfo_t signal_info(int sig, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	if (current->proc)
		info.si_pid = current->proc->pid;
	return info;
}

/* ---------------------------------------------------------------- what is pending ----------- */

void signals_flush(sigmask_t *pending, struct list *infos, sigmask_t set)
{
	struct sigqueued *q, *next;

	if (!(*pending & set))
		return;
	*pending &= ~set;
	list_for_each_safe (q, next, infos, node)
		if (SIGBIT(q->info.si_signo) & set)
			entry_put(q);
}

void signals_flush_all(struct proc *p, sigmask_t set)
{
	struct thread *t;

	signals_flush(&p->pending, &p->pending_info, set);
	list_for_each (t, &p->threads, siblings)
		signals_flush(&t->pending, &t->pending_info, set);
}

/*
 * Make `sig` pending. -EAGAIN: there is no entry for its siginfo; it is pending all the same unless
 * `must`.
 */
static int add(struct proc *p, sigmask_t *pending, struct list *infos, int sig,
               const siginfo_t *info, bool must)
{
	struct sigqueued *q;

	if (sig < SIGRTMIN && (*pending & SIGBIT(sig)))
		return 0;
	q = entry_get(p, sig);
	if (!q && must)
		return -EAGAIN;
	*pending |= SIGBIT(sig);
	if (!q)
		return 0;
	if (info) {
		q->info = *info;
	} else {
		memset(&q->info, 0, sizeof(q->info));
		q->info.si_code = SI_KERNEL;
	}
	q->info.si_signo = sig;
	list_append(infos, &q->node);
	return 0;
}

/* Take one of the set, those that tell of a fault first. */
static int take(sigmask_t *pending, struct list *infos, sigmask_t set, siginfo_t *info)
{
	sigmask_t ready = *pending & set;
	struct sigqueued *q, *found = NULL;
	bool more = false;
	int sig;

	if (!ready)
		return 0;
	sig = __builtin_ctzll(ready & BITS_FAULT ? ready & BITS_FAULT : ready) + 1;
	list_for_each (q, infos, node) {
		if (q->info.si_signo != sig)
			continue;
		more = found;
		if (more)
			break;
		found = q;
	}
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	if (found) {
		*info = found->info;
		entry_put(found);
	}
	if (!more)
		*pending &= ~SIGBIT(sig);
	return sig;
}

int signal_take(sigmask_t set, siginfo_t *info)
{
	struct thread *t = current;
	int sig = take(&t->pending, &t->pending_info, set, info);

	return sig ? sig : take(&t->proc->pending, &t->proc->pending_info, set, info);
}

siginfo_t *signal_of_timer(struct list *infos, int id)
{
	struct sigqueued *q;

	list_for_each (q, infos, node)
		if (q->info.si_code == SI_TIMER && q->info.si_tid == id)
			return &q->info;
	return NULL;
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

/* ---------------------------------------------------------------- sending ------------------- */

void thread_poke(struct thread *t, bool stopped)
{
	atomic_fetch_or(&t->work, WORK_SIGNAL);
	thread_interrupt(t, stopped);
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

static bool accepts(const struct thread *t, int sig)
{
	return !(t->blocked & ~t->waiting_for & SIGBIT(sig));
}

/* The thread that is to take a signal of the process: one that waits for it, or one that can. */
static struct thread *choose(struct proc *p, int sig)
{
	struct thread *t, *able = NULL;

	list_for_each (t, &p->threads, siblings) {
		if (t->waiting_for & SIGBIT(sig))
			return t;
		if (accepts(t, sig) && (!able || t == current))
			able = t;
	}
	return able ? able : list_first(&p->threads, struct thread, siblings);
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
static int send(struct proc *p, struct thread *target, int sig, const siginfo_t *info, bool must)
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
	taker = target ? target : choose(p, sig);
	if (!((taker->blocked | taker->waiting_for) & SIGBIT(sig)) && signal_is_ignored(p, sig))
		return 0;
	err = target ? add(p, &target->pending, &target->pending_info, sig, info, must)
	             : add(p, &p->pending, &p->pending_info, sig, info, must);
	if (!err && accepts(taker, sig))
		thread_poke(taker, false);
	return err;
}

int signal_proc(struct proc *p, int sig, const siginfo_t *info)
{
	return send(p, NULL, sig, info, false);
}

int signal_thread(struct thread *t, int sig, const siginfo_t *info)
{
	return send(t->proc, t, sig, info, false);
}

int signal_queue_proc(struct proc *p, int sig, const siginfo_t *info)
{
	return send(p, NULL, sig, info, sig >= SIGRTMIN);
}

int signal_queue_thread(struct thread *t, int sig, const siginfo_t *info)
{
	return send(t->proc, t, sig, info, sig >= SIGRTMIN);
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
		add(p, &t->pending, &t->pending_info, sig, &info, false);
		atomic_fetch_or(&t->work, WORK_SIGNAL);
	}
	spin_unlock(&proc_lock);
	if (p->exiting && boot_option("log_signals"))
		printk("%s[%d]: signal %d, address %lx, rip %lx, rsp %lx\n", t->name, t->tid, sig,
		       addr, (unsigned long)thread_regs(t)->rip,
		       (unsigned long)thread_regs(t)->rsp);
}

void signal_oom(void)
{
	struct thread *t = current;

	printk("out of memory: killed %s[%d]\n", t->name, t->tid);
	spin_lock(&proc_lock);
	group_exit(t->proc, SIGKILL, NULL);
	spin_unlock(&proc_lock);
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
