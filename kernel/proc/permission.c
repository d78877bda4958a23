/*
 * permission.c: what a process may do to another one, as Linux decides it.
 *
 * Each kind of call compares other numbers, because they are of different age. A process may do all
 * of it to itself.
 */
#include "internal.h"

/* Has the process nothing of any other user? */
static bool is_all_of(const struct ids *ids, unsigned id)
{
	return ids->real == id && ids->effective == id && ids->saved == id;
}

bool may_signal(const struct proc *p, int sig)
{
	const struct proc *me = current->proc;
	const struct ids *my = &me->cred.uid, *its = &p->cred.uid;

	if (p == me || my->effective == its->saved || my->effective == its->real ||
	    my->real == its->saved || my->real == its->real)
		return true;
	return capable(CAP_KILL) || (sig == SIGCONT && p->sid == me->sid);
}

bool is_owner(const struct proc *p)
{
	const struct ids *my = &current->proc->cred.uid, *its = &p->cred.uid;

	return my->effective == its->effective || my->effective == its->real ||
	       capable(CAP_SYS_NICE);
}

bool may_schedule(const struct proc *p)
{
	return is_owner(p) &&
	       (!(p->cred.permitted & ~current->proc->cred.permitted) || capable(CAP_SYS_NICE));
}

bool may_limit(const struct proc *p)
{
	const struct proc *me = current->proc;

	if (p == me || capable(CAP_SYS_RESOURCE))
		return true;
	return is_all_of(&p->cred.uid, me->cred.uid.real) &&
	       is_all_of(&p->cred.gid, me->cred.gid.real);
}

/*
 * For a user and a group. A process that has changed its user may still hold secrets of the old one
 * (`dumpable` is 0 then), and one with more capabilities would lend them.
 */
static bool may_inspect(const struct proc *p, unsigned uid, unsigned gid, uint64_t capabilities)
{
	if (p == current->proc || capable(CAP_SYS_PTRACE))
		return true;
	return is_all_of(&p->cred.uid, uid) && is_all_of(&p->cred.gid, gid) && p->dumpable &&
	       !(p->cred.permitted & ~capabilities);
}

bool may_trace(const struct proc *p)
{
	const struct cred *c = &current->proc->cred;

	return may_inspect(p, c->uid.real, c->gid.real, c->permitted);
}

bool may_trace_by_file(const struct proc *p)
{
	const struct cred *c = &current->proc->cred;

	return may_inspect(p, c->uid.fs, c->gid.fs, c->effective);
}
