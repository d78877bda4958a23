/*
 * anon.c: open files that no file system has: those of epoll, eventfd and their kind. They share one
 * inode, which says nothing of them.
 */
#include <asm/statfs.h>
#include <linux/magic.h>

#include "fs.h"
#include "kmem.h"

static void anon_statfs(struct inode *inode, struct statfs *out)
{
	(void)inode;
	out->f_type = ANON_INODE_FS_MAGIC;
}

/* By way of /proc/PID/fd. */
static int refuse_open(struct inode *inode, struct file *file)
{
	(void)inode, (void)file;
	return -ENXIO;
}

static const struct inode_ops anon_ops = {.statfs = anon_statfs, .open = refuse_open};

static struct inode *anon_inode(void)
{
	static struct mutex lock = MUTEX_INIT(lock);
	static struct inode inode;

	mutex_lock(&lock);
	if (!inode.ops) {
		inode_init(&inode, &anon_ops, 0600, fs_number());
		inode.ino = 1;
	}
	mutex_unlock(&lock);
	return inode_get(&inode);
}

int anon_open(const char *name, const struct file_ops *ops, void *data, unsigned flags)
{
	struct file *file =
	    file_alloc(&empty_fops, anon_inode(), O_RDWR | (flags & O_NONBLOCK), data);
	char path[32];
	int fd = -ENOMEM;

	if (!file)
		return file_alloc_error();
	snprintf(path, sizeof(path), "anon_inode:%s", name);
	file->path = kstrdup(path);
	if (file->path) {
		file->ops = ops;
		fd = fd_install(file, flags, 0);
	}
	if (fd < 0) {
		file->ops = &empty_fops; /* nothing to release */
		file_put(file);
	}
	return fd;
}
