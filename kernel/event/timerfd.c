/*
 * timerfd.c: timerfd_create(): a timer that is read.
 *
 * The timer runs to one expiry. With an interval more of them follow, but they are counted, and the
 * timer is started again, only when somebody looks: a short interval that nobody reads costs
 * nothing.
 */
#include <asm/poll.h>
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/timerfd.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"

struct timerfd {
	struct timer timer;
	struct spin lock; /* guards what follows; the handler takes it: with interrupts off */
	int clock;
	bool due;      /* it has expired since it was started */
	uint64_t next; /* when it expires, or did; UINT64_MAX: never */
	uint64_t interval;
	_Atomic uint64_t expired; /* how often, not yet read */
	struct waitq q;
};

static void timer_fired(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);
	unsigned long flags = spin_lock_irq(&t->lock);
	bool due = !t->due && t->next <= now_ns(); /* else it has been set meanwhile */

	if (due) {
		t->due = true;
		t->expired++;
	}
	spin_unlock_irq(&t->lock, flags);
	if (due)
		wake_events(&t->q, POLLIN);
}

/* Count the periods that have passed since it expired, and start the one that runs. Lock held. */
static void catch_up(struct timerfd *t)
{
	uint64_t passed;

	if (!t->due || !t->interval)
		return;
	passed = (now_ns() - t->next) / t->interval;
	t->expired += passed;
	t->next += (passed + 1) * t->interval;
	t->due = false;
	timer_start(&t->timer, t->next);
}

static uint64_t take(struct timerfd *t)
{
	unsigned long flags = spin_lock_irq(&t->lock);
	uint64_t n;

	catch_up(t);
	n = t->expired;
	t->expired = 0;
	spin_unlock_irq(&t->lock, flags);
	return n;
}

static long timerfd_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	struct timerfd *t = file->data;
	uint64_t got;

	(void)pos;
	if (n < sizeof(got))
		return -EINVAL;
	while (!(got = take(t))) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&t->q, t->expired))
			return -ERESTARTSYS;
	}
	memcpy(buf, &got, sizeof(got));
	return sizeof(got);
}

static unsigned timerfd_poll(struct file *file, struct poll_table *table)
{
	struct timerfd *t = file->data;

	poll_wait(table, &t->q);
	return t->expired ? POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *t = file->data;

	timer_stop(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_fops = {.read = timerfd_read,
                                             .poll = timerfd_poll,
                                             .release = timerfd_release,
                                             .stream = true};

/* ---------------------------------------------------------------- system calls -------------- */

long sys_timerfd_create(int clock, unsigned flags)
{
	struct timerfd *t;
	int fd;

	if (flags & ~(unsigned)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	t = kmalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	waitq_init(&t->q);
	t->clock = clock;
	t->next = UINT64_MAX;
	t->timer.fn = timer_fired;
	fd = anon_open("[timerfd]", &timerfd_fops, t, flags);
	if (fd < 0)
		kfree(t);
	return fd;
}

/* Lock held. */
static struct __kernel_itimerspec setting(struct timerfd *t)
{
	struct __kernel_itimerspec s = {.it_interval = ns_timespec(t->interval)};
	uint64_t now = now_ns();

	catch_up(t);
	if (t->next != UINT64_MAX && !t->due)
		s.it_value = ns_timespec(t->next > now ? t->next - now : 1);
	return s;
}

/* Lock held. */
static void set(struct timerfd *t, unsigned flags, const struct __kernel_itimerspec *s)
{
	uint64_t value = timespec_ns(&s->it_value);

	t->due = false;
	t->expired = 0;
	t->interval = timespec_ns(&s->it_interval);
	t->next = UINT64_MAX;
	if (value && (flags & TFD_TIMER_ABSTIME))
		clock_deadline(t->clock, value, &t->next);
	else if (value)
		t->next = deadline_in(value);
	if (t->next != UINT64_MAX)
		timer_start(&t->timer, t->next);
}

/* The file, referenced. */
static int timerfd_get(int fd, struct file **out)
{
	struct file *file = fd_get(fd);

	if (!file)
		return -EBADF;
	if (file->ops != &timerfd_fops) {
		file_put(file);
		return -EINVAL;
	}
	*out = file;
	return 0;
}

/* A timer that is not to run any more may still fire: timer_fired() sees that it was not meant. */
long sys_timerfd_settime(int fd, unsigned flags, uintptr_t from, uintptr_t old_at)
{
	struct __kernel_itimerspec new, old;
	struct timerfd *t;
	struct file *file;
	unsigned long irq;
	int err;

	if (user_get(new, from))
		return -EFAULT;
	if ((flags & ~(unsigned)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) ||
	    !timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
		return -EINVAL;
	err = timerfd_get(fd, &file);
	if (err)
		return err;
	t = file->data;
	irq = spin_lock_irq(&t->lock);
	old = setting(t);
	set(t, flags, &new);
	spin_unlock_irq(&t->lock, irq);
	file_put(file);
	return old_at && user_put(old_at, old) ? -EFAULT : 0;
}

long sys_timerfd_gettime(int fd, uintptr_t to)
{
	struct __kernel_itimerspec s;
	struct timerfd *t;
	struct file *file;
	unsigned long irq;
	int err = timerfd_get(fd, &file);

	if (err)
		return err;
	t = file->data;
	irq = spin_lock_irq(&t->lock);
	s = setting(t);
	spin_unlock_irq(&t->lock, irq);
	file_put(file);
	return user_put(to, s);
}
