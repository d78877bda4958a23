/*
 * stat.c: what is known of a file or a file system: the stat and statfs families.
 */
#include <asm/stat.h>
#include <asm/statfs.h>

#include "fs.h"
#include "sys.h"
#include "vm.h"

#define BLOCK 512u
#define STAT_FLAGS                                                                                 \
	(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)

/* ---------------------------------------------------------------- stat ---------------------- */

static int put_stat(struct inode *inode, uintptr_t to)
{
	uint64_t size = inode_size(inode);
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_dev = inode->dev;
	st.st_ino = inode->ino;
	st.st_nlink = inode->nlink;
	st.st_mode = inode->mode;
	st.st_uid = inode->uid;
	st.st_gid = inode->gid;
	st.st_rdev = inode->rdev;
	st.st_size = (__kernel_long_t)size;
	st.st_blksize = PAGE_SIZE;
	st.st_blocks = (__kernel_long_t)(ALIGN_UP(size, PAGE_SIZE) / BLOCK);
	st.st_atime = inode->atime / NSEC_PER_SEC;
	st.st_atime_nsec = inode->atime % NSEC_PER_SEC;
	st.st_mtime = inode->mtime / NSEC_PER_SEC;
	st.st_mtime_nsec = inode->mtime % NSEC_PER_SEC;
	st.st_ctime = inode->ctime / NSEC_PER_SEC;
	st.st_ctime_nsec = inode->ctime % NSEC_PER_SEC;
	return user_put(to, st);
}

static long stat_at(int dirfd, uintptr_t path, uintptr_t to, unsigned flags)
{
	struct inode *inode;
	int err = lookup_at(dirfd, path, flags, &inode, NULL);

	if (err)
		return err;
	err = put_stat(inode, to);
	inode_put(inode);
	return err;
}

long sys_stat(uintptr_t path, uintptr_t buf)
{
	return stat_at(AT_FDCWD, path, buf, 0);
}

long sys_lstat(uintptr_t path, uintptr_t buf)
{
	return stat_at(AT_FDCWD, path, buf, AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(int dirfd, uintptr_t path, uintptr_t buf, unsigned flags)
{
	return flags & ~STAT_FLAGS ? -EINVAL : stat_at(dirfd, path, buf, flags);
}

long sys_fstat(unsigned fd, uintptr_t buf)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = file->inode ? put_stat(file->inode, buf) : -EBADF;
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- statx --------------------- */

static struct statx_timestamp timestamp(uint64_t ns)
{
	return (struct statx_timestamp){.tv_sec = (int64_t)(ns / NSEC_PER_SEC),
	                                .tv_nsec = (uint32_t)(ns % NSEC_PER_SEC)};
}

/* Device numbers are 12:20 bits, as makedev() of the C library makes them from old ones. */
static uint32_t dev_major(uint64_t dev)
{
	return (uint32_t)(dev >> 8 & 0xfff);
}

static uint32_t dev_minor(uint64_t dev)
{
	return (uint32_t)((dev & 0xff) | (dev >> 12 & 0xfff00));
}

static int put_statx(struct inode *inode, uintptr_t to)
{
	uint64_t size = inode_size(inode);
	struct statx sx;

	memset(&sx, 0, sizeof(sx));
	sx.stx_mask = STATX_BASIC_STATS;
	sx.stx_blksize = PAGE_SIZE;
	sx.stx_nlink = inode->nlink;
	sx.stx_uid = inode->uid;
	sx.stx_gid = inode->gid;
	sx.stx_mode = (uint16_t)inode->mode;
	sx.stx_ino = inode->ino;
	sx.stx_size = size;
	sx.stx_blocks = ALIGN_UP(size, PAGE_SIZE) / BLOCK;
	sx.stx_atime = timestamp(inode->atime);
	sx.stx_mtime = timestamp(inode->mtime);
	sx.stx_ctime = timestamp(inode->ctime);
	sx.stx_rdev_major = dev_major(inode->rdev);
	sx.stx_rdev_minor = dev_minor(inode->rdev);
	sx.stx_dev_major = dev_major(inode->dev);
	sx.stx_dev_minor = dev_minor(inode->dev);
	return user_put(to, sx);
}

long sys_statx(int dirfd, uintptr_t path, unsigned flags, unsigned mask, uintptr_t buf)
{
	struct inode *inode;
	int err;

	if ((flags & ~STAT_FLAGS) || (mask & STATX__RESERVED))
		return -EINVAL;
	err = lookup_at(dirfd, path, flags, &inode, NULL);
	if (err)
		return err;
	err = put_statx(inode, buf);
	inode_put(inode);
	return err;
}

/* ---------------------------------------------------------------- statfs -------------------- */

static int put_statfs(struct inode *inode, uintptr_t to)
{
	struct statfs st;

	memset(&st, 0, sizeof(st));
	st.f_bsize = st.f_frsize = PAGE_SIZE;
	st.f_namelen = 255;
	if (inode->ops->statfs)
		inode->ops->statfs(inode, &st);
	return user_put(to, st);
}

long sys_statfs(uintptr_t path, uintptr_t buf)
{
	struct inode *inode;
	int err = lookup_at(AT_FDCWD, path, 0, &inode, NULL);

	if (err)
		return err;
	err = put_statfs(inode, buf);
	inode_put(inode);
	return err;
}

long sys_fstatfs(unsigned fd, uintptr_t buf)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = file->inode ? put_statfs(file->inode, buf) : -EBADF;
	file_put(file);
	return err;
}
