/*
 * file.c: open files, and the tables of them that processes have.
 *
 * A table grows by being copied to a larger one, allocated without the lock. A slot that has no
 * file is free.
 */
#include <linux/close_range.h>

#include "fs.h"
#include "kmem.h"
#include "sys.h"

#define FIRST_SIZE 64u
#define MOST_FILES 65536u

const struct file_ops empty_fops;

static _Atomic unsigned nr_open; /* of all processes */

struct mutex watchers_lock = MUTEX_INIT(watchers_lock);

/* ---------------------------------------------------------------- open files ---------------- */

/* An open file takes up to a page, with its path: together no more than a quarter of memory. */
static unsigned most_open(void)
{
	return vm_nr_frames() / 4;
}

int file_alloc_error(void)
{
	return nr_open < most_open() ? -ENOMEM : -ENFILE;
}

struct file *file_alloc(const struct file_ops *ops, struct inode *inode, unsigned flags, void *data)
{
	struct file *file = NULL;

	if (nr_open++ < most_open())
		file = kmalloc(sizeof(*file));
	if (!file) {
		nr_open--;
		inode_put(inode);
		return NULL;
	}
	file->ops = ops;
	file->inode = inode;
	file->refs = 1;
	file->flags = flags;
	file->data = data;
	mutex_init(&file->pos_lock);
	list_init(&file->watchers);
	return file;
}

struct file *file_get(struct file *file)
{
	atomic_fetch_add(&file->refs, 1);
	return file;
}

void file_watch(struct file *file, struct file_watcher *w)
{
	file->watched = true;
	list_append(&file->watchers, &w->node);
}

/* Without a reference nobody can begin to watch it. */
static void tell_watchers(struct file *file)
{
	if (!file->watched)
		return;
	mutex_lock(&watchers_lock);
	while (!list_empty(&file->watchers)) {
		struct file_watcher *w = list_first(&file->watchers, struct file_watcher, node);

		w->closed(w);
	}
	mutex_unlock(&watchers_lock);
}

void file_put(struct file *file)
{
	if (atomic_fetch_sub(&file->refs, 1) != 1)
		return;
	tell_watchers(file);
	locks_drop(file->inode, file);
	if (file->ops->release)
		file->ops->release(file);
	inode_put(file->inode);
	kfree(file->path);
	kfree(file);
	nr_open--;
}

/* ---------------------------------------------------------------- the table ----------------- */

/* A table is memory that cannot be paged out, of 16 bytes each. */
unsigned fd_most(void)
{
	return MIN(MOST_FILES, most_open());
}

unsigned fd_allowed(const struct proc *p)
{
	return (unsigned)MIN(p->limit[RLIMIT_NOFILE].rlim_cur, fd_most());
}

static size_t table_bytes(unsigned size)
{
	return size * sizeof(struct fd);
}

/* See to it that the table has a slot `fd`. */
static int table_reach(struct proc *p, unsigned fd)
{
	struct file_table *t = &p->files;
	unsigned size = FIRST_SIZE, old_size;
	struct fd *bigger, *old;

	while (size <= fd)
		size *= 4;
	if (fd < t->size)
		return 0;
	bigger = big_alloc(table_bytes(size));
	if (!bigger)
		return -ENOMEM;
	spin_lock(&p->files_lock);
	old = bigger;
	old_size = size;
	if (size > t->size) {
		if (t->size)
			memcpy(bigger, t->fd, table_bytes(t->size));
		old = t->fd;
		old_size = t->size;
		t->fd = bigger;
		t->size = size;
	}
	spin_unlock(&p->files_lock);
	big_free(old, table_bytes(old_size));
	return 0;
}

/* files_lock held. The slot's file, or NULL. */
static struct file *slot_file(const struct file_table *t, unsigned fd)
{
	return fd < t->size ? t->fd[fd].file : NULL;
}

struct file *fd_get(int fd)
{
	struct proc *p = current->proc;
	struct file *file;

	spin_lock(&p->files_lock);
	file = slot_file(&p->files, (unsigned)fd);
	if (file)
		file_get(file);
	spin_unlock(&p->files_lock);
	return file;
}

/* files_lock held. The first free number, which may be the size of the table. */
static unsigned find_free_fd(const struct file_table *t, unsigned lowest)
{
	unsigned fd = MAX(lowest, t->hint);

	while (fd < t->size && t->fd[fd].file)
		fd++;
	return fd;
}

/* files_lock held. */
static void slot_set(struct file_table *t, unsigned fd, struct file *file, unsigned flags)
{
	t->fd[fd].file = file;
	t->fd[fd].cloexec = flags & O_CLOEXEC;
}

int fd_install(struct file *file, unsigned flags, int lowest)
{
	struct proc *p = current->proc;
	struct file_table *t = &p->files;
	unsigned fd;
	int err;

	for (;;) {
		spin_lock(&p->files_lock);
		fd = find_free_fd(t, (unsigned)lowest);
		if (fd >= fd_allowed(p)) {
			spin_unlock(&p->files_lock);
			return -EMFILE;
		}
		if (fd < t->size)
			break;
		spin_unlock(&p->files_lock);
		err = table_reach(p, fd);
		if (err)
			return err;
	}
	slot_set(t, fd, file, flags);
	if ((unsigned)lowest <= t->hint)
		t->hint = fd + 1;
	spin_unlock(&p->files_lock);
	return (int)fd;
}

int fd_available(void)
{
	struct proc *p = current->proc;
	bool full;

	spin_lock(&p->files_lock);
	full = find_free_fd(&p->files, 0) >= fd_allowed(p);
	spin_unlock(&p->files_lock);
	return full ? -EMFILE : 0;
}

/* Empty a slot: what was there. */
static struct file *slot_clear(struct proc *p, unsigned fd)
{
	struct file *file;

	spin_lock(&p->files_lock);
	file = slot_file(&p->files, fd);
	if (file) {
		p->files.fd[fd] = (struct fd){.file = NULL};
		p->files.hint = MIN(p->files.hint, fd);
	}
	spin_unlock(&p->files_lock);
	return file;
}

/* A descriptor of the process is gone, and with it its locks on the file. */
static void fd_gone(struct proc *p, struct file *file)
{
	locks_drop(file->inode, p);
	file_put(file);
}

int fd_close(struct proc *p, int fd)
{
	struct file *file = slot_clear(p, (unsigned)fd);

	if (!file)
		return -EBADF;
	fd_gone(p, file);
	return 0;
}

/* ---------------------------------------------------------------- fork, exec, exit ---------- */

int files_fork(struct proc *child, struct proc *parent)
{
	struct file_table *from = &parent->files, *to = &child->files;
	int err;

	do {
		err = table_reach(child, MAX(from->size, 1u) - 1);
		if (err)
			return err;
		spin_lock(&parent->files_lock);
		if (from->size <= to->size)
			break;
		spin_unlock(&parent->files_lock);
	} while (true);
	for (unsigned i = 0; i < from->size; i++) {
		to->fd[i] = from->fd[i];
		if (to->fd[i].file)
			file_get(to->fd[i].file);
	}
	to->hint = from->hint;
	spin_unlock(&parent->files_lock);
	return 0;
}

void files_exec(struct proc *p)
{
	for (unsigned fd = 0; fd < p->files.size; fd++)
		if (p->files.fd[fd].cloexec)
			fd_close(p, (int)fd);
}

void files_exit(struct proc *p)
{
	struct file_table old;

	for (unsigned fd = 0; fd < p->files.size; fd++)
		fd_close(p, (int)fd);
	spin_lock(&p->files_lock);
	old = p->files;
	p->files = (struct file_table){.fd = NULL};
	spin_unlock(&p->files_lock);
	if (old.fd)
		big_free(old.fd, table_bytes(old.size));
}

/* Its table is empty, and nobody else sees it yet. */
int files_init(struct proc *p, struct file *file)
{
	int err = table_reach(p, 2);

	if (err) {
		file_put(file);
		return err;
	}
	slot_set(&p->files, 0, file, 0);
	slot_set(&p->files, 1, file_get(file), 0);
	slot_set(&p->files, 2, file_get(file), 0);
	p->files.hint = 3;
	return 0;
}

/* ---------------------------------------------------------------- close, dup ---------------- */

long sys_close(unsigned fd)
{
	return fd_close(current->proc, (int)fd);
}

long sys_dup(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int copy;

	if (!file)
		return -EBADF;
	copy = fd_install(file, 0, 0);
	if (copy < 0)
		file_put(file);
	return copy;
}

static long dup_to(unsigned from, unsigned to, unsigned flags)
{
	struct proc *p = current->proc;
	struct file *file, *old;
	int err;

	if (to >= fd_allowed(p))
		return -EBADF;
	file = fd_get((int)from);
	if (!file)
		return -EBADF;
	err = table_reach(p, to);
	if (err) {
		file_put(file);
		return err;
	}
	spin_lock(&p->files_lock);
	old = p->files.fd[to].file;
	slot_set(&p->files, to, file, flags);
	spin_unlock(&p->files_lock);
	if (old)
		fd_gone(p, old);
	return to;
}

long sys_dup2(unsigned from, unsigned to)
{
	struct file *file;

	if (from != to)
		return dup_to(from, to, 0);
	file = fd_get((int)from);
	if (!file)
		return -EBADF;
	file_put(file);
	return to;
}

long sys_dup3(unsigned from, unsigned to, unsigned flags)
{
	if (from == to || (flags & ~(unsigned)O_CLOEXEC))
		return -EINVAL;
	return dup_to(from, to, flags);
}

/* CLOSE_RANGE_UNSHARE changes nothing: tables are never shared between processes. */
long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	struct proc *p = current->proc;
	unsigned end = last < p->files.size ? last + 1 : p->files.size;

	if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	for (unsigned fd = first; fd < end; fd++) {
		if (!(flags & CLOSE_RANGE_CLOEXEC)) {
			fd_close(p, (int)fd);
			continue;
		}
		spin_lock(&p->files_lock);
		if (fd < p->files.size)
			p->files.fd[fd].cloexec = true;
		spin_unlock(&p->files_lock);
	}
	return 0;
}
