/*
 * anon.c: open files that no file system has: those of epoll, eventfd and their kind, which share
 * one inode that says nothing of them, and sockets, which have one each.
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

/* Takes over the reference to the inode, but `data` only if it succeeds. */
static int install(struct inode *inode, const char *path, const struct file_ops *ops, void *data,
                   unsigned flags)
{
	struct file *file = file_alloc(&empty_fops, inode, O_RDWR | (flags & O_NONBLOCK), data);
	int fd = -ENOMEM;

	if (!file)
		return file_alloc_error();
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

int anon_open(const char *name, const struct file_ops *ops, void *data, unsigned flags)
{
	char path[32];

	snprintf(path, sizeof(path), "anon_inode:%s", name);
	return install(anon_inode(), path, ops, data, flags);
}

/* ---------------------------------------------------------------- sockets ------------------- */

static void sockfs_statfs(struct inode *inode, struct statfs *out)
{
	(void)inode;
	out->f_type = SOCKFS_MAGIC;
}

static void sockfs_release(struct inode *inode)
{
	inode_forget(inode);
	kfree(inode);
}

static const struct inode_ops sockfs_ops = {.statfs = sockfs_statfs,
                                            .attributes = true,
                                            .release = sockfs_release};

int anon_socket(const struct file_ops *ops, void *data, unsigned flags)
{
	static _Atomic uint64_t last_ino;
	static _Atomic uint64_t dev;
	struct inode *inode = kmalloc(sizeof(*inode));
	char path[32];

	if (!inode)
		return -ENOMEM;
	if (!dev)
		dev = fs_number();
	inode_init(inode, &sockfs_ops, S_IFSOCK | 0777, dev);
	inode->uid = current->proc->cred.uid.fs;
	inode->gid = current->proc->cred.gid.fs;
	inode->ino = atomic_fetch_add(&last_ino, 1) + 1;
	snprintf(path, sizeof(path), "socket:[%lu]", inode->ino);
	return install(inode, path, ops, data, flags);
}

/* One that was opened again with O_PATH has none. */
void *anon_socket_data(const struct file *file)
{
	return file->inode && file->inode->ops == &sockfs_ops ? file->data : NULL;
}
