/*
 * seals.c: what may not be done to a file in memory any more: F_ADD_SEALS and F_GET_SEALS.
 *
 * Whoever receives such a file from a stranger wants to know that it will not change, or end, under
 * its hands. Seals are added, never taken off. Files of memfd_create() can be sealed if their maker
 * said so; all others in memory bear F_SEAL_SEAL from the start.
 *
 * Adding a seal and changing the file are both done under inode->lock, except for mmap(): that
 * nobody maps the file for writing while F_SEAL_WRITE is added, objrmap sees to.
 */
#include "fs.h"

#define ALL_SEALS                                                                                  \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE |          \
	 F_SEAL_EXEC)

static bool sealable(const struct file *file)
{
	return file_is(file, S_IFREG) && file->inode->mapping && file->inode->ops->truncate;
}

/* inode->lock held. */
static int add_seals(struct inode *inode, unsigned seals)
{
	unsigned old = inode->seals;

	if (old & F_SEAL_SEAL)
		return -EPERM;
	/* What can never change its mode must not change otherwise either, if it can be run. */
	if ((seals & F_SEAL_EXEC) && (inode->mode & 0111))
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	if ((seals & ~old & F_SEAL_WRITE) && om_mapping_deny_writable(inode->mapping))
		return -EBUSY;
	inode->seals = old | seals;
	return 0;
}

long file_add_seals(struct file *file, unsigned seals)
{
	int err;

	if (!file_writes(file))
		return -EPERM;
	if ((seals & ~ALL_SEALS) || !sealable(file))
		return -EINVAL;
	mutex_lock(&file->inode->lock);
	err = add_seals(file->inode, seals);
	mutex_unlock(&file->inode->lock);
	return err;
}

long file_get_seals(const struct file *file)
{
	return sealable(file) ? (long)file->inode->seals : -EINVAL;
}

/* As on Linux, where a write is done page by page, and the page that would grow the file fails. */
long seals_clip_write(const struct inode *inode, uint64_t pos, size_t n)
{
	uint64_t size = om_mapping_size(inode->mapping), last = ALIGN_DOWN(size, PAGE_SIZE);

	if (is_write_sealed(inode))
		return -EPERM;
	if (!(inode->seals & F_SEAL_GROW) || pos + n <= size)
		return (long)n;
	return pos < last ? (long)(last - pos) : -EPERM;
}

int seals_allow_size(const struct inode *inode, uint64_t size)
{
	uint64_t old = om_mapping_size(inode->mapping);
	unsigned seals = inode->seals;

	return (size < old && (seals & F_SEAL_SHRINK)) || (size > old && (seals & F_SEAL_GROW))
	           ? -EPERM
	           : 0;
}
