/*
 * fcntl.c: fcntl(), flock(), and what ioctl() does for all files.
 */
#include <asm/ioctls.h>

#include "fs.h"
#include "sys.h"

/* F_SETFL can change these. */
#define CHANGEABLE (unsigned)(O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)

/* ---------------------------------------------------------------- descriptors --------------- */

static long get_cloexec(struct proc *p, unsigned fd)
{
	long result = -EBADF;

	spin_lock(&p->files_lock);
	if (fd < p->files.size && p->files.fd[fd].file)
		result = p->files.fd[fd].cloexec ? FD_CLOEXEC : 0;
	spin_unlock(&p->files_lock);
	return result;
}

static long set_cloexec(struct proc *p, unsigned fd, bool on)
{
	long result = -EBADF;

	spin_lock(&p->files_lock);
	if (fd < p->files.size && p->files.fd[fd].file) {
		p->files.fd[fd].cloexec = on;
		result = 0;
	}
	spin_unlock(&p->files_lock);
	return result;
}

static long duplicate_fd(struct file *file, uintptr_t lowest, unsigned flags)
{
	int fd;

	if (lowest >= fd_allowed(current->proc))
		return -EINVAL;
	fd = fd_install(file_get(file), flags, (int)lowest);
	if (fd < 0)
		file_put(file);
	return fd;
}

/* ---------------------------------------------------------------- flags --------------------- */

static long set_flags(struct file *file, unsigned flags)
{
	unsigned old = file->flags;

	while (!atomic_compare_exchange_weak(&file->flags, &old,
	                                     (old & ~CHANGEABLE) | (flags & CHANGEABLE)))
		;
	return 0;
}

/* ---------------------------------------------------------------- fcntl --------------------- */

static long file_control(struct file *file, unsigned cmd, uintptr_t arg)
{
	switch (cmd) {
	case F_DUPFD:
		return duplicate_fd(file, arg, 0);
	case F_DUPFD_CLOEXEC:
		return duplicate_fd(file, arg, O_CLOEXEC);
	case F_GETFL:
		return file->flags;
	case F_SETFL:
		return set_flags(file, (unsigned)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_control(file, cmd, arg);
	case F_GETPIPE_SZ:
		return pipe_size(file);
	case F_SETPIPE_SZ:
		return pipe_resize(file, arg);
	case F_ADD_SEALS:
		return file_add_seals(file, (unsigned)arg);
	case F_GET_SEALS:
		return file_get_seals(file);
	case F_GETOWN:
	case F_SETOWN: /* there is no SIGIO that anybody could get */
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_fcntl(unsigned fd, unsigned cmd, uintptr_t arg)
{
	struct file *file;
	long result;

	if (cmd == F_GETFD)
		return get_cloexec(current->proc, fd);
	if (cmd == F_SETFD)
		return set_cloexec(current->proc, fd, arg & FD_CLOEXEC);
	file = fd_get((int)fd);
	if (!file)
		return -EBADF;
	result = file_control(file, cmd, arg);
	file_put(file);
	return result;
}

/* ---------------------------------------------------------------- ioctl --------------------- */

static long set_flag(struct file *file, unsigned flag, uintptr_t arg)
{
	int on;

	if (user_get(on, arg))
		return -EFAULT;
	if (on)
		atomic_fetch_or(&file->flags, flag);
	else
		atomic_fetch_and(&file->flags, ~flag);
	return 0;
}

static long bytes_left(struct file *file, uintptr_t to)
{
	uint64_t size = inode_size(file->inode), pos = file->pos;
	int left = (int)MIN(pos < size ? size - pos : 0, 0x7fffffffu);

	return user_put(to, left);
}

static long file_ioctl(struct file *file, unsigned cmd, uintptr_t arg)
{
	if (file->flags & O_PATH)
		return -EBADF;
	if (cmd == FIONBIO)
		return set_flag(file, O_NONBLOCK, arg);
	if (cmd == FIOASYNC && file->ops->poll)
		return set_flag(file, FASYNC, arg);
	if (cmd == FIONREAD && file_is(file, S_IFREG))
		return bytes_left(file, arg);
	return file->ops->ioctl ? file->ops->ioctl(file, cmd, arg) : -ENOTTY;
}

long sys_ioctl(unsigned fd, unsigned cmd, uintptr_t arg)
{
	struct file *file;
	long result;

	if (cmd == FIOCLEX || cmd == FIONCLEX)
		return set_cloexec(current->proc, fd, cmd == FIOCLEX);
	file = fd_get((int)fd);
	if (!file)
		return -EBADF;
	result = file_ioctl(file, cmd, arg);
	file_put(file);
	return result;
}

/* ---------------------------------------------------------------- flock --------------------- */

long sys_flock(unsigned fd, int operation)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = lock_whole(file, operation);
	file_put(file);
	return err;
}
