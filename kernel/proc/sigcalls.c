/*
 * sigcalls.c: the system calls about signals, but for sigaltstack and rt_sigreturn (sigframe.c).
 */
#include <linux/time_types.h>

#include "internal.h"
#include "sys.h"

static bool valid_signal(int sig)
{
	return sig >= 1 && sig <= NR_SIGNALS;
}

/* ---------------------------------------------------------------- actions and masks --------- */

long sys_rt_sigaction(int sig, uintptr_t set, uintptr_t old, size_t size)
{
	struct proc *p = current->proc;
	struct kernel_sigaction new, was;

	if (size != sizeof(sigmask_t) || !valid_signal(sig))
		return -EINVAL;
	if (set && (SIGBIT(sig) & (BIT_KILL | BIT_STOP)))
		return -EINVAL;
	if (set && user_get(new, set))
		return -EFAULT;
	spin_lock(&proc_lock);
	was = p->action[sig - 1];
	if (set) {
		new.mask &= ~(BIT_KILL | BIT_STOP);
		p->action[sig - 1] = new;
		/* What is ignored from now on is not pending any more. */
		if (signal_is_ignored(p, sig))
			signals_flush_all(p, SIGBIT(sig));
	}
	spin_unlock(&proc_lock);
	return old && user_put(old, was) ? -EFAULT : 0;
}

long sys_rt_sigprocmask(int how, uintptr_t set, uintptr_t old, size_t size)
{
	sigmask_t was = current->blocked, mask = 0;

	if (size != sizeof(sigmask_t))
		return -EINVAL;
	if (set) {
		if (user_get(mask, set))
			return -EFAULT;
		if (how == SIG_BLOCK)
			mask |= was;
		else if (how == SIG_UNBLOCK)
			mask = was & ~mask;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		signal_set_mask(mask);
	}
	return old && user_put(old, was) ? -EFAULT : 0;
}

long sys_rt_sigpending(uintptr_t set, size_t size)
{
	struct thread *t = current;
	sigmask_t pending;

	if (size > sizeof(sigmask_t))
		return -EINVAL;
	spin_lock(&proc_lock);
	pending = (t->pending | t->proc->pending) & t->blocked;
	spin_unlock(&proc_lock);
	return user_write(set, &pending, size);
}

/* ---------------------------------------------------------------- waiting ------------------- */

long sys_pause(void)
{
	while (!signal_pending())
		sleep_until(UINT64_MAX);
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(uintptr_t set, size_t size)
{
	int err = set ? signal_temp_mask(set, size) : -EFAULT;

	return err ? err : sys_pause();
}

/*
 * Take one of the signals, all of them blocked or not; 0 after the deadline, -EINTR for another
 * signal.
 */
static int wait_for_signal(sigmask_t set, uint64_t deadline, siginfo_t *info)
{
	struct thread *t = current;
	bool late = false;
	int sig;

	for (;;) {
		spin_lock(&proc_lock);
		sig = signal_take(set, info);
		t->waiting_for = sig ? 0 : set;
		spin_unlock(&proc_lock);
		if (sig || late)
			break;
		if (t->dying || t->proc->stopping ||
		    ((t->pending | t->proc->pending) & ~t->blocked)) {
			sig = -EINTR;
			break;
		}
		late = now_ns() >= deadline;
		if (!late)
			sleep_until(deadline);
	}
	spin_lock(&proc_lock);
	t->waiting_for = 0;
	spin_unlock(&proc_lock);
	return sig;
}

long sys_rt_sigtimedwait(uintptr_t set, uintptr_t info, uintptr_t timeout, size_t size)
{
	uint64_t deadline = UINT64_MAX;
	sigmask_t wanted;
	siginfo_t si;
	int err = sigmask_read(&wanted, set, size);

	if (!err && timeout)
		err = read_timeout(timeout, &deadline);
	if (err)
		return err;
	err = wait_for_signal(wanted & ~(BIT_KILL | BIT_STOP), deadline, &si);
	if (!err)
		return -EAGAIN;
	if (err > 0 && info && user_put(info, si))
		return -EFAULT;
	return err;
}

/* ---------------------------------------------------------------- sending ------------------- */

/* proc_lock held. */
static int send_proc(struct proc *p, int sig, const siginfo_t *info)
{
	return may_signal(p, sig) ? signal_proc(p, sig, info) : -EPERM;
}

/*
 * To every process but process 1 and the sender's own. That all of them are forbidden is no error:
 * Linux has it so. proc_lock held.
 */
static int send_everybody(int sig, const siginfo_t *info)
{
	struct proc *p;
	int err = -ESRCH;

	list_for_each (p, &all_procs, all) {
		if (p == init_proc || p == current->proc)
			continue;
		send_proc(p, sig, info);
		err = 0;
	}
	return err;
}

/* 0 if it may be sent to one of them, at least. proc_lock held. */
static int send_group(int pgid, int sig, const siginfo_t *info)
{
	struct proc *p;
	int err = -ESRCH;

	list_for_each (p, &all_procs, all) {
		if (p->pgid != pgid)
			continue;
		if (!send_proc(p, sig, info))
			err = 0;
		else if (err)
			err = -EPERM;
	}
	return err;
}

long sys_kill(int pid, int sig)
{
	siginfo_t info = signal_info(sig, SI_USER);
	struct proc *p;
	int err = 0;

	if (sig && !valid_signal(sig))
		return -EINVAL;
	signals_reserve();
	spin_lock(&proc_lock);
	if (pid > 0) {
		p = proc_of(pid);
		err = p ? send_proc(p, sig, &info) : -ESRCH;
	} else if (pid == -1) {
		err = send_everybody(sig, &info);
	} else {
		err = send_group(pid ? -pid : current->proc->pgid, sig, &info);
	}
	spin_unlock(&proc_lock);
	return err;
}

/* tgid 0: any process. */
static long send_thread(int tgid, int tid, int sig, const siginfo_t *info)
{
	struct thread *t;
	int err = -ESRCH;

	if (tid <= 0 || (sig && !valid_signal(sig)))
		return -EINVAL;
	signals_reserve();
	spin_lock(&proc_lock);
	t = thread_find(tid);
	if (t && (!tgid || t->proc->pid == tgid))
		err = may_signal(t->proc, sig) ? signal_queue_thread(t, sig, info) : -EPERM;
	spin_unlock(&proc_lock);
	return err;
}

long sys_tgkill(int tgid, int tid, int sig)
{
	siginfo_t info = signal_info(sig, SI_TKILL);

	return tgid <= 0 ? -EINVAL : send_thread(tgid, tid, sig, &info);
}

long sys_tkill(int tid, int sig)
{
	siginfo_t info = signal_info(sig, SI_TKILL);

	return send_thread(0, tid, sig, &info);
}

/*
 * A siginfo of the program's own. One that pretends to come from the kernel or from kill() may be
 * sent to the program itself only.
 */
static int read_siginfo(siginfo_t *info, uintptr_t from, int sig, int target)
{
	if (user_get(*info, from))
		return -EFAULT;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != current->proc->pid)
		return -EPERM;
	info->si_signo = sig;
	return 0;
}

long sys_rt_sigqueueinfo(int pid, int sig, uintptr_t from)
{
	struct proc *p;
	siginfo_t info;
	int err = read_siginfo(&info, from, sig, pid);

	if (err)
		return err;
	if (sig && !valid_signal(sig))
		return -EINVAL;
	signals_reserve();
	spin_lock(&proc_lock);
	p = proc_of(pid);
	err = p ? -EPERM : -ESRCH;
	if (p && may_signal(p, sig))
		err = signal_queue_proc(p, sig, &info);
	spin_unlock(&proc_lock);
	return err;
}

long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, uintptr_t from)
{
	siginfo_t info;
	int err = read_siginfo(&info, from, sig, tgid);

	if (err)
		return err;
	return tgid <= 0 ? -EINVAL : send_thread(tgid, tid, sig, &info);
}
