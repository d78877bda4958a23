/*
 * ids.c: the numbers of a process: its own, its group's and its session's. Whom it works for is in
 * cred.c.
 */
#include "internal.h"
#include "sys.h"

long sys_getpid(void)
{
	return current->proc->pid;
}

long sys_gettid(void)
{
	return current->tid;
}

long sys_getppid(void)
{
	const struct proc *p = current->proc;
	int pid;

	spin_lock(&proc_lock);
	pid = p->parent ? p->parent->pid : 0;
	spin_unlock(&proc_lock);
	return pid;
}

/* A copy of the numbers of a process, 0: the running one. */
static int find_ids(int pid, int *pgid, int *sid)
{
	const struct proc *p;

	spin_lock(&proc_lock);
	p = pid ? proc_find(pid) : current->proc;
	if (p) {
		*pgid = p->pgid;
		*sid = p->sid;
	}
	spin_unlock(&proc_lock);
	return p ? 0 : -ESRCH;
}

long sys_getpgid(int pid)
{
	int pgid, sid, err = find_ids(pid, &pgid, &sid);

	return err ? err : pgid;
}

long sys_getpgrp(void)
{
	return sys_getpgid(0);
}

long sys_getsid(int pid)
{
	int pgid, sid, err = find_ids(pid, &pgid, &sid);

	return err ? err : sid;
}

/* proc_lock held. */
static int set_group(struct proc *p, int pgid)
{
	const struct proc *me = current->proc;

	if (p != me) {
		if (p->parent != me)
			return -ESRCH;
		if (p->sid != me->sid)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	}
	if (p->sid == p->pid)
		return -EPERM;
	if (pgid != p->pid && !group_in_session(pgid, p->sid))
		return -EPERM;
	p->pgid = pgid;
	pid_names_group(pgid);
	return 0;
}

long sys_setpgid(int pid, int pgid)
{
	struct proc *p;
	int err = -ESRCH;

	if (pgid < 0 || pid < 0)
		return -EINVAL;
	spin_lock(&proc_lock);
	p = pid ? proc_find(pid) : current->proc;
	if (p)
		err = set_group(p, pgid ? pgid : p->pid);
	spin_unlock(&proc_lock);
	return err;
}

long sys_setsid(void)
{
	struct proc *p = current->proc;
	long result = p->pid;

	spin_lock(&proc_lock);
	if (group_exists(p->pid)) {
		result = -EPERM;
	} else {
		p->sid = p->pgid = p->pid;
		pid_names_group(p->pid);
		p->tty = NULL;
	}
	spin_unlock(&proc_lock);
	return result;
}
