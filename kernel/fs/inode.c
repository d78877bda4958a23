/*
 * inode.c: what all inodes have in common: references, times, size, the path of the last open.
 */
#include "fs.h"
#include "kmem.h"

struct mutex inode_names = MUTEX_INIT(inode_names);

struct inode *inode_get(struct inode *inode)
{
	atomic_fetch_add(&inode->refs, 1);
	return inode;
}

void inode_put(struct inode *inode)
{
	if (!inode || atomic_fetch_sub(&inode->refs, 1) != 1)
		return;
	if (inode->ops->release)
		inode->ops->release(inode);
}

uint64_t wall_clock(void)
{
	return boot_time_ns() + now_ns();
}

void inode_init(struct inode *inode, const struct inode_ops *ops, unsigned mode, uint64_t dev)
{
	mutex_init(&inode->lock);
	inode->ops = ops;
	inode->refs = 1;
	inode->mode = mode;
	inode->dev = dev;
	inode->nlink = 1;
	inode->atime = inode->mtime = inode->ctime = wall_clock();
}

/* Major 0, as Linux has it. */
uint64_t fs_number(void)
{
	static _Atomic unsigned last;

	return atomic_fetch_add(&last, 1) + 1;
}

void inode_changed(struct inode *inode)
{
	inode->mtime = inode->ctime = wall_clock();
}

static uint64_t link_size(struct inode *inode)
{
	char *buf = buffer_get();
	int len = buf ? inode->ops->readlink(inode, buf, PATH_MAX_LEN) : 0;

	buffer_put(buf);
	return len > 0 ? (uint64_t)len : 0;
}

uint64_t inode_size(struct inode *inode)
{
	if (inode->mapping)
		return om_mapping_size(inode->mapping);
	if (inode_is(inode, S_IFLNK))
		return link_size(inode);
	return inode_is(inode, S_IFDIR) ? PAGE_SIZE : 0;
}

void inode_set_path(struct inode *inode, const char *path)
{
	char *copy, *old;

	mutex_lock(&inode_names);
	if (inode->path && !strcmp(inode->path, path)) {
		mutex_unlock(&inode_names);
		return;
	}
	copy = kstrdup(path);
	old = copy ? inode->path : NULL;
	if (copy)
		inode->path = copy;
	mutex_unlock(&inode_names);
	kfree(old);
}

void inode_forget(struct inode *inode)
{
	mutex_lock(&inode_names);
	kfree(inode->path);
	inode->path = NULL;
	mutex_unlock(&inode_names);
}
