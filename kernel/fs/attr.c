/*
 * attr.c: permissions, owners and times of files, and access().
 *
 * Everything runs as root, so permissions stop nobody. They are kept and shown, and the execute
 * bits count.
 */
#include <linux/time_types.h>

#include "fs.h"
#include "sys.h"
#include "vm.h"

/* Of utimensat(2); not in Linux's headers for programs. */
#define UTIME_NOW  0x3fffffffl
#define UTIME_OMIT 0x3ffffffel

#define ACCESS_X 1u
#define ACCESS_W 2u
#define ACCESS_R 4u

/* ---------------------------------------------------------------- access -------------------- */

static int may_access(const struct inode *inode, unsigned mode)
{
	bool stored = inode_is(inode, S_IFREG) || inode_is(inode, S_IFDIR);

	if ((mode & ACCESS_W) && stored && !inode->ops->attributes)
		return -EROFS;
	if ((mode & ACCESS_X) && !inode_is(inode, S_IFDIR) && !(inode->mode & 0111))
		return -EACCES;
	return 0;
}

long sys_faccessat2(int dirfd, uintptr_t path, unsigned mode, unsigned flags)
{
	struct inode *inode;
	int err;

	if ((mode & ~(ACCESS_R | ACCESS_W | ACCESS_X)) ||
	    (flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	err = lookup_at(dirfd, path, flags, &inode, NULL);
	if (err)
		return err;
	err = may_access(inode, mode);
	inode_put(inode);
	return err;
}

long sys_faccessat(int dirfd, uintptr_t path, unsigned mode)
{
	return sys_faccessat2(dirfd, path, mode, 0);
}

long sys_access(uintptr_t path, unsigned mode)
{
	return sys_faccessat2(AT_FDCWD, path, mode, 0);
}

static bool in_group(const struct cred *c, unsigned gid)
{
	bool in = c->gid.fs == gid;

	for (unsigned i = 0; !in && i < c->nr_groups; i++)
		in = c->group[i] == gid;
	return in;
}

/* No lock: of a process that changes its user at this moment it is the old one or the new one. */
bool inode_is_ours(const struct inode *inode)
{
	const struct cred *c = &current->proc->cred;

	if (c->uid.fs == inode->uid || capable(CAP_FOWNER))
		return true;
	if (!inode->ops->attributes)
		return false; /* the file system is read-only */
	return capable(CAP_DAC_OVERRIDE) || (inode->mode & (in_group(c, inode->gid) ? 0020 : 0002));
}

/* ---------------------------------------------------------------- changes ------------------- */

struct change {
	bool set_mode, set_owner, set_times;
	unsigned mode, uid, gid; /* uid, gid: -1 is the old one */
	uint64_t atime, mtime;   /* 0 is the old one */
};

/* inode->lock held. */
static void set_attributes(struct inode *inode, const struct change *c)
{
	if (c->set_mode)
		inode->mode = (inode->mode & S_IFMT) | (c->mode & 07777);
	if (c->set_owner && c->uid != -1u)
		inode->uid = c->uid;
	if (c->set_owner && c->gid != -1u)
		inode->gid = c->gid;
	if (c->set_times && c->atime)
		inode->atime = c->atime;
	if (c->set_times && c->mtime)
		inode->mtime = c->mtime;
	inode->ctime = wall_clock();
}

static int apply_change(struct inode *inode, const struct change *c)
{
	int err = 0;

	if (!inode->ops->attributes)
		return -EROFS;
	mutex_lock(&inode->lock);
	if (c->set_mode && (inode->seals & F_SEAL_EXEC) && ((inode->mode ^ c->mode) & 0111))
		err = -EPERM;
	else
		set_attributes(inode, c);
	mutex_unlock(&inode->lock);
	return err;
}

static long change_at(int dirfd, uintptr_t path, unsigned flags, const struct change *c)
{
	struct inode *inode;
	int err = lookup_at(dirfd, path, flags, &inode, NULL);

	if (err)
		return err;
	err = apply_change(inode, c);
	inode_put(inode);
	return err;
}

static long change_fd(unsigned fd, const struct change *c)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = file->inode && !(file->flags & O_PATH) ? apply_change(file->inode, c) : -EBADF;
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- permissions --------------- */

long sys_fchmodat(int dirfd, uintptr_t path, unsigned mode)
{
	return change_at(dirfd, path, 0, &(struct change){.set_mode = true, .mode = mode});
}

long sys_chmod(uintptr_t path, unsigned mode)
{
	return sys_fchmodat(AT_FDCWD, path, mode);
}

long sys_fchmod(unsigned fd, unsigned mode)
{
	return change_fd(fd, &(struct change){.set_mode = true, .mode = mode});
}

/* Of the running process; it is only ever looked at by its own threads. */
long sys_umask(unsigned mask)
{
	struct path_ctx *fs = &current->proc->fs;
	unsigned old;

	spin_lock(&proc_lock);
	old = fs->umask;
	fs->umask = mask & 0777;
	spin_unlock(&proc_lock);
	return old;
}

/* ---------------------------------------------------------------- owners -------------------- */

static struct change owner_change(unsigned uid, unsigned gid)
{
	return (struct change){.set_owner = true, .uid = uid, .gid = gid};
}

long sys_fchownat(int dirfd, uintptr_t path, unsigned uid, unsigned gid, unsigned flags)
{
	struct change c = owner_change(uid, gid);

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_at(dirfd, path, flags, &c);
}

long sys_chown(uintptr_t path, unsigned uid, unsigned gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(uintptr_t path, unsigned uid, unsigned gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(unsigned fd, unsigned uid, unsigned gid)
{
	struct change c = owner_change(uid, gid);

	return change_fd(fd, &c);
}

/* ---------------------------------------------------------------- times --------------------- */

/* 0: leave it as it is. */
static int read_time(const struct __kernel_timespec *ts, uint64_t now, uint64_t *ns)
{
	*ns = 0;
	if (ts->tv_nsec == UTIME_OMIT)
		return 0;
	if (ts->tv_nsec == UTIME_NOW) {
		*ns = now;
		return 0;
	}
	if (ts->tv_nsec < 0 || ts->tv_nsec >= (long long)NSEC_PER_SEC || ts->tv_sec < 0 ||
	    (uint64_t)ts->tv_sec >= UINT64_MAX / NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
	*ns += *ns == 0; /* 1970 to the nanosecond would read as "leave it" */
	return 0;
}

static int read_times(uintptr_t from, struct change *c)
{
	uint64_t now = wall_clock();
	struct __kernel_timespec ts[2];
	int err;

	c->atime = c->mtime = now;
	if (!from)
		return 0;
	if (user_get(ts, from))
		return -EFAULT;
	err = read_time(&ts[0], now, &c->atime);
	return err ? err : read_time(&ts[1], now, &c->mtime);
}

/* Without a path, of the descriptor. */
long sys_utimensat(int dirfd, uintptr_t path, uintptr_t times, unsigned flags)
{
	struct change c = {.set_times = true};
	int err;

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = read_times(times, &c);
	if (err)
		return err;
	if (!path)
		return flags ? -EINVAL : change_fd((unsigned)dirfd, &c);
	return change_at(dirfd, path, flags, &c);
}

/* The older calls, with microseconds and with seconds. */
long sys_futimesat(int dirfd, uintptr_t path, uintptr_t times)
{
	struct change c = {.set_times = true};
	struct __kernel_old_timeval tv[2];
	struct __kernel_timespec ts;
	int err = 0;

	c.atime = c.mtime = wall_clock();
	if (times && user_get(tv, times))
		return -EFAULT;
	for (unsigned i = 0; times && !err && i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ts = (struct __kernel_timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
		err = read_time(&ts, 0, i ? &c.mtime : &c.atime);
	}
	return err ? err : change_at(dirfd, path, 0, &c);
}

long sys_utimes(uintptr_t path, uintptr_t times)
{
	return sys_futimesat(AT_FDCWD, path, times);
}

long sys_utime(uintptr_t path, uintptr_t times)
{
	struct change c = {.set_times = true};
	int64_t seconds[2];
	struct __kernel_timespec ts = {0, 0};
	int err = 0;

	c.atime = c.mtime = wall_clock();
	if (times && user_get(seconds, times))
		return -EFAULT;
	for (unsigned i = 0; times && !err && i < 2; i++) {
		ts.tv_sec = seconds[i];
		err = read_time(&ts, 0, i ? &c.mtime : &c.atime);
	}
	return err ? err : change_at(AT_FDCWD, path, 0, &c);
}
