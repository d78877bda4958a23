/*
 * poll.c: waiting for one of several files: poll() and ppoll(), and what select.c needs.
 *
 * First all files are asked with a table, in which they note their queues: the thread then waits on
 * all of them at a time. From there on they are only asked again, each time something wakes the
 * thread. The files may sleep in their answers, which ends a wait that has begun; so each round of
 * asking is between a begin and an end of its own, on a queue that nobody wakes.
 */
#include <asm/poll.h>
#include <linux/time_types.h>

#include "fs.h"
#include "kmem.h"
#include "sys.h"

#define POLL_ALWAYS (POLLERR | POLLHUP)
#define POLL_READY  (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM) /* of files that never wait */
#define NR_WAITERS  ((PAGE_SIZE - 2 * sizeof(void *)) / sizeof(struct waiter))

struct waiters {
	struct waiters *next;
	unsigned n;
	struct waiter waiter[NR_WAITERS];
};

struct sleeper {
	struct poll_table table;
	unsigned n;
	struct waiter few[8]; /* enough for most */
	struct waiters *more;
	bool failed; /* no memory for another waiter */
};

/* ---------------------------------------------------------------- the table ----------------- */

static struct waiter *waiter_new(struct sleeper *s)
{
	struct waiters *w = s->more;

	if (s->n < ARRAY_SIZE(s->few))
		return &s->few[s->n++];
	if (!w || w->n == NR_WAITERS) {
		w = kmalloc(sizeof(*w));
		if (!w)
			return NULL;
		w->next = s->more;
		s->more = w;
	}
	return &w->waiter[w->n++];
}

static void sleeper_add(struct poll_table *table, struct waitq *q)
{
	struct sleeper *s = container_of(table, struct sleeper, table);
	struct waiter *w = waiter_new(s);

	if (w)
		wait_begin(q, w, THREAD_RUNNING); /* on the queue, but the sleep comes later */
	else
		s->failed = true;
}

static void sleeper_end(struct sleeper *s)
{
	struct waiters *w;

	for (unsigned i = 0; i < s->n; i++)
		wait_end(&s->few[i]);
	while ((w = s->more) != NULL) {
		for (unsigned i = 0; i < w->n; i++)
			wait_end(&w->waiter[i]);
		s->more = w->next;
		kfree(w);
	}
}

/* ---------------------------------------------------------------- asking -------------------- */

static unsigned ask_file(const struct poll_item *item, struct poll_table *table)
{
	const struct file *file = item->file;

	if (item->fd < 0)
		return 0;
	if (!file || (file->flags & O_PATH))
		return POLLNVAL;
	if (!file->ops->poll)
		return POLL_READY & item->events;
	return file->ops->poll(item->file, table) & (item->events | POLL_ALWAYS);
}

/*
 * How many are ready. Once one is, there will be no waiting, so the others need not go into the
 * table.
 */
static long ask_all(struct poll_item *items, unsigned n, struct poll_table *table)
{
	long count = 0;

	for (unsigned i = 0; i < n; i++) {
		items[i].ready = ask_file(&items[i], count ? NULL : table);
		count += items[i].ready != 0;
	}
	return count;
}

static long wait_items(struct poll_item *items, unsigned n, uint64_t deadline)
{
	struct waitq own = WAITQ_INIT(own);
	struct waiter w;
	bool over = false;
	long count = 0;

	while (!count && !over) {
		wait_begin(&own, &w, THREAD_INTERRUPTIBLE);
		count = ask_all(items, n, NULL);
		over = now_ns() >= deadline;
		if (!count && !over) {
			if (signal_pending())
				count = -EINTR;
			else
				schedule_until(deadline);
		}
		wait_end(&w);
	}
	return count;
}

long poll_items(struct poll_item *items, unsigned n, uint64_t deadline)
{
	struct sleeper s = {.table.add = sleeper_add};
	long count = ask_all(items, n, deadline ? &s.table : NULL);

	if (!count && s.failed)
		count = -ENOMEM;
	if (!count && deadline)
		count = wait_items(items, n, deadline);
	sleeper_end(&s);
	return count;
}

void poll_items_put(struct poll_item *items, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (items[i].file)
			file_put(items[i].file);
}

/* ---------------------------------------------------------------- timeouts ------------------ */

int poll_deadline(uintptr_t from, uint64_t *deadline)
{
	struct __kernel_timespec ts;
	uint64_t ns;

	*deadline = UINT64_MAX;
	if (!from)
		return 0;
	if (user_get(ts, from))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (long long)NSEC_PER_SEC)
		return -EINVAL;
	if ((uint64_t)ts.tv_sec > INT64_MAX / NSEC_PER_SEC / 2)
		return 0;
	ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	*deadline = ns ? restarted(now_ns() + ns) : 0;
	return 0;
}

/* A bad address is no error here: the call has done its work. */
void poll_put_left(uintptr_t to, uint64_t deadline)
{
	uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
	struct __kernel_timespec ts = {.tv_sec = (int64_t)(left / NSEC_PER_SEC),
	                               .tv_nsec = (long long)(left % NSEC_PER_SEC)};

	if (to && deadline != UINT64_MAX)
		(void)user_put(to, ts);
}

/* ---------------------------------------------------------------- poll() -------------------- */

static void read_fds(struct poll_item *items, const struct pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		items[i].fd = fds[i].fd;
		items[i].events = (unsigned short)fds[i].events;
		items[i].file = fds[i].fd < 0 ? NULL : fd_get(fds[i].fd);
	}
}

/* The arrays are there: fill, wait, and put the answers into user memory. */
static long poll_arrays(struct poll_item *items, struct pollfd *fds, unsigned n, uintptr_t user,
                        uint64_t deadline)
{
	long count;

	if (user_read(fds, user, n * sizeof(*fds)))
		return -EFAULT;
	read_fds(items, fds, n);
	count = poll_items(items, n, deadline);
	poll_items_put(items, n);
	if (count < 0)
		return count;
	for (unsigned i = 0; i < n; i++)
		fds[i].revents = (short)items[i].ready;
	return user_write(user, fds, n * sizeof(*fds)) ? -EFAULT : count;
}

static long poll_user(uintptr_t user, unsigned n, uint64_t deadline)
{
	size_t room = MAX(n, 1u);
	struct poll_item *items;
	struct pollfd *fds;
	long count = -ENOMEM;

	if (n > fd_allowed(current->proc))
		return -EINVAL;
	items = big_alloc(room * sizeof(*items));
	fds = big_alloc(room * sizeof(*fds));
	if (items && fds)
		count = poll_arrays(items, fds, n, user, deadline);
	if (fds)
		big_free(fds, room * sizeof(*fds));
	if (items)
		big_free(items, room * sizeof(*items));
	return count == -EINTR ? restart_at(deadline) : count;
}

long sys_poll(uintptr_t fds, unsigned n, int timeout)
{
	uint64_t deadline = UINT64_MAX;

	if (timeout >= 0)
		deadline = timeout ? restarted(now_ns() + (uint64_t)timeout * 1000000) : 0;
	return poll_user(fds, n, deadline);
}

long sys_ppoll(uintptr_t fds, unsigned n, uintptr_t timeout, uintptr_t mask, size_t mask_size)
{
	uint64_t deadline;
	long result = poll_deadline(timeout, &deadline);

	if (!result)
		result = signal_temp_mask(mask, mask_size);
	if (result)
		return result;
	result = poll_user(fds, n, deadline);
	poll_put_left(timeout, deadline);
	return result;
}
