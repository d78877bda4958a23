/*
 * cred.c: the user and the groups of a process, and the calls that change them.
 *
 * A call computes new credentials from the old ones and puts them in place under one hold of
 * proc_lock: a thread that gives rights up cannot lose against another one of its process. There
 * are three rules by which numbers change, the same for users and groups; capability.c says what
 * becomes of the capabilities.
 */
#include "internal.h"
#include "sys.h"

/* ---------------------------------------------------------------- asking -------------------- */

long sys_getuid(void)
{
	return current->proc->cred.uid.real;
}

long sys_geteuid(void)
{
	return current->proc->cred.uid.effective;
}

long sys_getgid(void)
{
	return current->proc->cred.gid.real;
}

long sys_getegid(void)
{
	return current->proc->cred.gid.effective;
}

static struct cred current_cred(void)
{
	struct cred c;

	spin_lock(&proc_lock);
	c = current->proc->cred;
	spin_unlock(&proc_lock);
	return c;
}

static long put_ids(const struct ids *ids, uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	if (user_put(real, ids->real) || user_put(effective, ids->effective) ||
	    user_put(saved, ids->saved))
		return -EFAULT;
	return 0;
}

long sys_getresuid(uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	const struct cred c = current_cred();

	return put_ids(&c.uid, real, effective, saved);
}

long sys_getresgid(uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	const struct cred c = current_cred();

	return put_ids(&c.gid, real, effective, saved);
}

/* ---------------------------------------------------------------- rules --------------------- */

#define NONE (-1u) /* leaves a number as it is */

/* May a number become this one? `any`: a process with the capability takes what it likes. */
static bool allowed(const struct ids *ids, unsigned id, bool any)
{
	return any || id == NONE || id == ids->real || id == ids->effective || id == ids->saved;
}

/* How ids change to what is wanted; -EPERM. */
typedef int rule_fn(struct ids *ids, const unsigned *want, bool any);

/* setuid(): the effective one, and all with the capability. */
static int rule_one(struct ids *ids, const unsigned *want, bool any)
{
	if (any)
		ids->real = ids->saved = *want;
	else if (*want != ids->real && *want != ids->saved)
		return -EPERM;
	ids->effective = ids->fs = *want;
	return 0;
}

/* setreuid(): real, effective. */
static int rule_two(struct ids *ids, const unsigned *want, bool any)
{
	unsigned real = want[0], effective = want[1], old = ids->real;

	if (!allowed(ids, effective, any) ||
	    (!any && real != NONE && real != ids->real && real != ids->effective))
		return -EPERM;
	if (real != NONE)
		ids->real = real;
	if (effective != NONE)
		ids->effective = effective;
	if (real != NONE || (effective != NONE && effective != old))
		ids->saved = ids->effective;
	ids->fs = ids->effective;
	return 0;
}

/* Is it so already? */
static bool is(unsigned id, unsigned want)
{
	return want == NONE || want == id;
}

/* setresuid(): real, effective, saved. */
static int rule_three(struct ids *ids, const unsigned *want, bool any)
{
	if (is(ids->real, want[0]) && is(ids->effective, want[1]) && is(ids->saved, want[2]) &&
	    is(ids->fs, want[1]))
		return 0;
	if (!allowed(ids, want[0], any) || !allowed(ids, want[1], any) ||
	    !allowed(ids, want[2], any))
		return -EPERM;
	if (want[0] != NONE)
		ids->real = want[0];
	if (want[1] != NONE)
		ids->effective = want[1];
	if (want[2] != NONE)
		ids->saved = want[2];
	ids->fs = ids->effective;
	return 0;
}

/* setfsuid(). */
static int rule_fs(struct ids *ids, const unsigned *want, bool any)
{
	if (*want == NONE || !(allowed(ids, *want, any) || *want == ids->fs))
		return -EPERM;
	ids->fs = *want;
	return 0;
}

/* ---------------------------------------------------------------- changing ------------------ */

/* Others must not look into a process that comes from another user. */
static bool shows_another(const struct cred *new, const struct cred *old)
{
	return new->uid.effective != old->uid.effective || new->uid.fs != old->uid.fs ||
	       new->gid.effective != old->gid.effective || new->gid.fs != old->gid.fs ||
	       (new->permitted & ~old->permitted);
}

/* The process counts as one of its user's. proc_lock held. Returns the account that it leaves. */
static struct account *change_account(struct proc *p, struct account *a)
{
	struct account *old = p->account;

	old->nr_tasks -= p->nr_threads;
	a->nr_tasks += p->nr_threads;
	p->account = a;
	return old;
}

/* proc_lock held. */
static void cred_set(struct proc *p, const struct cred *new)
{
	if (shows_another(new, &p->cred)) {
		p->dumpable = 0;
		p->pdeathsig = 0;
	}
	p->cred = *new;
	limits_apply(p, p->space);
}

/*
 * `real`: what the real user number may become, or NONE. `follow` says what becomes of the
 * capabilities.
 */
static long set_uids(rule_fn *rule, const unsigned *want, unsigned real,
                     void (*follow)(struct cred *new, const struct cred *old))
{
	struct proc *p = current->proc;
	struct account *a = real == NONE ? NULL : account_get(real);
	struct cred new;
	int err;

	if (real != NONE && !a)
		return -EAGAIN;
	spin_lock(&proc_lock);
	new = p->cred;
	err = rule(&new.uid, want, cred_has(&new, CAP_SETUID));
	if (!err) {
		follow(&new, &p->cred);
		if (new.uid.real != p->cred.uid.real)
			a = change_account(p, a);
		cred_set(p, &new);
	}
	account_put(a);
	spin_unlock(&proc_lock);
	return err;
}

static long set_gids(rule_fn *rule, const unsigned *want)
{
	struct proc *p = current->proc;
	struct cred new;
	int err;

	spin_lock(&proc_lock);
	new = p->cred;
	err = rule(&new.gid, want, cred_has(&new, CAP_SETGID));
	if (!err)
		cred_set(p, &new);
	spin_unlock(&proc_lock);
	return err;
}

long sys_setuid(unsigned id)
{
	return id == NONE ? -EINVAL : set_uids(rule_one, &id, id, capabilities_of_user);
}

long sys_setgid(unsigned id)
{
	return id == NONE ? -EINVAL : set_gids(rule_one, &id);
}

long sys_setreuid(unsigned real, unsigned effective)
{
	return set_uids(rule_two, (const unsigned[]){real, effective}, real, capabilities_of_user);
}

long sys_setregid(unsigned real, unsigned effective)
{
	return set_gids(rule_two, (const unsigned[]){real, effective});
}

long sys_setresuid(unsigned real, unsigned effective, unsigned saved)
{
	return set_uids(rule_three, (const unsigned[]){real, effective, saved}, real,
	                capabilities_of_user);
}

long sys_setresgid(unsigned real, unsigned effective, unsigned saved)
{
	return set_gids(rule_three, (const unsigned[]){real, effective, saved});
}

/* These two return the number before, whatever they have done. */
long sys_setfsuid(unsigned id)
{
	unsigned old = current->proc->cred.uid.fs;

	set_uids(rule_fs, &id, NONE, capabilities_of_fs_user);
	return old;
}

long sys_setfsgid(unsigned id)
{
	unsigned old = current->proc->cred.gid.fs;

	set_gids(rule_fs, &id);
	return old;
}

/* ---------------------------------------------------------------- groups -------------------- */

long sys_getgroups(int size, uintptr_t to)
{
	const struct cred c = current_cred();
	int n = (int)c.nr_groups;

	if (!size)
		return n;
	if (size < n)
		return -EINVAL;
	return user_write(to, c.group, c.nr_groups * sizeof(*c.group)) ? -EFAULT : n;
}

long sys_setgroups(unsigned n, uintptr_t from)
{
	struct cred *c = &current->proc->cred;
	unsigned group[MAX_GROUPS];
	int err = 0;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (n > MAX_GROUPS)
		return -EINVAL;
	if (user_read(group, from, n * sizeof(*group)))
		return -EFAULT;
	spin_lock(&proc_lock);
	if (cred_has(c, CAP_SETGID)) {
		c->nr_groups = n;
		memcpy(c->group, group, n * sizeof(*group));
	} else {
		err = -EPERM;
	}
	spin_unlock(&proc_lock);
	return err;
}
