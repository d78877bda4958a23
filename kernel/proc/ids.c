/*
 * ids.c: who a process is: its numbers, group and session, and the user it says it is.
 *
 * Everything runs as root and may do everything; user and group numbers and capabilities are
 * remembered, and nothing looks at them.
 */
#include <linux/capability.h>

#include "internal.h"
#include "sys.h"

/* ---------------------------------------------------------------- processes ----------------- */

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
		p->tty = NULL;
	}
	spin_unlock(&proc_lock);
	return result;
}

/* ---------------------------------------------------------------- users --------------------- */

long sys_getuid(void)
{
	return current->proc->uid.real;
}

long sys_geteuid(void)
{
	return current->proc->uid.effective;
}

long sys_getgid(void)
{
	return current->proc->gid.real;
}

long sys_getegid(void)
{
	return current->proc->gid.effective;
}

static long put_ids(const struct ids *ids, uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	const struct ids copy = *ids;

	if (user_put(real, copy.real) || user_put(effective, copy.effective) ||
	    user_put(saved, copy.saved))
		return -EFAULT;
	return 0;
}

long sys_getresuid(uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	return put_ids(&current->proc->uid, real, effective, saved);
}

long sys_getresgid(uintptr_t real, uintptr_t effective, uintptr_t saved)
{
	return put_ids(&current->proc->gid, real, effective, saved);
}

/* -1 leaves a number as it is. */
static long set_ids(struct ids *ids, unsigned real, unsigned effective, unsigned saved)
{
	spin_lock(&proc_lock);
	if (real != -1u)
		ids->real = real;
	if (effective != -1u)
		ids->effective = effective;
	if (saved != -1u)
		ids->saved = saved;
	spin_unlock(&proc_lock);
	return 0;
}

long sys_setresuid(unsigned real, unsigned effective, unsigned saved)
{
	return set_ids(&current->proc->uid, real, effective, saved);
}

long sys_setresgid(unsigned real, unsigned effective, unsigned saved)
{
	return set_ids(&current->proc->gid, real, effective, saved);
}

long sys_setreuid(unsigned real, unsigned effective)
{
	return set_ids(&current->proc->uid, real, effective, effective);
}

long sys_setregid(unsigned real, unsigned effective)
{
	return set_ids(&current->proc->gid, real, effective, effective);
}

long sys_setuid(unsigned id)
{
	return id == -1u ? -EINVAL : set_ids(&current->proc->uid, id, id, id);
}

long sys_setgid(unsigned id)
{
	return id == -1u ? -EINVAL : set_ids(&current->proc->gid, id, id, id);
}

/*
 * The file system's user is the effective one, and cannot be another. Both return the one before.
 */
long sys_setfsuid(unsigned id)
{
	(void)id;
	return current->proc->uid.effective;
}

long sys_setfsgid(unsigned id)
{
	(void)id;
	return current->proc->gid.effective;
}

long sys_getgroups(int size, uintptr_t to)
{
	const struct proc *p = current->proc;
	unsigned group[MAX_GROUPS], n;

	spin_lock(&proc_lock);
	n = p->nr_groups;
	memcpy(group, p->group, sizeof(group));
	spin_unlock(&proc_lock);
	if (!size)
		return n;
	if (size < (int)n)
		return -EINVAL;
	return user_write(to, group, n * sizeof(*group)) ? -EFAULT : (long)n;
}

long sys_setgroups(unsigned n, uintptr_t from)
{
	struct proc *p = current->proc;
	unsigned group[MAX_GROUPS];

	if (n > MAX_GROUPS)
		return -EINVAL;
	if (user_read(group, from, n * sizeof(*group)))
		return -EFAULT;
	spin_lock(&proc_lock);
	p->nr_groups = n;
	memcpy(p->group, group, n * sizeof(*group));
	spin_unlock(&proc_lock);
	return 0;
}

/* ---------------------------------------------------------------- capabilities -------------- */

/* Check the header; the words of data that go with it, or an error. */
static int cap_words(uintptr_t header, int *pid)
{
	struct __user_cap_header_struct h;
	const uint32_t version = _LINUX_CAPABILITY_VERSION_3;

	if (user_get(h, header))
		return -EFAULT;
	*pid = h.pid;
	if (h.version == _LINUX_CAPABILITY_VERSION_1)
		return _LINUX_CAPABILITY_U32S_1;
	if (h.version == _LINUX_CAPABILITY_VERSION_2 || h.version == _LINUX_CAPABILITY_VERSION_3)
		return _LINUX_CAPABILITY_U32S_3;
	return user_put(header, version) ? -EFAULT : -EINVAL;
}

long sys_capget(uintptr_t header, uintptr_t data)
{
	struct __user_cap_data_struct d[2];
	const struct proc *p;
	int pid, n = cap_words(header, &pid);

	if (n < 0)
		return n == -EINVAL && !data ? 0 : n;
	spin_lock(&proc_lock);
	p = pid ? proc_find(pid) : current->proc;
	for (int i = 0; p && i < 2; i++) {
		d[i].effective = (uint32_t)(p->cap_effective >> 32 * i);
		d[i].permitted = (uint32_t)(p->cap_permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(p->cap_inheritable >> 32 * i);
	}
	spin_unlock(&proc_lock);
	if (!p)
		return -ESRCH;
	return data && user_write(data, d, (size_t)n * sizeof(*d)) ? -EFAULT : 0;
}

/* Rights that have been given up do not come back. */
long sys_capset(uintptr_t header, uintptr_t data)
{
	struct proc *p = current->proc;
	struct __user_cap_data_struct d[2] = {{0}};
	uint64_t effective, permitted, inheritable;
	int pid, n = cap_words(header, &pid), err = 0;

	if (n < 0)
		return n;
	if (pid && pid != p->pid)
		return -EPERM;
	if (user_read(d, data, (size_t)n * sizeof(*d)))
		return -EFAULT;
	effective = d[0].effective | (uint64_t)d[1].effective << 32;
	permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	spin_lock(&proc_lock);
	if ((permitted & ~p->cap_permitted) || (effective & ~permitted) ||
	    (inheritable & ~(p->cap_inheritable | p->cap_permitted))) {
		err = -EPERM;
	} else {
		p->cap_effective = effective;
		p->cap_permitted = permitted;
		p->cap_inheritable = inheritable;
	}
	spin_unlock(&proc_lock);
	return err;
}
