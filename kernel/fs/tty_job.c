/*
 * tty_job.c: job control: which session the terminal controls, and which of its process groups is
 * in the foreground. All of it is under proc_lock.
 */
#include "tty.h"

void tty_signal(struct tty *tty, int sig)
{
	spin_lock(&proc_lock);
	if (tty->pgrp)
		signal_group(tty->pgrp, sig, NULL);
	spin_unlock(&proc_lock);
}

int tty_check_job(struct tty *tty, int sig)
{
	const struct proc *p = current->proc;
	int err = 0;

	spin_lock(&proc_lock);
	if (p->tty != tty || p->sid != tty->sid || p->pgid == tty->pgrp || !tty->pgrp) {
		err = 0;
	} else if (signal_ignored(sig)) {
		err = sig == SIGTTIN ? -EIO : 0;
	} else if (group_orphaned(p->pgid)) {
		err = -EIO;
	} else {
		signal_group(p->pgid, sig, NULL);
		err = -ERESTARTSYS;
	}
	spin_unlock(&proc_lock);
	return err;
}

/* proc_lock held. Is any process left that has it as its terminal? */
static bool in_use(const struct tty *tty)
{
	const struct proc *p;

	list_for_each (p, &all_procs, all)
		if (p->tty == tty && p->sid == tty->sid)
			return true;
	return false;
}

/* proc_lock held. The running process, leader of a session without a terminal, gets it. */
static int take_terminal(struct tty *tty)
{
	struct proc *p = current->proc;

	if (p->tty == tty && p->sid == tty->sid)
		return 0;
	if (p->pid != p->sid || p->tty || (tty->sid && in_use(tty)))
		return -EPERM;
	p->tty = tty;
	tty->sid = p->sid;
	tty->pgrp = p->pgid;
	return 0;
}

/* The whole session loses it, and its foreground group is told. */
static void release_terminal(struct tty *tty, const struct proc *leader)
{
	struct proc *p;

	if (tty->pgrp) {
		signal_group(tty->pgrp, SIGHUP, NULL);
		signal_group(tty->pgrp, SIGCONT, NULL);
	}
	list_for_each (p, &all_procs, all)
		if (p->sid == leader->sid && p->tty == tty)
			p->tty = NULL;
	tty->sid = tty->pgrp = 0;
}

void tty_leave(struct proc *p)
{
	struct tty *tty = p->tty;

	p->tty = NULL;
	if (tty && p->pid == p->sid && tty->sid == p->sid)
		release_terminal(tty, p);
}

/* proc_lock held. */
static int give_up_terminal(struct tty *tty)
{
	if (current->proc->tty != tty)
		return -ENOTTY;
	tty_leave(current->proc);
	return 0;
}

/* proc_lock held. The group must be one of the session. */
static int set_foreground(struct tty *tty, int pgrp)
{
	const struct proc *p;

	if (current->proc->tty != tty || current->proc->sid != tty->sid)
		return -ENOTTY;
	if (pgrp < 0)
		return -EINVAL;
	list_for_each (p, &all_procs, all) {
		if (p->pgid != pgrp)
			continue;
		if (p->sid != tty->sid)
			return -EPERM;
		tty->pgrp = pgrp;
		return 0;
	}
	return -ESRCH;
}

static long set_foreground_user(struct tty *tty, uintptr_t arg)
{
	int pgrp, err = tty_check_job(tty, SIGTTOU);

	if (err)
		return err;
	if (user_get(pgrp, arg))
		return -EFAULT;
	spin_lock(&proc_lock);
	err = set_foreground(tty, pgrp);
	spin_unlock(&proc_lock);
	return err;
}

static long get_id(struct tty *tty, const int *id, uintptr_t arg)
{
	int value;
	bool ours;

	spin_lock(&proc_lock);
	ours = current->proc->tty == tty;
	value = *id;
	spin_unlock(&proc_lock);
	return ours ? user_put(arg, value) : -ENOTTY;
}

long tty_job_ioctl(struct tty *tty, unsigned cmd, uintptr_t arg)
{
	long err;

	switch (cmd) {
	case TIOCGPGRP:
		return get_id(tty, &tty->pgrp, arg);
	case TIOCGSID:
		return get_id(tty, &tty->sid, arg);
	case TIOCSPGRP:
		return set_foreground_user(tty, arg);
	case TIOCSCTTY:
	case TIOCNOTTY:
		spin_lock(&proc_lock);
		err = cmd == TIOCSCTTY ? take_terminal(tty) : give_up_terminal(tty);
		spin_unlock(&proc_lock);
		return err;
	default:
		return -ENOTTY;
	}
}
