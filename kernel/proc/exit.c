/*
 * exit.c: the end of threads and processes.
 *
 * A thread ends in do_exit_thread() only, of its own will or because it is marked `dying`: then it
 * comes here on its next way to user mode (deliver.c), and no sleep on the way is long, since
 * signal_pending() is true. The last thread gives back what the process holds (files, address
 * space), makes it a zombie and tells the parent. Every thread leaves its process at the very end:
 * from then on it is a kernel thread (proc == NULL) that the scheduler frees, and the process may
 * be reaped.
 */
#include "internal.h"
#include "kmem.h"
#include "sys.h"

/* ---------------------------------------------------------------- relatives ----------------- */

/* Stopped processes that nobody is left to continue are told so. */
static void hang_up_orphans(int pgid)
{
	if (!group_orphaned(pgid) || !group_has_stopped(pgid))
		return;
	signal_group(pgid, SIGHUP, NULL);
	signal_group(pgid, SIGCONT, NULL);
}

/* Is a child of `p` that turns into a zombie forgotten at once? proc_lock held. */
static bool children_ignored(const struct proc *p)
{
	const struct kernel_sigaction *action = &p->action[SIGCHLD - 1];

	return action->handler == (uintptr_t)SIG_IGN || (action->flags & SA_NOCLDWAIT);
}

/*
 * Tell the parent of a new zombie. Returns true if it need not wait for it: then the zombie is
 * reaped, and the caller drops the table's reference.
 */
static bool notify_zombie(struct proc *p)
{
	bool forget = p->exit_signal == SIGCHLD && children_ignored(p->parent);
	int code = p->exit_status & 0x7f ? CLD_KILLED : CLD_EXITED;
	int status = p->exit_status & 0x7f ? p->exit_status & 0x7f : p->exit_status >> 8;

	if (p->exit_signal)
		parent_notify(p, code, status);
	if (forget)
		proc_reap(p);
	wake_all(&p->parent->child_wait);
	return forget;
}

/* Process 1 takes over the children. */
static void reparent(struct proc *p)
{
	struct proc *child, *next;

	list_for_each_safe (child, next, &p->children, sibling) {
		bool other_group = child->pgid != p->pgid && child->sid == p->sid;

		list_remove(&child->sibling);
		child->parent = init_proc;
		child->adopted = true;
		child->exit_signal = SIGCHLD;
		list_append(&init_proc->children, &child->sibling);
		if (child->pdeathsig)
			signal_proc(child, child->pdeathsig, NULL);
		if (child->state == PROC_ZOMBIE) {
			if (notify_zombie(child))
				proc_put(child);
		} else if (other_group) {
			hang_up_orphans(child->pgid);
		}
	}
}

/* ---------------------------------------------------------------- leaving ------------------- */

/* Take the running thread out of its process. proc_lock held. */
static void leave_proc(struct thread *t)
{
	struct proc *p = t->proc;

	sched_account();
	p->cpu_ns += t->cpu_ns;
	p->user_ns += t->user_ns;
	p->min_faults += t->min_faults;
	p->maj_faults += t->maj_faults;
	signals_flush(&t->pending, &t->pending_info, ~0ull);
	thread_unlink(t);
	t->proc = NULL;
	t->space = NULL;
	if (p->exec_thread)
		wake_all(&p->thread_wait);
}

void proc_release(struct proc *p)
{
	struct space *space;
	struct path_ctx fs;
	char *exe;

	files_exit(p);
	spin_lock(&proc_lock);
	space = p->space;
	p->space = NULL;
	if (space)
		oom_releasing(1);
	fs = p->fs;
	p->fs.cwd = NULL;
	p->fs.cwd_path = NULL;
	exe = p->exe;
	p->exe = NULL;
	spin_unlock(&proc_lock);
	if (space) {
		space_put(space);
		spin_lock(&proc_lock);
		oom_releasing(-1);
		spin_unlock(&proc_lock);
	}
	inode_put(fs.cwd);
	kfree(fs.cwd_path);
	kfree(exe);
}

/* What the process holds is given back; its times stay for the parent. */
static void release_all(struct proc *p)
{
	itimers_stop(p);
	ptimers_stop(p);
	usage_note_rss(p);
	current->space = NULL; /* nothing touches its memory from here on */
	proc_release(p);
	oom_released(p);
	spin_lock(&proc_lock);
	vfork_done(p);
	spin_unlock(&proc_lock);
}

/* The last thread of the process is the one that runs. Returns true if the process is forgotten. */
static bool become_zombie(struct proc *p)
{
	int pgid = p->pgid;

	leave_proc(current);
	signals_flush(&p->pending, &p->pending_info, ~0ull);
	p->state = PROC_ZOMBIE;
	tty_leave(p);
	reparent(p);
	if (has_outside_parent(p))
		hang_up_orphans(pgid);
	return notify_zombie(p);
}

static void end_of_process(struct proc *p)
{
	bool forget;

	release_all(p);
	if (p == init_proc)
		kernel_finish(p->exit_status);
	spin_lock(&proc_lock);
	forget = become_zombie(p);
	spin_unlock(&proc_lock);
	if (forget)
		proc_put(p);
}

/* Returns true if others are left in the process. Its status is that of its first thread. */
static bool leave_others(struct thread *t, int status)
{
	struct proc *p = t->proc;
	bool last;

	spin_lock(&proc_lock);
	last = p->nr_threads == 1;
	if (!p->exiting && t->tid == p->pid)
		p->exit_status = status;
	if (last) {
		p->exiting = true;
	} else {
		leave_proc(t);
		signals_retarget(p);
		stop_check(p);
	}
	spin_unlock(&proc_lock);
	return !last;
}

void do_exit_thread(int status)
{
	struct thread *t = current;

	robust_exit();
	if (!leave_others(t, status))
		end_of_process(t->proc);
	thread_exit();
}

void do_exit_group(int status)
{
	struct proc *p = current->proc;

	spin_lock(&proc_lock);
	group_exit(p, status, current);
	spin_unlock(&proc_lock);
	do_exit_thread(status);
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_exit(int code)
{
	do_exit_thread((code & 0xff) << 8);
}

long sys_exit_group(int code)
{
	do_exit_group((code & 0xff) << 8);
}
