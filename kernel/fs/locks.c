/*
 * locks.c: locks on files: record locks of processes (fcntl), of open files (F_OFD_...), and
 * flock().
 *
 * All of them are ranges on one list, as there are few at a time. Record locks of both kinds see
 * one another, those of flock() only one another. A lock ends with its owner: that of a process
 * when the process closes any descriptor of the file, the others when the open file does. Waiters
 * look again whenever any lock has changed. Nothing detects processes that wait for each other:
 * they wait until a signal comes.
 */
#include <linux/fs.h>

#include "fs.h"
#include "kmem.h"
#include "syscalls.h"

struct lock {
	struct list node;
	const struct inode *inode;
	const void *owner; /* a struct proc or a struct file */
	bool flock;
	int type;            /* F_RDLCK, F_WRLCK; in requests also F_UNLCK */
	int pid;             /* as F_GETLK tells it */
	uint64_t start, end; /* the last byte */
};

#define MAX_LOCKS 4096 /* of all processes: each is looked at for each new one */

static struct mutex locks_lock = MUTEX_INIT(locks_lock);
static struct list locks = LIST_INIT(locks);
static _Atomic unsigned nr_locks;
static _Atomic unsigned changes;
static struct waitq changed = WAITQ_INIT(changed);

/* ---------------------------------------------------------------- the list; locks_lock held - */

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->inode == b->inode && a->flock == b->flock && a->start <= b->end &&
	       b->start <= a->end;
}

static struct lock *conflict(const struct lock *want)
{
	struct lock *l;

	if (want->type == F_UNLCK)
		return NULL;
	list_for_each (l, &locks, node)
		if (l->owner != want->owner && overlap(l, want) &&
		    (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	return NULL;
}

static void announce(void)
{
	changes++;
	wake_all(&changed);
}

static void lock_add(struct lock *l)
{
	list_append(&locks, &l->node);
	nr_locks++;
}

static void lock_remove(struct lock *l)
{
	list_remove(&l->node);
	nr_locks--;
	kfree(l);
}

/* Take the range out of what its owner has. `*spare` is used up if one lock becomes two. */
static void locks_cut(const struct lock *range, struct lock **spare)
{
	struct lock *l, *next;

	list_for_each_safe (l, next, &locks, node) {
		if (l->owner != range->owner || !overlap(l, range))
			continue;
		if (l->start < range->start && l->end > range->end) {
			**spare = *l;
			(*spare)->start = range->end + 1;
			l->end = range->start - 1;
			lock_add(*spare);
			*spare = NULL;
		} else if (l->start < range->start) {
			l->end = range->start - 1;
		} else if (l->end > range->end) {
			l->start = range->end + 1;
		} else {
			lock_remove(l);
		}
	}
}

/* ---------------------------------------------------------------- setting ------------------- */

/* Until nothing is in the way; locks_lock held, and again when it returns. */
static int wait_free(const struct lock *want, bool wait)
{
	int err = 0;

	while (!err && conflict(want)) {
		unsigned seen = changes;

		mutex_unlock(&locks_lock);
		if (!wait)
			err = -EAGAIN;
		else if (wait_event_intr(&changed, changes != seen))
			err = -ERESTARTSYS;
		mutex_lock(&locks_lock);
	}
	return err;
}

static int lock_apply(const struct lock *want, bool wait)
{
	struct lock *fresh = kmalloc(sizeof(*fresh)), *spare = kmalloc(sizeof(*spare));
	int err = fresh && spare ? 0 : -ENOMEM;

	if (!err) {
		mutex_lock(&locks_lock);
		err = wait_free(want, wait);
		if (!err && want->type != F_UNLCK && nr_locks >= MAX_LOCKS)
			err = -ENOLCK;
		if (!err) {
			locks_cut(want, &spare);
			if (want->type != F_UNLCK) {
				*fresh = *want;
				lock_add(fresh);
				fresh = NULL;
			}
			announce();
		}
		mutex_unlock(&locks_lock);
	}
	kfree(fresh);
	kfree(spare);
	return err;
}

void locks_drop(const struct inode *inode, const void *owner)
{
	struct lock *l, *next;
	bool any = false;

	if (!nr_locks)
		return;
	mutex_lock(&locks_lock);
	list_for_each_safe (l, next, &locks, node) {
		if (l->inode != inode || l->owner != owner)
			continue;
		lock_remove(l);
		any = true;
	}
	if (any)
		announce();
	mutex_unlock(&locks_lock);
}

/* ---------------------------------------------------------------- fcntl --------------------- */

/* The range of bytes that a struct flock means: l_len 0 is to the end, negative before l_start. */
static int set_range(struct lock *l, struct file *file, const struct flock *from)
{
	int64_t base = 0, start, len = from->l_len;

	if (from->l_whence == SEEK_CUR)
		base = (int64_t)file->pos;
	else if (from->l_whence == SEEK_END)
		base = (int64_t)inode_size(file->inode);
	else if (from->l_whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, from->l_start, &start))
		return -EOVERFLOW;
	if (len < 0) {
		if (__builtin_add_overflow(start, len, &start))
			return -EINVAL;
		len = -len;
	}
	if (start < 0)
		return -EINVAL;
	if (len > INT64_MAX - start)
		return -EOVERFLOW;
	l->start = (uint64_t)start;
	l->end = len ? (uint64_t)(start + len - 1) : INT64_MAX;
	return 0;
}

static int read_lock(struct lock *l, struct file *file, uintptr_t from, bool ofd)
{
	struct flock user;

	if (!file->inode || (file->flags & O_PATH))
		return -EBADF;
	if (user_get(user, from))
		return -EFAULT;
	if (ofd && user.l_pid)
		return -EINVAL;
	if (user.l_type != F_RDLCK && user.l_type != F_WRLCK && user.l_type != F_UNLCK)
		return -EINVAL;
	*l = (struct lock){.inode = file->inode,
	                   .owner = ofd ? (const void *)file : current->proc,
	                   .type = user.l_type,
	                   .pid = ofd ? -1 : current->proc->pid};
	return set_range(l, file, &user);
}

static long get_lock(struct file *file, uintptr_t arg, bool ofd)
{
	struct lock want;
	const struct lock *l;
	struct flock user;
	int err = read_lock(&want, file, arg, ofd);

	if (err || user_get(user, arg))
		return err ? err : -EFAULT;
	if (want.type == F_UNLCK)
		return -EINVAL;
	mutex_lock(&locks_lock);
	l = conflict(&want);
	user.l_type = F_UNLCK;
	if (l) {
		user.l_type = (short)l->type;
		user.l_whence = SEEK_SET;
		user.l_start = (int64_t)l->start;
		user.l_len = l->end == INT64_MAX ? 0 : (int64_t)(l->end - l->start + 1);
		user.l_pid = l->pid;
	}
	mutex_unlock(&locks_lock);
	return user_put(arg, user);
}

static long set_lock(struct file *file, uintptr_t arg, bool ofd, bool wait)
{
	struct lock want;
	int err = read_lock(&want, file, arg, ofd);

	if (err)
		return err;
	if ((want.type == F_RDLCK && !file_reads(file)) ||
	    (want.type == F_WRLCK && !file_writes(file)))
		return -EBADF;
	return lock_apply(&want, wait);
}

long lock_control(struct file *file, unsigned cmd, uintptr_t arg)
{
	switch (cmd) {
	case F_GETLK:
	case F_OFD_GETLK:
		return get_lock(file, arg, cmd == F_OFD_GETLK);
	case F_SETLK:
	case F_SETLKW:
		return set_lock(file, arg, false, cmd == F_SETLKW);
	default:
		return set_lock(file, arg, true, cmd == F_OFD_SETLKW);
	}
}

/* ---------------------------------------------------------------- flock --------------------- */

int lock_whole(struct file *file, int operation)
{
	struct lock want = {.inode = file->inode, .owner = file, .flock = true, .end = INT64_MAX};

	if (!file->inode || (file->flags & O_PATH))
		return -EBADF;
	switch (operation & ~LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	return lock_apply(&want, !(operation & LOCK_NB));
}
