/*
 * sync.c: bringing files to their store, and advice on how they will be read.
 *
 * The file systems that can be written are in memory, so there is nothing to bring anywhere; what
 * remains is to find the errors of the arguments.
 */
#include <linux/fadvise.h>
#include <linux/fs.h>

#include "fs.h"
#include "sys.h"

/* ---------------------------------------------------------------- sync ---------------------- */

static int sync_file(struct file *file, uint64_t offset, uint64_t len)
{
	struct inode *inode = file->inode;

	if (file->flags & O_PATH)
		return -EBADF;
	if (!inode || !(inode_is(inode, S_IFREG) || inode_is(inode, S_IFDIR)))
		return -EINVAL;
	if (!inode->mapping || !inode->ops->truncate)
		return 0;
	return om_mapping_sync(inode->mapping, offset, len);
}

long sys_fsync(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = sync_file(file, 0, 0);
	file_put(file);
	return err;
}

long sys_fdatasync(unsigned fd)
{
	return sys_fsync(fd);
}

long sys_sync(void)
{
	return 0;
}

long sys_syncfs(unsigned fd)
{
	struct file *file = fd_get((int)fd);

	if (!file)
		return -EBADF;
	file_put(file);
	return 0;
}

long sys_sync_file_range(unsigned fd, int64_t offset, int64_t len, unsigned flags)
{
	const unsigned known =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	struct file *file;
	int err;

	if ((flags & ~known) || offset < 0 || len < 0 || len > INT64_MAX - offset)
		return -EINVAL;
	file = fd_get((int)fd);
	if (!file)
		return -EBADF;
	err = sync_file(file, (uint64_t)offset, (uint64_t)len);
	if (err == -EINVAL)
		err = -ESPIPE;
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- advice -------------------- */

/* Read pages of the file into memory. An error will come again when they are wanted. */
static void read_ahead(struct inode *inode, uint64_t offset, uint64_t len)
{
	char *buf = buffer_get();
	size_t done = 0;

	for (uint64_t at = 0; buf && at < len; at += PAGE_SIZE)
		if (om_mapping_read(inode->mapping, offset + at, buf, 1, &done) || !done)
			break;
	buffer_put(buf);
}

#define READ_AHEAD_MAX (2ul << 20)

static int advise(struct file *file, int64_t offset, int64_t len, int advice)
{
	if (file->ops->stream)
		return -ESPIPE;
	if (offset < 0 || len < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	if (advice == POSIX_FADV_WILLNEED && file_is(file, S_IFREG) && file->inode->mapping)
		read_ahead(file->inode, (uint64_t)offset,
		           len ? MIN((uint64_t)len, READ_AHEAD_MAX) : READ_AHEAD_MAX);
	return 0;
}

long sys_fadvise64(unsigned fd, int64_t offset, int64_t len, int advice)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	err = file->flags & O_PATH ? -EBADF : advise(file, offset, len, advice);
	file_put(file);
	return err;
}

long sys_readahead(unsigned fd, int64_t offset, size_t len)
{
	struct file *file = fd_get((int)fd);
	int err = 0;

	if (!file)
		return -EBADF;
	if (!file_reads(file))
		err = -EBADF;
	else if (!file_is(file, S_IFREG) || !file->inode->mapping || offset < 0)
		err = -EINVAL;
	else
		read_ahead(file->inode, (uint64_t)offset, MIN(len, READ_AHEAD_MAX));
	file_put(file);
	return err;
}
