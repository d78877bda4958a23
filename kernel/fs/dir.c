/*
 * dir.c: reading directories, and the working directory.
 */
#include "fs.h"
#include "kmem.h"
#include "sys.h"

/* ---------------------------------------------------------------- getdents ------------------ */

/* struct linux_dirent64 as getdents64() packs them. */
struct dirent {
	uint64_t ino;
	uint64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

struct reader {
	struct dir_sink sink;
	char *buf;
	unsigned used, size;
	uint64_t next; /* position behind the last entry in the buffer */
	bool full;
};

static bool take_entry(struct dir_sink *sink, const char *name, unsigned len, uint64_t ino,
                       unsigned char type, uint64_t next)
{
	struct reader *r = container_of(sink, struct reader, sink);
	unsigned bytes =
	    (unsigned)ALIGN_UP(offsetof(struct dirent, name) + len + 1, sizeof(uint64_t));
	struct dirent *d = (struct dirent *)(r->buf + r->used);

	r->full = bytes > r->size - r->used;
	if (r->full)
		return false;
	memset(d, 0, bytes);
	d->ino = ino;
	d->next = next;
	d->len = (uint16_t)bytes;
	d->type = type;
	memcpy(d->name, name, len);
	r->used += bytes;
	r->next = next;
	return true;
}

/* Entries from the file's position on, as many as fit a page. */
static long read_entries(struct file *file, uintptr_t to, unsigned size)
{
	struct reader r = {.sink = {.emit = take_entry}, .size = (unsigned)MIN(size, PAGE_SIZE)};
	struct inode *dir = file->inode;
	int err;

	r.buf = buffer_get();
	if (!r.buf)
		return -ENOMEM;
	r.next = file->pos;
	err = dir->ops->readdir(dir, file->pos, &r.sink);
	if (!err && !r.used && r.full)
		err = -EINVAL;
	if (!err && r.used)
		err = user_write(to, r.buf, r.used);
	if (!err)
		file->pos = r.next;
	buffer_put(r.buf);
	return err ? err : (long)r.used;
}

long sys_getdents64(unsigned fd, uintptr_t buf, unsigned size)
{
	struct file *file = fd_get((int)fd);
	long result = -ENOTDIR;

	if (!file)
		return -EBADF;
	if (file->flags & O_PATH) {
		result = -EBADF;
	} else if (file_is(file, S_IFDIR) && file->inode->ops->readdir) {
		mutex_lock(&file->pos_lock);
		result = read_entries(file, buf, size);
		mutex_unlock(&file->pos_lock);
	}
	file_put(file);
	return result;
}

/* ---------------------------------------------------------------- working directory --------- */

long sys_getcwd(uintptr_t to, size_t size)
{
	char *buf = buffer_get();
	size_t len;
	int err;

	if (!buf)
		return -ENOMEM;
	spin_lock(&proc_lock);
	len = strlcpy(buf, current->proc->fs.cwd_path, PATH_MAX_LEN) + 1;
	spin_unlock(&proc_lock);
	err = len > size ? -ERANGE : user_write(to, buf, len);
	buffer_put(buf);
	return err ? err : (long)len;
}

/* Takes over the reference. */
static int change_dir(struct inode *dir, const char *path)
{
	struct path_ctx *fs = &current->proc->fs;
	struct inode *old_dir;
	char *copy, *old_path;

	copy = inode_is(dir, S_IFDIR) ? kstrdup(path) : NULL;
	if (!copy) {
		int err = inode_is(dir, S_IFDIR) ? -ENOMEM : -ENOTDIR;

		inode_put(dir);
		return err;
	}
	spin_lock(&proc_lock);
	old_dir = fs->cwd;
	old_path = fs->cwd_path;
	fs->cwd = dir;
	fs->cwd_path = copy;
	spin_unlock(&proc_lock);
	inode_put(old_dir);
	kfree(old_path);
	return 0;
}

long sys_chdir(uintptr_t path)
{
	char *full = buffer_get();
	struct inode *dir;
	int err;

	if (!full)
		return -ENOMEM;
	err = lookup_at(AT_FDCWD, path, 0, &dir, full);
	if (!err)
		err = change_dir(dir, full);
	buffer_put(full);
	return err;
}

long sys_fchdir(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int err;

	if (!file)
		return -EBADF;
	if (!file->inode || !file->path)
		err = -ENOTDIR;
	else
		err = change_dir(inode_get(file->inode), file->path);
	file_put(file);
	return err;
}
