/*
 * open.c: from a path to an open file.
 *
 * An open file starts with the operations of its inode. Devices and FIFOs, on whatever file system
 * their node is, get those of the device or pipe. Everything runs as root; what can refuse is the
 * kind of file, and a file system that cannot be written.
 */
#include "fs.h"
#include "kmem.h"
#include "sys.h"

/* The bits that only open() itself looks at. */
#define OPEN_ONLY     (unsigned)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define O_TMPFILE_BIT ((unsigned)__O_TMPFILE)
#define TRY_AGAIN     1

static bool wants_write(unsigned flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static int may_open(const struct inode *inode, unsigned flags)
{
	if ((flags & O_DIRECTORY) && !inode_is(inode, S_IFDIR))
		return -ENOTDIR;
	switch (inode->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFSOCK:
		return -ENXIO;
	case S_IFDIR:
		return wants_write(flags) || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
	case S_IFREG:
		if (inode->mapping && !inode->ops->truncate &&
		    (wants_write(flags) || (flags & O_TRUNC)))
			return -EROFS;
		return 0;
	default:
		return 0;
	}
}

/* Give the file its operations. */
static int attach_ops(struct file *file)
{
	struct inode *inode = file->inode;

	if (inode_is(inode, S_IFIFO))
		return fifo_open(file);
	if (inode_is(inode, S_IFCHR) || inode_is(inode, S_IFBLK))
		return device_open(file);
	if (inode->fops)
		file->ops = inode->fops;
	return inode->ops->open ? inode->ops->open(inode, file) : 0;
}

static int open_checked(struct file *file, unsigned flags)
{
	struct inode *inode = file->inode;
	int err = attach_ops(file);

	if (err) {
		file->ops = &empty_fops; /* it was not opened: nothing to release */
		return err;
	}
	if (!inode_is(inode, S_IFREG) || !inode->mapping)
		return 0;
	if (file->path)
		inode_set_path(inode, file->path);
	return flags & O_TRUNC ? inode_truncate(inode, 0) : 0;
}

/* Open an inode, whose reference it takes over. `path`: absolute, or NULL. */
static int inode_open(struct inode *inode, unsigned flags, const char *path, struct file **out)
{
	int err = flags & O_PATH ? 0 : may_open(inode, flags);
	struct file *file;

	if (err) {
		inode_put(inode);
		return err;
	}
	file = file_alloc(&empty_fops, inode, flags & ~OPEN_ONLY, NULL);
	if (!file)
		return file_alloc_error();
	if (path) {
		file->path = kstrdup(path);
		err = file->path ? 0 : -ENOMEM;
	}
	if (!err && !(flags & O_PATH))
		err = open_checked(file, flags);
	if (err)
		file_put(file);
	else
		*out = file;
	return err;
}

/* ---------------------------------------------------------------- by path ------------------- */

static int create_file(struct walk *w, unsigned mode)
{
	unsigned mask = current->proc ? current->proc->fs.umask : 0;

	if (!w->dir->ops->create)
		return -EROFS;
	return w->dir->ops->create(w->dir, w->name, w->len, S_IFREG | (mode & 07777 & ~mask), 0,
	                           &w->at);
}

static int open_found(struct walk *w, unsigned flags, struct file **out)
{
	bool exclusive = (flags & O_CREAT) && (flags & O_EXCL);

	if (exclusive)
		return -EEXIST;
	if ((flags & O_PATH) && (flags & O_DIRECTORY) && !inode_is(w->at, S_IFDIR))
		return -ENOTDIR;
	return inode_open(inode_get(w->at), flags, w->full, out);
}

static int open_once(int dirfd, const char *path, unsigned flags, unsigned mode, struct file **out,
                     char *full)
{
	bool no_follow = (flags & O_NOFOLLOW) || ((flags & O_CREAT) && (flags & O_EXCL));
	struct walk w;
	int err =
	    walk(&w, dirfd, path,
	         (no_follow ? LOOKUP_NOFOLLOW : 0) | (flags & O_CREAT ? WALK_CREATE : 0), full);

	if (err)
		return err;
	if (w.at) {
		err = open_found(&w, flags, out);
	} else {
		err = create_file(&w, mode);
		if (!err)
			err = inode_open(inode_get(w.at), flags, full, out);
		else if (err == -EEXIST && !(flags & O_EXCL))
			err = TRY_AGAIN; /* another process was quicker */
	}
	walk_end(&w);
	return err;
}

int path_open(int dirfd, const char *path, unsigned flags, unsigned mode, struct file **out)
{
	char *full;
	int err;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE_BIT) || (flags & O_ACCMODE) == O_ACCMODE)
		return flags & O_TMPFILE_BIT ? -EOPNOTSUPP : -EINVAL;
	if ((flags & O_CREAT) && (flags & O_DIRECTORY))
		return -EINVAL;
	full = buffer_get();
	if (!full)
		return -ENOMEM;
	do
		err = open_once(dirfd, path, flags, mode, out, full);
	while (err == TRY_AGAIN);
	buffer_put(full);
	return err;
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_openat(int dirfd, uintptr_t user_path, unsigned flags, unsigned mode)
{
	struct file *file;
	char *path;
	int err = path_from_user(user_path, &path), fd;

	if (err)
		return err;
	err = fd_available(); /* before anything is created */
	if (!err)
		err = path_open(dirfd, path, flags, mode, &file);
	buffer_put(path);
	if (err)
		return err;
	fd = fd_install(file, flags, 0);
	if (fd < 0)
		file_put(file);
	return fd;
}

long sys_open(uintptr_t path, unsigned flags, unsigned mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(uintptr_t path, unsigned mode)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
