/*
 * resize.c: positions and sizes of files: lseek, truncate, fallocate.
 */
#include <linux/falloc.h>
#include <linux/fs.h>

#include "fs.h"
#include "sys.h"

/* ---------------------------------------------------------------- lseek --------------------- */

/* Files are taken to have no holes but the one behind their end. */
static int64_t seek_data(int64_t offset, int64_t size, bool hole)
{
	if (offset < 0 || offset >= size)
		return -ENXIO;
	return hole ? size : offset;
}

static int64_t new_position(struct file *file, int64_t offset, unsigned whence)
{
	int64_t size = file->inode ? (int64_t)inode_size(file->inode) : 0, base;

	if (file_is(file, S_IFCHR))
		return 0; /* nothing in a memory device depends on the position */
	if (file->ops->no_end && whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = (int64_t)file->pos;
		break;
	case SEEK_END:
		base = size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		return seek_data(offset, size, whence == SEEK_HOLE);
	default:
		return -EINVAL;
	}
	if (offset > 0 && base > INT64_MAX - offset)
		return -EOVERFLOW;
	return base + offset < 0 ? -EINVAL : base + offset;
}

long sys_lseek(unsigned fd, int64_t offset, unsigned whence)
{
	struct file *file = fd_get((int)fd);
	int64_t pos = -ESPIPE;

	if (!file)
		return -EBADF;
	if (file->flags & O_PATH) {
		pos = -EBADF;
	} else if (!file->ops->stream) {
		mutex_lock(&file->pos_lock);
		pos = new_position(file, offset, whence);
		if (pos >= 0)
			file->pos = (uint64_t)pos;
		mutex_unlock(&file->pos_lock);
	}
	file_put(file);
	return pos;
}

/* ---------------------------------------------------------------- truncate ------------------ */

/* May the file have this size? */
static int check_size(struct inode *inode, uint64_t size)
{
	if (size <= om_mapping_size(inode->mapping) || size <= size_limit())
		return seals_allow_size(inode, size);
	write_refused(-EFBIG, size);
	return -EFBIG;
}

int inode_truncate(struct inode *inode, uint64_t size)
{
	int err;

	if (inode_is(inode, S_IFDIR))
		return -EISDIR;
	if (!inode_is(inode, S_IFREG))
		return -EINVAL;
	if (!inode->ops->truncate)
		return -EROFS;
	mutex_lock(&inode->lock);
	err = check_size(inode, size);
	if (!err)
		err = inode->ops->truncate(inode, size);
	if (!err)
		inode_changed(inode);
	mutex_unlock(&inode->lock);
	return err == -EOVERFLOW ? -EFBIG : err;
}

long sys_truncate(uintptr_t path, int64_t size)
{
	struct inode *inode;
	int err;

	if (size < 0)
		return -EINVAL;
	err = lookup_at(AT_FDCWD, path, 0, &inode, NULL);
	if (err)
		return err;
	err = inode_truncate(inode, (uint64_t)size);
	inode_put(inode);
	return err;
}

long sys_ftruncate(unsigned fd, int64_t size)
{
	struct file *file;
	int err;

	if (size < 0)
		return -EINVAL;
	file = fd_get((int)fd);
	if (!file)
		return -EBADF;
	if (file->flags & O_PATH)
		err = -EBADF;
	else if (!file_writes(file) || !file_is(file, S_IFREG))
		err = -EINVAL;
	else
		err = inode_truncate(file->inode, (uint64_t)size);
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- fallocate ----------------- */

/* Memory is never set aside: growing the file and making holes is all there is to do. */
static int allocate(struct inode *inode, unsigned mode, uint64_t offset, uint64_t len)
{
	bool punch = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	uint64_t end = offset + len;
	int err;

	mutex_lock(&inode->lock);
	err = punch && is_write_sealed(inode) ? -EPERM : 0;
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE) && end > om_mapping_size(inode->mapping))
		err = check_size(inode, end);
	if (!err && punch)
		err = om_mapping_punch(inode->mapping, offset, len);
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > om_mapping_size(inode->mapping))
		err = inode->ops->truncate(inode, end);
	if (!err)
		inode_changed(inode);
	mutex_unlock(&inode->lock);
	return err == -EOVERFLOW ? -EFBIG : err;
}

static bool mode_known(unsigned mode)
{
	unsigned what = mode & ~(unsigned)FALLOC_FL_KEEP_SIZE;

	if (what == FALLOC_FL_PUNCH_HOLE)
		return mode & FALLOC_FL_KEEP_SIZE;
	return what == 0 || what == FALLOC_FL_ZERO_RANGE;
}

long sys_fallocate(unsigned fd, unsigned mode, int64_t offset, int64_t len)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	if (offset < 0 || len <= 0)
		err = -EINVAL;
	else if (!file_writes(file))
		err = -EBADF;
	else if (!file_is(file, S_IFREG))
		err = file->ops->stream ? -ESPIPE : -ENODEV;
	else if (!mode_known(mode) || !file->inode->mapping || !file->inode->ops->truncate)
		err = -EOPNOTSUPP;
	else if (len > INT64_MAX - offset)
		err = -EFBIG;
	else
		err = allocate(file->inode, mode, (uint64_t)offset, (uint64_t)len);
	file_put(file);
	return err;
}
