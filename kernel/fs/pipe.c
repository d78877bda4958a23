/*
 * pipe.c: pipes and FIFOs.
 *
 * Both are a struct pipe that hangs on an inode while it is open: for pipe() an inode without a
 * name, for a FIFO the one in the file system. The ring is cut into pages, which are allocated when
 * bytes first get there. An empty ring begins at its first page again, so that little traffic needs
 * little memory.
 *
 * Full pipes hold memory that nobody can page out. As on Linux there is a number of pages for the
 * rings of all of them; when these are promised away, new pipes are small and none grows.
 */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/statfs.h>
#include <linux/limits.h>
#include <linux/magic.h>

#include "fs.h"
#include "kmem.h"
#include "sys.h"

#define DEFAULT_PAGES 16u
#define SMALL_PAGES   2u
#define MAX_PAGES     256u
#define ALL_PAGES     16384u /* of all rings; on small machines an eighth of memory */

struct pipe {
	struct mutex lock; /* guards the ring */
	struct waitq readable, writable;
	unsigned pages;                              /* of the ring, a power of two */
	char **page;                                 /* NULL: not yet allocated */
	uint64_t head;                               /* bytes read so far, */
	_Atomic unsigned used;                       /* and written but not yet read */
	unsigned users;                              /* (ends_lock) open files */
	_Atomic unsigned readers, writers;           /* changed under ends_lock */
	_Atomic unsigned readers_seen, writers_seen; /* ever opened, for opens that wait */
};

static struct mutex ends_lock = MUTEX_INIT(ends_lock); /* guards inode->pipe of all inodes */
static _Atomic unsigned promised;                      /* pages of all rings */

/* Would `more` pages be too many? */
static bool too_many(unsigned more)
{
	return promised + more > MIN(ALL_PAGES, vm_nr_frames() / 8);
}

static unsigned capacity(const struct pipe *p)
{
	return p->pages * (unsigned)PAGE_SIZE;
}

static struct pipe *pipe_of(struct file *file)
{
	return file->data;
}

/* ---------------------------------------------------------------- the ring; lock held ------- */

/* The place of the byte `at` and how many can follow it in its page; NULL without memory. */
static char *ring_place(struct pipe *p, uint64_t at, size_t *room)
{
	char **page = &p->page[at / PAGE_SIZE % p->pages];

	if (!*page)
		*page = kmalloc(PAGE_SIZE);
	*room = PAGE_SIZE - at % PAGE_SIZE;
	return *page ? *page + at % PAGE_SIZE : NULL;
}

static size_t ring_take(struct pipe *p, char *buf, size_t n)
{
	size_t sum = 0, room;

	n = MIN(n, p->used);
	while (sum < n) {
		const char *from = ring_place(p, p->head, &room);
		size_t part = MIN(n - sum, room);

		memcpy(buf + sum, from, part);
		sum += part;
		p->head += part;
	}
	if (atomic_fetch_sub(&p->used, (unsigned)n) == n)
		p->head = 0;
	return n;
}

/* There is room. All or, without memory, nothing. */
static long ring_put(struct pipe *p, const char *buf, size_t n)
{
	size_t sum = 0, room;

	while (sum < n) {
		char *to = ring_place(p, p->head + p->used + sum, &room);
		size_t part = MIN(n - sum, room);

		if (!to)
			return -ENOMEM;
		memcpy(to, buf + sum, part);
		sum += part;
	}
	atomic_fetch_add(&p->used, (unsigned)n);
	return (long)n;
}

/* ---------------------------------------------------------------- read, write --------------- */

static long pipe_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	struct pipe *p = pipe_of(file);
	long got = 0;

	(void)pos;
	mutex_lock(&p->lock);
	while (!p->used) {
		bool ended = !p->writers;

		mutex_unlock(&p->lock);
		if (ended)
			return 0;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&p->readable, p->used || !p->writers))
			return -ERESTARTSYS;
		mutex_lock(&p->lock);
	}
	got = (long)ring_take(p, buf, n);
	mutex_unlock(&p->lock);
	wake_all(&p->writable);
	return got;
}

/* A piece is a page at most, which is PIPE_BUF: each is written as a whole. */
static bool fits(const struct pipe *p, size_t n)
{
	return capacity(p) - p->used >= n;
}

static long pipe_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	struct pipe *p = pipe_of(file);
	long result = -EPIPE;

	(void)pos;
	mutex_lock(&p->lock);
	while (p->readers && !fits(p, n)) {
		mutex_unlock(&p->lock);
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&p->writable, !p->readers || fits(p, n)))
			return -ERESTARTSYS;
		mutex_lock(&p->lock);
	}
	if (p->readers)
		result = ring_put(p, buf, n);
	mutex_unlock(&p->lock);
	wake_all(&p->readable);
	return result;
}

static unsigned pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *p = pipe_of(file);
	unsigned mask = 0;

	if (file_reads(file)) {
		poll_wait(table, &p->readable);
		if (p->used)
			mask |= POLLIN | POLLRDNORM;
		if (!p->writers && p->writers_seen)
			mask |= POLLHUP;
	}
	if (file_writes(file)) {
		poll_wait(table, &p->writable);
		if (capacity(p) - p->used >= PIPE_BUF)
			mask |= POLLOUT | POLLWRNORM;
		if (!p->readers)
			mask |= POLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *file, unsigned cmd, uintptr_t arg)
{
	int used = (int)pipe_of(file)->used;

	return cmd == FIONREAD ? user_put(arg, used) : -ENOTTY;
}

/* ---------------------------------------------------------------- size ---------------------- */

static const struct file_ops pipe_fops;

long pipe_size(struct file *file)
{
	return file->ops == &pipe_fops ? (long)capacity(pipe_of(file)) : -EBADF;
}

/* Move what is in the ring to the beginning of another one, page by page. */
static void move_ring(struct pipe *p, char **to)
{
	uint64_t first = p->head / PAGE_SIZE;
	unsigned n = (unsigned)((p->head % PAGE_SIZE + p->used + PAGE_SIZE - 1) / PAGE_SIZE);

	for (unsigned i = 0; i < n; i++) {
		char **slot = &p->page[(first + i) % p->pages];

		to[i] = *slot;
		*slot = NULL;
	}
	p->head %= PAGE_SIZE;
}

static void ring_free(char **page, unsigned pages)
{
	for (unsigned i = 0; page && i < pages; i++)
		kfree(page[i]);
	kfree(page);
}

long pipe_resize(struct file *file, unsigned long bytes)
{
	struct pipe *p = pipe_of(file);
	unsigned pages = 1, old_pages;
	char **to, **old;

	if (file->ops != &pipe_fops)
		return -EBADF;
	if (bytes > MAX_PAGES * PAGE_SIZE)
		return -EPERM;
	while (pages * PAGE_SIZE < bytes)
		pages *= 2;
	if (pages > p->pages && too_many(pages - p->pages))
		return -EPERM;
	to = kmalloc(pages * sizeof(*to));
	if (!to)
		return -ENOMEM;
	mutex_lock(&p->lock);
	if (p->head % PAGE_SIZE + p->used > pages * PAGE_SIZE) {
		mutex_unlock(&p->lock);
		kfree(to);
		return -EBUSY;
	}
	move_ring(p, to);
	old = p->page;
	old_pages = p->pages;
	p->page = to;
	p->pages = pages;
	promised += pages - old_pages;
	mutex_unlock(&p->lock);
	wake_all(&p->writable);
	ring_free(old, old_pages);
	return (long)(pages * PAGE_SIZE);
}

/* ---------------------------------------------------------------- open, close --------------- */

static struct pipe *pipe_new(void)
{
	struct pipe *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	mutex_init(&p->lock);
	waitq_init(&p->readable);
	waitq_init(&p->writable);
	p->pages = too_many(DEFAULT_PAGES) ? SMALL_PAGES : DEFAULT_PAGES;
	p->page = kmalloc(p->pages * sizeof(*p->page));
	if (!p->page) {
		kfree(p);
		return NULL;
	}
	promised += p->pages;
	return p;
}

/* One more user of the inode's pipe, which is made for the first. */
static int pipe_join(struct file *file)
{
	struct inode *inode = file->inode;
	struct pipe *p;

	mutex_lock(&ends_lock);
	if (!inode->pipe)
		inode->pipe = pipe_new();
	p = inode->pipe;
	if (!p) {
		mutex_unlock(&ends_lock);
		return -ENOMEM;
	}
	p->users++;
	if (file_reads(file)) {
		p->readers++;
		p->readers_seen++;
	}
	if (file_writes(file)) {
		p->writers++;
		p->writers_seen++;
	}
	mutex_unlock(&ends_lock);
	file->data = p;
	wake_all(&p->readable);
	wake_all(&p->writable);
	return 0;
}

static void pipe_leave(struct file *file)
{
	struct pipe *p = pipe_of(file);
	bool last;

	mutex_lock(&ends_lock);
	if (file_reads(file))
		p->readers--;
	if (file_writes(file))
		p->writers--;
	last = --p->users == 0;
	if (last)
		file->inode->pipe = NULL;
	mutex_unlock(&ends_lock);
	if (!last) {
		wake_all(&p->readable);
		wake_all(&p->writable);
		return;
	}
	promised -= p->pages;
	ring_free(p->page, p->pages);
	kfree(p);
}

static const struct file_ops pipe_fops = {.read = pipe_read,
                                          .write = pipe_write,
                                          .poll = pipe_poll,
                                          .ioctl = pipe_ioctl,
                                          .release = pipe_leave,
                                          .stream = true};

static const struct inode_ops pipefs_ops;

/* Opening one end of a FIFO waits for the other; not that of a pipe, by way of /proc/PID/fd. */
static int wait_other_end(struct file *file)
{
	struct pipe *p = pipe_of(file);
	unsigned seen;

	if ((file_reads(file) && file_writes(file)) || file->inode->ops == &pipefs_ops)
		return 0;
	if (file_reads(file)) {
		seen = p->writers_seen;
		if (p->writers || (file->flags & O_NONBLOCK))
			return 0;
		return wait_event_intr(&p->readable, p->writers_seen != seen) ? -ERESTARTSYS : 0;
	}
	seen = p->readers_seen;
	if (p->readers)
		return 0;
	if (file->flags & O_NONBLOCK)
		return -ENXIO;
	return wait_event_intr(&p->writable, p->readers_seen != seen) ? -ERESTARTSYS : 0;
}

int fifo_open(struct file *file)
{
	int err = pipe_join(file);

	if (err)
		return err;
	err = wait_other_end(file);
	if (err)
		pipe_leave(file);
	else
		file->ops = &pipe_fops;
	return err;
}

/* ---------------------------------------------------------------- pipe() -------------------- */

static void pipefs_statfs(struct inode *inode, struct statfs *out)
{
	(void)inode;
	out->f_type = PIPEFS_MAGIC;
}

static void pipefs_release(struct inode *inode)
{
	inode_forget(inode);
	kfree(inode);
}

static const struct inode_ops pipefs_ops = {.statfs = pipefs_statfs,
                                            .attributes = true,
                                            .release = pipefs_release};

static struct inode *pipe_inode(void)
{
	static _Atomic uint64_t last_ino;
	static _Atomic uint64_t dev;
	struct inode *inode = kmalloc(sizeof(*inode));

	if (!inode)
		return NULL;
	if (!dev)
		dev = fs_number();
	inode_init(inode, &pipefs_ops, S_IFIFO | 0600, dev);
	inode->ino = atomic_fetch_add(&last_ino, 1) + 1;
	return inode;
}

/* One end. Takes over the reference to the inode. */
static int open_end(struct inode *inode, unsigned flags, struct file **out)
{
	struct file *file = file_alloc(&empty_fops, inode, flags, NULL);
	char name[32];
	int err;

	if (!file)
		return file_alloc_error();
	snprintf(name, sizeof(name), "pipe:[%lu]", inode->ino);
	file->path = kstrdup(name);
	err = file->path ? pipe_join(file) : -ENOMEM;
	if (err) {
		file_put(file);
		return err;
	}
	file->ops = &pipe_fops;
	*out = file;
	return 0;
}

static int make_pipe(unsigned flags, struct file **end)
{
	struct inode *inode = pipe_inode();
	int err;

	if (!inode)
		return -ENOMEM;
	inode_get(inode);
	err = open_end(inode, O_RDONLY | flags, &end[0]);
	if (err) {
		inode_put(inode);
		return err;
	}
	err = open_end(inode, O_WRONLY | flags, &end[1]);
	if (err)
		file_put(end[0]);
	return err;
}

long sys_pipe2(uintptr_t fds, unsigned flags)
{
	struct file *end[2];
	int fd[2], err;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if (flags & O_DIRECT)
		return -EOPNOTSUPP; /* packets */
	err = make_pipe(flags & O_NONBLOCK, end);
	if (err)
		return err;
	fd[0] = fd_install(end[0], flags, 0);
	fd[1] = fd[0] < 0 ? fd[0] : fd_install(end[1], flags, 0);
	if (fd[1] < 0) {
		if (fd[0] < 0)
			file_put(end[0]);
		else
			fd_close(current->proc, fd[0]);
		file_put(end[1]);
		return fd[1];
	}
	err = user_put(fds, fd);
	for (unsigned i = 0; err && i < 2; i++)
		fd_close(current->proc, fd[i]);
	return err;
}

long sys_pipe(uintptr_t fds)
{
	return sys_pipe2(fds, 0);
}
