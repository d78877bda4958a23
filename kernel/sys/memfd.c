/*
 * memfd.c: memfd_create(): a file in memory that has no name anywhere.
 */
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "kmem.h"
#include "sys.h"

#define NAME_SIZE 250 /* with its end */
#define PATH_SIZE (NAME_SIZE + 8)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC        16u
#endif
#define KNOWN_FLAGS (MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)

/* Opened; /proc/PID/fd shows its path as that of a file without a name. */
static long install(struct inode *inode, const char *path, unsigned flags)
{
	char shown[PATH_SIZE + 16];
	struct file *file;
	int fd;

	if (flags & MFD_NOEXEC_SEAL) {
		inode->mode &= ~0111u;
		inode->seals = F_SEAL_EXEC;
	} else if (flags & MFD_ALLOW_SEALING) {
		inode->seals = 0;
	}
	file = file_alloc(inode->fops, inode, O_RDWR | O_LARGEFILE, NULL);
	if (!file)
		return file_alloc_error();
	snprintf(shown, sizeof(shown), "%s (deleted)", path);
	file->path = kstrdup(shown);
	fd = fd_install(file, flags & MFD_CLOEXEC ? O_CLOEXEC : 0, 0);
	if (fd < 0)
		file_put(file);
	return fd;
}

/* MFD_HUGETLB is no known flag, because there are no huge pages. */
long sys_memfd_create(uintptr_t user_name, unsigned flags)
{
	char name[NAME_SIZE], path[PATH_SIZE];
	struct inode *inode;
	long err;

	if ((flags & ~KNOWN_FLAGS) ||
	    (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) == (MFD_EXEC | MFD_NOEXEC_SEAL))
		return -EINVAL;
	err = user_string(name, user_name, sizeof(name));
	if (err < 0)
		return err == -ENAMETOOLONG ? -EINVAL : err;
	snprintf(path, sizeof(path), "/memfd:%s", name);
	err = tmpfs_anon(path, &inode);
	return err ? err : install(inode, path, flags);
}
