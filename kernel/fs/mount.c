/*
 * mount.c: the system call mount(), for file systems that are in memory. What is mounted stays:
 * there is no umount().
 */
#include <linux/mount.h>

#include "fs.h"
#include "sys.h"

#define MAX_TYPE 32

static int make_fs(const char *type, struct inode **root)
{
	if (!strcmp(type, "tmpfs") || !strcmp(type, "ramfs"))
		return tmpfs_mount(root, 01777);
	return !strcmp(type, "proc") ? procfs_mount(root) : -ENODEV;
}

static int mount_new(const char *path, const char *type)
{
	struct inode *root;
	int err = make_fs(type, &root);

	if (err)
		return err;
	err = mount(path, root);
	if (err)
		inode_put(root);
	return err;
}

/* Options in `data` are for sizes and modes; the defaults will do. */
long sys_mount(uintptr_t source, uintptr_t path, uintptr_t type, unsigned long flags,
               uintptr_t data)
{
	char name[MAX_TYPE], *where;
	long err;

	(void)source;
	(void)data;
	if (flags & (MS_REMOUNT | MS_BIND | MS_MOVE))
		return -EINVAL;
	err = user_string(name, type, sizeof(name));
	if (err < 0)
		return err == -ENAMETOOLONG ? -ENODEV : err;
	err = path_from_user(path, &where);
	if (err)
		return err;
	err = capable(CAP_SYS_ADMIN) ? mount_new(where, name) : -EPERM;
	buffer_put(where);
	return err;
}
