/*
 * wait.c: a parent learns what has become of its children: wait4, waitid.
 *
 * A waiter queues on its process's child_wait, looks at all children under proc_lock, and sleeps if
 * none has anything to tell. Whoever changes a child's state wakes the queue.
 */
#include <linux/wait.h>

#include "internal.h"
#include "sys.h"

struct wait {
	int which, id; /* P_ALL, P_PID or P_PGID */
	int options;
	int status; /* as wait4() gives it */
	int code;   /* CLD_... */
	unsigned uid;
	struct rusage usage;
};

void proc_reap(struct proc *child)
{
	struct proc *p = child->parent;

	p->child_cpu_ns += child->cpu_ns + child->child_cpu_ns;
	p->child_user_ns += child->user_ns + child->child_user_ns;
	p->child_min_faults += child->min_faults + child->child_min_faults;
	p->child_maj_faults += child->maj_faults + child->child_maj_faults;
	p->child_max_rss = MAX(p->child_max_rss, MAX(child->max_rss, child->child_max_rss));
	proc_unlink(child);
}

/* Children that send another signal than SIGCHLD are waited for on demand only. */
static bool is_wanted(const struct wait *w, const struct proc *child)
{
	bool odd = child->exit_signal != SIGCHLD;

	if (w->which == P_PID && child->pid != w->id)
		return false;
	if (w->which == P_PGID && child->pgid != w->id)
		return false;
	return (w->options & __WALL) || odd == !!(w->options & __WCLONE);
}

/* Has the child something to tell that was asked for? */
static bool take_news(struct wait *w, struct proc *child)
{
	bool keep = w->options & WNOWAIT;

	if (child->state == PROC_ZOMBIE && (w->options & WEXITED)) {
		w->status = child->exit_status;
		w->code = w->status & 0x7f ? CLD_KILLED : CLD_EXITED;
		return true;
	}
	if (child->state == PROC_STOPPED && (w->options & WSTOPPED) && !child->stop_reported) {
		w->status = child->stop_signal << 8 | 0x7f;
		w->code = CLD_STOPPED;
		child->stop_reported = !keep;
		return true;
	}
	if (child->continued && (w->options & WCONTINUED)) {
		w->status = 0xffff;
		w->code = CLD_CONTINUED;
		child->continued = keep;
		return true;
	}
	return false;
}

/* The pid of a child with news, 0 if there is none yet, -ECHILD if there never will be. */
static int scan_children(struct wait *w, struct proc *p)
{
	struct proc *child;
	int result = -ECHILD;

	spin_lock(&proc_lock);
	list_for_each (child, &p->children, sibling) {
		if (!is_wanted(w, child))
			continue;
		result = 0;
		if (!take_news(w, child))
			continue;
		result = child->pid;
		w->uid = child->cred.uid.real;
		usage_of_child(child, &w->usage);
		if (child->state == PROC_ZOMBIE && !(w->options & WNOWAIT)) {
			proc_reap(child);
			proc_put(child);
		}
		break;
	}
	spin_unlock(&proc_lock);
	return result;
}

static int do_wait(struct wait *w)
{
	struct proc *p = current->proc;
	struct waiter waiter;
	int result;

	do {
		wait_begin(&p->child_wait, &waiter, THREAD_INTERRUPTIBLE);
		result = scan_children(w, p);
		if (!result && !(w->options & WNOHANG)) {
			if (signal_pending())
				result = -ERESTARTSYS;
			else
				schedule();
		}
		wait_end(&waiter);
	} while (!result && !(w->options & WNOHANG));
	return result;
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_wait4(int pid, uintptr_t status, int options, uintptr_t usage)
{
	struct wait w = {.which = P_PID, .id = pid, .options = options | WEXITED};
	int result;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == -1) {
		w.which = P_ALL;
	} else if (pid <= 0) {
		w.which = P_PGID;
		w.id = pid ? -pid : current->proc->pgid;
	}
	result = do_wait(&w);
	if (result <= 0)
		return result;
	if (status && user_put(status, w.status))
		return -EFAULT;
	if (usage && user_put(usage, w.usage))
		return -EFAULT;
	return result;
}

long sys_waitid(int which, int id, uintptr_t info, int options, uintptr_t usage)
{
	struct wait w = {.which = which, .id = id, .options = options};
	siginfo_t si;
	int result;

	if (options & ~(WNOHANG | WSTOPPED | WEXITED | WCONTINUED | WNOWAIT | __WNOTHREAD |
	                __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WSTOPPED | WEXITED | WCONTINUED)))
		return -EINVAL;
	if (which != P_ALL && which != P_PID && which != P_PGID)
		return -EINVAL;
	if (which == P_PGID && !id)
		w.id = current->proc->pgid;
	result = do_wait(&w);
	if (result < 0)
		return result;
	memset(&si, 0, sizeof(si));
	if (result) {
		si.si_signo = SIGCHLD;
		si.si_code = w.code;
		si.si_pid = result;
		si.si_uid = w.uid;
		si.si_status = w.code == CLD_CONTINUED ? SIGCONT
		               : w.code == CLD_KILLED  ? w.status & 0x7f
		                                       : w.status >> 8;
	}
	if (info && user_put(info, si))
		return -EFAULT;
	if (result && usage && user_put(usage, w.usage))
		return -EFAULT;
	return 0;
}
