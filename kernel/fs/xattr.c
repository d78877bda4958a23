/*
 * xattr.c: extended attributes: no file has any. Programs such as ls ask for them, and take this
 * answer, but not that there is no such call.
 */
#include "fs.h"
#include "sys.h"

static long refuse_at(uintptr_t path, unsigned flags)
{
	struct inode *inode;
	int err = lookup_at(AT_FDCWD, path, flags, &inode, NULL);

	if (err)
		return err;
	inode_put(inode);
	return -EOPNOTSUPP;
}

static long refuse_fd(unsigned fd)
{
	struct file *file = fd_get((int)fd);

	if (!file)
		return -EBADF;
	file_put(file);
	return -EOPNOTSUPP;
}

long sys_getxattr(uintptr_t path)
{
	return refuse_at(path, 0);
}

long sys_lgetxattr(uintptr_t path)
{
	return refuse_at(path, AT_SYMLINK_NOFOLLOW);
}

long sys_fgetxattr(unsigned fd)
{
	return refuse_fd(fd);
}

long sys_listxattr(uintptr_t path)
{
	return refuse_at(path, 0);
}

long sys_llistxattr(uintptr_t path)
{
	return refuse_at(path, AT_SYMLINK_NOFOLLOW);
}

long sys_flistxattr(unsigned fd)
{
	return refuse_fd(fd);
}

long sys_setxattr(uintptr_t path)
{
	return refuse_at(path, 0);
}

long sys_lsetxattr(uintptr_t path)
{
	return refuse_at(path, AT_SYMLINK_NOFOLLOW);
}

long sys_fsetxattr(unsigned fd)
{
	return refuse_fd(fd);
}
