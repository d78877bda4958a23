/*
 * eventfd.c: eventfd(): a number to add to and to wait for.
 */
#include <asm/poll.h>
#include <linux/fcntl.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"

#define EFD_SEMAPHORE 1u /* each read takes 1; flags of eventfd2(), not in Linux's headers */
#define MOST          (UINT64_MAX - 1)

struct eventfd {
	struct spin lock; /* guards `count` */
	_Atomic uint64_t count;
	bool semaphore;
	struct waitq q;
};

/* What a read returns; 0: it has to wait. */
static uint64_t take(struct eventfd *e)
{
	uint64_t got;

	spin_lock(&e->lock);
	got = e->semaphore ? MIN(e->count, 1u) : e->count;
	e->count -= got;
	spin_unlock(&e->lock);
	return got;
}

static bool add(struct eventfd *e, uint64_t value)
{
	bool fits;

	spin_lock(&e->lock);
	fits = value <= MOST - e->count;
	if (fits)
		e->count += value;
	spin_unlock(&e->lock);
	return fits;
}

static long eventfd_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	struct eventfd *e = file->data;
	uint64_t got;

	(void)pos;
	if (n < sizeof(got))
		return -EINVAL;
	while (!(got = take(e))) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&e->q, e->count))
			return -ERESTARTSYS;
	}
	memcpy(buf, &got, sizeof(got));
	wake_events(&e->q, POLLOUT);
	return sizeof(got);
}

static long eventfd_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	struct eventfd *e = file->data;
	uint64_t value;

	(void)pos;
	if (n < sizeof(value))
		return -EINVAL;
	memcpy(&value, buf, sizeof(value));
	if (value > MOST)
		return -EINVAL;
	while (!add(e, value)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&e->q, value <= MOST - e->count))
			return -ERESTARTSYS;
	}
	wake_events(&e->q, POLLIN);
	return sizeof(value);
}

static unsigned eventfd_poll(struct file *file, struct poll_table *table)
{
	struct eventfd *e = file->data;
	uint64_t count;

	poll_wait(table, &e->q);
	count = e->count;
	return (count ? POLLIN : 0u) | (count < MOST ? POLLOUT : 0u);
}

static void eventfd_release(struct file *file)
{
	kfree(file->data);
}

static const struct file_ops eventfd_fops = {.read = eventfd_read,
                                             .write = eventfd_write,
                                             .poll = eventfd_poll,
                                             .release = eventfd_release,
                                             .stream = true};

long sys_eventfd2(unsigned count, unsigned flags)
{
	struct eventfd *e;
	int fd;

	if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	e = kmalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	waitq_init(&e->q);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	fd = anon_open("[eventfd]", &eventfd_fops, e, flags);
	if (fd < 0)
		kfree(e);
	return fd;
}

long sys_eventfd(unsigned count)
{
	return sys_eventfd2(count, 0);
}
