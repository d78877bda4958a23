/*
 * sys_memfd.c: memfd_create(): a file in memory that has no name anywhere.
 */
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "kmem.h"
#include "sys.h"

#define NAME_SIZE 250 /* with its end */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC        16u
#endif
#define KNOWN_FLAGS (MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)

/* What /proc/PID/fd shows. */
static char *make_path(const char *name)
{
	char path[NAME_SIZE + 32];

	snprintf(path, sizeof(path), "/memfd:%s (deleted)", name);
	return kstrdup(path);
}

static long install(struct inode *inode, const char *name, unsigned flags)
{
	struct file *file;
	int fd;

	if (flags & MFD_NOEXEC_SEAL)
		inode->mode &= ~0111u;
	inode->nlink = 0; /* it has no name */
	file = file_alloc(inode->fops, inode, O_RDWR | O_LARGEFILE, NULL);
	if (!file)
		return -ENOMEM;
	file->path = make_path(name);
	fd = fd_install(file, flags & MFD_CLOEXEC ? O_CLOEXEC : 0, 0);
	if (fd < 0)
		file_put(file);
	return fd;
}

/* Huge pages would be a flag of a kernel that has them. */
long sys_memfd_create(uintptr_t user_name, unsigned flags)
{
	char name[NAME_SIZE];
	struct inode *inode;
	long err;

	if ((flags & ~KNOWN_FLAGS) ||
	    (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) == (MFD_EXEC | MFD_NOEXEC_SEAL))
		return -EINVAL;
	err = user_string(name, user_name, sizeof(name));
	if (err < 0)
		return err == -ENAMETOOLONG ? -EINVAL : err;
	err = tmpfs_anon(name, &inode);
	return err ? err : install(inode, name, flags);
}
