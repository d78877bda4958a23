/*
 * capability.c: the capabilities of a process: what changes them, and the calls about them.
 *
 * They follow the users, by the rules that programs written for Unix expect: whoever becomes root
 * has all, and whoever stops being it has none. Without file capabilities, ambient ones and
 * a bounding set that is more than all, these rules are short.
 */
#include "internal.h"
#include "sys.h"

#define BIT(cap) (1ull << (cap))
/* Those about files, which the file system user has. */
#define OF_FILES                                                                                   \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |     \
	 BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE))

/* ---------------------------------------------------------------- what changes them --------- */

void capabilities_of_root(struct cred *c)
{
	c->effective = c->permitted = ALL_CAPABILITIES;
}

static bool is_root_somehow(const struct ids *uid)
{
	return !uid->real || !uid->effective || !uid->saved;
}

void capabilities_of_user(struct cred *new, const struct cred *old)
{
	if (is_root_somehow(&old->uid) && !is_root_somehow(&new->uid) && !new->keep_caps)
		new->effective = new->permitted = 0;
	if (!old->uid.effective && new->uid.effective)
		new->effective = 0;
	if (old->uid.effective && !new->uid.effective)
		new->effective = new->permitted;
}

void capabilities_of_fs_user(struct cred *new, const struct cred *old)
{
	if (!old->uid.fs && new->uid.fs)
		new->effective &= ~OF_FILES;
	if (old->uid.fs && !new->uid.fs)
		new->effective |= new->permitted &OF_FILES;
}

void cred_exec(struct proc *p)
{
	struct cred *c = &p->cred;
	uint64_t old = c->permitted;

	c->uid.saved = c->uid.fs = c->uid.effective;
	c->gid.saved = c->gid.fs = c->gid.effective;
	c->keep_caps = false;
	c->permitted = c->uid.real && c->uid.effective ? 0 : ALL_CAPABILITIES;
	if (p->no_new_privs)
		c->permitted &= old;
	c->effective = c->uid.effective ? 0 : c->permitted;
	p->dumpable = !cred_is_mixed(c) && !(c->permitted & ~old);
}

bool cred_is_mixed(const struct cred *c)
{
	return c->uid.real != c->uid.effective || c->gid.real != c->gid.effective;
}

/* ---------------------------------------------------------------- system calls -------------- */

/* Check the header; the words of data that go with it, or an error. */
static int data_words(uintptr_t header, int *pid)
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

static void pack(const struct cred *c, struct __user_cap_data_struct d[2])
{
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(c->effective >> 32 * i);
		d[i].permitted = (uint32_t)(c->permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(c->inheritable >> 32 * i);
	}
}

/* A null pointer for the data asks for the version alone. */
long sys_capget(uintptr_t header, uintptr_t data)
{
	struct __user_cap_data_struct d[2];
	const struct thread *t;
	int pid, n = data_words(header, &pid);

	if (!data)
		return n == -EINVAL || n > 0 ? 0 : n;
	if (n < 0)
		return n;
	if (pid < 0)
		return -EINVAL;
	spin_lock(&proc_lock);
	t = pid ? thread_find(pid) : current;
	if (t)
		pack(&t->proc->cred, d);
	spin_unlock(&proc_lock);
	if (!t)
		return -ESRCH;
	return user_write(data, d, (size_t)n * sizeof(*d));
}

static uint64_t unpack(uint32_t low, uint32_t high)
{
	return (low | (uint64_t)high << 32) & ALL_CAPABILITIES;
}

/* Rights that have been given up do not come back. proc_lock held. */
static int set_capabilities(struct proc *p, const struct __user_cap_data_struct d[2])
{
	struct cred *c = &p->cred;
	uint64_t effective = unpack(d[0].effective, d[1].effective);
	uint64_t permitted = unpack(d[0].permitted, d[1].permitted);
	uint64_t inheritable = unpack(d[0].inheritable, d[1].inheritable);

	if ((inheritable & ~(c->inheritable | c->permitted)) && !cred_has(c, CAP_SETPCAP))
		return -EPERM;
	if ((permitted & ~c->permitted) || (effective & ~permitted))
		return -EPERM;
	c->effective = effective;
	c->permitted = permitted;
	c->inheritable = inheritable;
	limits_apply(p, p->space);
	return 0;
}

long sys_capset(uintptr_t header, uintptr_t data)
{
	struct __user_cap_data_struct d[2] = {{0}};
	int pid, n = data_words(header, &pid), err;

	if (n < 0)
		return n;
	if (pid && pid != current->tid)
		return -EPERM;
	if (user_read(d, data, (size_t)n * sizeof(*d)))
		return -EFAULT;
	spin_lock(&proc_lock);
	err = set_capabilities(current->proc, d);
	spin_unlock(&proc_lock);
	return err;
}
