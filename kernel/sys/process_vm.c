/*
 * process_vm.c: process_vm_readv() and process_vm_writev(): copying between two address spaces.
 *
 * Both sides are lists of pieces in user memory, read one piece at a time while the copy goes on.
 * Bytes travel over a page of the kernel's, so that only one of the two address spaces is entered
 * at a time. What has been copied when something fails is what the call returns.
 */
#include "kmem.h"
#include "sys.h"

#define MAX_BYTES 0x7ffff000ul /* one call of any kind moves no more than this */

/* A position in a list of pieces. */
struct cursor {
	uintptr_t vec;  /* where the rest of the list is */
	size_t left;    /* pieces there */
	uintptr_t base; /* what is left of the current piece */
	size_t len;
};

/* Go to a piece that is not empty. 1: there is one, 0: the end of the list. */
static int cursor_fill(struct cursor *c)
{
	struct iovec iov;

	while (!c->len) {
		if (!c->left)
			return 0;
		if (user_get(iov, c->vec))
			return -EFAULT;
		c->vec += sizeof(iov);
		c->left--;
		c->base = (uintptr_t)iov.iov_base;
		c->len = iov.iov_len;
		if (c->len > INT64_MAX)
			return -EINVAL;
	}
	return 1;
}

static void cursor_advance(struct cursor *c, size_t n)
{
	c->base += n;
	c->len -= n;
}

/*
 * Look at a whole list before anything is copied. *total: its bytes. `own`: must lie below the
 * kernel.
 */
static int cursor_check(struct cursor c, bool own, size_t *total)
{
	int more;

	*total = 0;
	if (c.left > UIO_MAXIOV)
		return -EINVAL;
	while ((more = cursor_fill(&c)) > 0) {
		if (own && (c.base > USER_LIMIT || c.len > USER_LIMIT - c.base))
			return -EFAULT;
		*total += MIN(c.len, MAX_BYTES - *total);
		c.len = 0;
	}
	return more;
}

/* The address space of a process, referenced. -ESRCH: there is none, or it is ending; -EPERM. */
static int space_of(int pid, struct space **space)
{
	struct thread *t;
	int err = -ESRCH;

	spin_lock(&proc_lock);
	t = thread_find(pid);
	if (t && t->proc->space)
		err = may_trace(t->proc) ? 0 : -EPERM;
	if (!err) {
		*space = t->proc->space;
		space_get(*space);
	}
	spin_unlock(&proc_lock);
	return err;
}

struct copy {
	struct om_mm *from, *to;
	struct cursor *source, *target;
	void *page;
};

/* Up to `max` bytes; returns them, or an error if there are none. */
static long copy_pieces(struct copy *c, struct cursor *remote, size_t max)
{
	size_t total = 0;
	int err = 0;

	while (total < max && !err) {
		size_t n, got, done = 0;

		err = cursor_fill(c->source);
		if (err > 0)
			err = cursor_fill(c->target);
		if (err <= 0)
			break;
		n = MIN(MIN(c->source->len, c->target->len), max - total);
		n = MIN(n, PAGE_SIZE - (remote->base & ~PAGE_MASK));
		err = om_read(c->from, c->source->base, c->page, n, &got);
		if (got) {
			int write_err = om_write(c->to, c->target->base, c->page, got, &done);

			err = write_err ? write_err : err;
		}
		cursor_advance(c->source, done);
		cursor_advance(c->target, done);
		total += done;
	}
	return total ? (long)total : err;
}

static long copy_remote(int pid, struct cursor *local, struct cursor *remote, size_t max,
                        bool write)
{
	struct copy c = {.source = write ? local : remote, .target = write ? remote : local};
	struct space *space;
	long result = space_of(pid, &space);

	if (result)
		return result;
	c.from = write ? current_mm() : space->mm;
	c.to = write ? space->mm : current_mm();
	c.page = kmalloc(PAGE_SIZE);
	result = c.page ? copy_pieces(&c, remote, max) : -ENOMEM;
	kfree(c.page);
	space_put(space);
	return result;
}

static long process_vm(int pid, struct cursor local, struct cursor remote, unsigned long flags,
                       bool write)
{
	size_t max, there;
	int err;

	if (flags)
		return -EINVAL;
	err = cursor_check(local, true, &max);
	if (err || !max)
		return err;
	err = cursor_check(remote, false, &there);
	if (err || !there)
		return err;
	return copy_remote(pid, &local, &remote, max, write);
}

long sys_process_vm_readv(int pid, uintptr_t local, size_t nr_local, uintptr_t remote,
                          size_t nr_remote, unsigned long flags)
{
	struct cursor l = {.vec = local, .left = nr_local}, r = {.vec = remote, .left = nr_remote};

	return process_vm(pid, l, r, flags, false);
}

long sys_process_vm_writev(int pid, uintptr_t local, size_t nr_local, uintptr_t remote,
                           size_t nr_remote, unsigned long flags)
{
	struct cursor l = {.vec = local, .left = nr_local}, r = {.vec = remote, .left = nr_remote};

	return process_vm(pid, l, r, flags, true);
}
