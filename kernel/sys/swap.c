/*
 * swap.c: swapon() and swapoff(): from the path of a disk to what mm/swap.c does with it.
 */
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "blk.h"
#include "kmem.h"
#include "sys.h"

#define SWAP_FLAG_PREFER    0x8000
#define SWAP_FLAG_PRIO_MASK 0x7fff
#define SWAP_FLAGS_VALID    0x7ffff

/* The disk that a device file stands for. */
static int disk_of_path(uintptr_t user_path, unsigned *disk)
{
	char *path = kmalloc(PATH_MAX_LEN);
	struct inode *inode;
	long err;

	if (!path)
		return -ENOMEM;
	err = user_string(path, user_path, PATH_MAX_LEN);
	if (err >= 0)
		err = path_lookup(AT_FDCWD, path, 0, &inode, NULL);
	kfree(path);
	if (err < 0)
		return (int)err;
	*disk = blk_of_rdev(inode->rdev);
	if (!S_ISBLK(inode->mode) || !blk_get(*disk))
		err = -EINVAL;
	inode_put(inode);
	return (int)err;
}

long sys_swapon(uintptr_t path, int flags)
{
	unsigned disk;
	int err;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = disk_of_path(path, &disk);
	if (err)
		return err;
	return swap_on(disk,
	               flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : SWAP_NEXT_PRIORITY);
}

long sys_swapoff(uintptr_t path)
{
	unsigned disk;
	int err = capable(CAP_SYS_ADMIN) ? disk_of_path(path, &disk) : -EPERM;

	return err ? err : swap_off(disk);
}
