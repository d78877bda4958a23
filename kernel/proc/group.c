/*
 * group.c: which processes are in a process group or session. Both are just numbers that processes
 * have.
 */
#include "internal.h"

bool group_exists(int pgid)
{
	const struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->pgid == pgid)
			return true;
	return false;
}

bool group_in_session(int pgid, int sid)
{
	const struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->pgid == pgid && p->sid == sid)
			return true;
	return false;
}

bool group_has_stopped(int pgid)
{
	const struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->pgid == pgid && p->state == PROC_STOPPED)
			return true;
	return false;
}

/* Process 1, if it is a shell, looks after the jobs that it has started itself. */
bool has_outside_parent(const struct proc *p)
{
	return p->parent && p->parent->pgid != p->pgid && p->parent->sid == p->sid && !p->adopted;
}

bool group_orphaned(int pgid)
{
	const struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->pgid == pgid && p->state != PROC_ZOMBIE && has_outside_parent(p))
			return false;
	return true;
}
