/*
 * epoll.c: waiting for many files without asking them all each time.
 *
 * An epoll file has an item for each file of interest, which stays on that file's queues. When
 * something happens there, item_woken(), which may be in an interrupt handler, puts the item on the
 * list `ready`. A wait asks only the files of items on that list: with EPOLLET an item is off the
 * list as soon as it was reported, else it stays there until its file has nothing to report.
 *
 * An item has no reference to its file, so that closing a file ends the interest in it.
 *
 * Locks, in this order: watchers_lock, of all epoll files: guards which items there are;
 * epoll->lock, of one after another where they are nested: its holder asks files, and their items
 * stay; the locks of files; those of queues; epoll->ready_lock.
 */
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"

#define ALWAYS ((unsigned)EPOLLERR | (unsigned)EPOLLHUP)
#define MODES  (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define EXCLUSIVE                                                                                  \
	((unsigned)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET) |            \
	 EPOLLEXCLUSIVE)
#define MAX_NESTS  4u /* epoll files that wait for each other in a row are one more */
#define MAX_EVENTS ((int)(INT32_MAX / sizeof(struct epoll_event)))

struct epoll {
	struct file *file; /* its own */
	struct mutex lock;
	struct list items;      /* changed under watchers_lock and `lock` */
	struct spin ready_lock; /* guards `ready`; taken with interrupts off */
	struct list ready;
	struct waitq sleepers; /* in epoll_wait() */
	struct waitq pollers;  /* who waits for the epoll file as a file */
};

/* One entry in the queue of a file. */
struct watch {
	struct waiter waiter;
	struct item *item;
};

struct item {
	struct file_watcher watcher;
	struct epoll *ep;
	struct file *file; /* no reference; it and `fd` are the key */
	int fd;
	_Atomic unsigned events; /* wanted, and how: EPOLLET... */
	uint64_t data;
	struct list node;  /* epoll->items */
	struct list ready; /* epoll->ready, or that of a wait for a moment */
	struct poll_table table;
	unsigned nr_watches;
	struct watch watch[POLL_QUEUES];
};

static const struct file_ops epoll_fops;

/* Items are memory that cannot be paged out: as many as there are frames, at most. */
static _Atomic unsigned nr_items;

static struct epoll *epoll_of(const struct file *file)
{
	return file->ops == &epoll_fops ? file->data : NULL;
}

/* ---------------------------------------------------------------- what is ready ------------- */

/* On the list, unless it is on one. */
static void make_ready(struct item *item)
{
	unsigned long flags = spin_lock_irq(&item->ep->ready_lock);

	if (list_empty(&item->ready))
		list_append(&item->ep->ready, &item->ready);
	spin_unlock_irq(&item->ep->ready_lock, flags);
}

static void wake_epoll(struct epoll *ep)
{
	wake_all(&ep->sleepers);
	wake_events(&ep->pollers, EPOLLIN);
}

static void item_woken(struct waiter *w, unsigned events)
{
	struct item *item = container_of(w, struct watch, waiter)->item;

	if (!(item->events & events))
		return;
	make_ready(item);
	wake_epoll(item->ep);
}

static void item_add_watch(struct poll_table *table, struct waitq *q)
{
	struct item *item = container_of(table, struct item, table);
	struct watch *watch = &item->watch[item->nr_watches++];

	BUG_ON(item->nr_watches > POLL_QUEUES);
	watch->item = item;
	wait_watch(q, &watch->waiter, item_woken);
}

/* Which of the events that are wanted hold. ep->lock held. */
static unsigned ask(struct item *item, struct poll_table *table)
{
	unsigned wanted = item->events & ~(unsigned)MODES;

	/* what was EPOLLONESHOT and has been reported wants nothing, not even errors */
	return wanted ? item->file->ops->poll(item->file, table) & wanted : 0;
}

/* Ask, and be on the list if there is something to report. ep->lock held. */
static void ask_and_note(struct item *item, struct poll_table *table)
{
	if (!ask(item, table))
		return;
	make_ready(item);
	wake_epoll(item->ep);
}

/* Take all that are ready off the list; put what is left of them back in front. ep->lock held. */
static void take_ready(struct epoll *ep, struct list *taken)
{
	unsigned long flags = spin_lock_irq(&ep->ready_lock);

	list_init(taken);
	while (!list_empty(&ep->ready)) {
		struct list *first = ep->ready.next;

		list_remove(first);
		list_append(taken, first);
	}
	spin_unlock_irq(&ep->ready_lock, flags);
}

static void put_back(struct epoll *ep, struct list *taken)
{
	unsigned long flags = spin_lock_irq(&ep->ready_lock);

	while (!list_empty(taken)) {
		struct list *last = taken->prev;

		list_remove(last);
		list_push(&ep->ready, last);
	}
	spin_unlock_irq(&ep->ready_lock, flags);
}

/* The next one; from now on it can become ready again. NULL: that was all. */
static struct item *next_taken(struct epoll *ep, struct list *taken)
{
	unsigned long flags;
	struct item *item;

	if (list_empty(taken))
		return NULL;
	item = list_first(taken, struct item, ready);
	flags = spin_lock_irq(&ep->ready_lock);
	list_remove(&item->ready);
	spin_unlock_irq(&ep->ready_lock, flags);
	return item;
}

/* Has it anything to report? An epoll file as a file is readable then. */
static unsigned epoll_poll(struct file *file, struct poll_table *table)
{
	struct epoll *ep = file->data;
	unsigned events = 0;
	struct list taken;
	struct item *item;

	poll_wait(table, &ep->pollers);
	mutex_lock(&ep->lock);
	take_ready(ep, &taken);
	while (!events && (item = next_taken(ep, &taken)) != NULL)
		if (ask(item, NULL)) {
			make_ready(item);
			events = EPOLLIN | EPOLLRDNORM;
		}
	put_back(ep, &taken);
	mutex_unlock(&ep->lock);
	return events;
}

/* ---------------------------------------------------------------- waiting ------------------- */

/* It is reported now. */
static void reported(struct item *item)
{
	if (item->events & EPOLLONESHOT)
		atomic_fetch_and(&item->events, (unsigned)MODES);
	else if (!(item->events & EPOLLET))
		make_ready(item);
}

/* Report up to `max` events: how many, or -EFAULT if there is one but no room. */
static long report(struct epoll *ep, uintptr_t to, int max)
{
	struct list taken;
	struct item *item;
	long n = 0;
	int err = 0;

	mutex_lock(&ep->lock);
	take_ready(ep, &taken);
	while (!err && n < max && (item = next_taken(ep, &taken)) != NULL) {
		struct epoll_event event = {.events = ask(item, NULL), .data = item->data};

		if (!event.events)
			continue;
		err = user_put(to + (size_t)n * sizeof(event), event);
		if (err) {
			make_ready(item);
			break;
		}
		reported(item);
		n++;
	}
	put_back(ep, &taken);
	mutex_unlock(&ep->lock);
	if (!list_empty(&ep->ready))
		wake_all(&ep->sleepers); /* one that looked meanwhile has seen an empty list */
	return n ? n : err;
}

/* Sleep until something is on the list: 0, also after the deadline; -EINTR. */
static int sleep_until_ready(struct epoll *ep, uint64_t deadline)
{
	struct waiter w;
	int err = 0;

	wait_begin(&ep->sleepers, &w, THREAD_INTERRUPTIBLE);
	if (list_empty(&ep->ready)) {
		if (signal_pending())
			err = -EINTR;
		else
			schedule_until(deadline);
	}
	wait_end(&w);
	return err;
}

static long wait_events(struct epoll *ep, uintptr_t to, int max, uint64_t deadline)
{
	long n;

	while (!(n = report(ep, to, max)) && now_ns() < deadline) {
		n = sleep_until_ready(ep, deadline);
		if (n)
			break;
	}
	return n;
}

static long do_wait(int epfd, uintptr_t to, int max, uint64_t deadline)
{
	struct file *file;
	long n = -EINVAL;

	if (max <= 0 || max > MAX_EVENTS)
		return -EINVAL;
	file = fd_get(epfd);
	if (!file)
		return -EBADF;
	if (epoll_of(file))
		n = wait_events(epoll_of(file), to, max, deadline);
	file_put(file);
	return n;
}

static uint64_t deadline_ms(int timeout)
{
	return timeout < 0 ? UINT64_MAX : deadline_in((uint64_t)timeout * 1000000);
}

long sys_epoll_wait(int epfd, uintptr_t events, int max, int timeout)
{
	return do_wait(epfd, events, max, deadline_ms(timeout));
}

long sys_epoll_pwait(int epfd, uintptr_t events, int max, int timeout, uintptr_t mask,
                     size_t mask_size)
{
	int err = signal_temp_mask(mask, mask_size);

	return err ? err : do_wait(epfd, events, max, deadline_ms(timeout));
}

long sys_epoll_pwait2(int epfd, uintptr_t events, int max, uintptr_t timeout, uintptr_t mask,
                      size_t mask_size)
{
	uint64_t deadline = UINT64_MAX;
	int err = timeout ? read_timeout(timeout, &deadline) : 0;

	if (!err)
		err = signal_temp_mask(mask, mask_size);
	return err ? err : do_wait(epfd, events, max, deadline);
}

/* ---------------------------------------------------------------- items; watchers_lock held - */

static void item_remove(struct item *item)
{
	struct epoll *ep = item->ep;
	unsigned long flags;

	for (unsigned i = 0; i < item->nr_watches; i++)
		wait_unwatch(&item->watch[i].waiter);
	list_remove(&item->watcher.node);
	mutex_lock(&ep->lock);
	list_remove(&item->node);
	flags = spin_lock_irq(&ep->ready_lock);
	list_remove(&item->ready);
	spin_unlock_irq(&ep->ready_lock, flags);
	mutex_unlock(&ep->lock);
	kfree(item);
	nr_items--;
}

static void file_closed(struct file_watcher *w)
{
	item_remove(container_of(w, struct item, watcher));
}

static struct item *item_find(const struct epoll *ep, struct file *file, int fd)
{
	struct item *item;

	list_for_each (item, &file->watchers, watcher.node)
		if (item->ep == ep && item->fd == fd)
			return item;
	return NULL;
}

/* How many epoll files are in a row from this one on; more than MAX_NESTS: `forbidden` is one. */
static unsigned nests_below(const struct epoll *ep, const struct epoll *forbidden, unsigned depth)
{
	const struct item *item;
	unsigned most = 1;

	if (ep == forbidden || depth > MAX_NESTS)
		return MAX_NESTS + 1;
	list_for_each (item, &ep->items, node)
		if (epoll_of(item->file))
			most =
			    MAX(most, 1 + nests_below(epoll_of(item->file), forbidden, depth + 1));
	return most;
}

/* And how many up to this one. */
static unsigned nests_above(const struct epoll *ep)
{
	const struct item *item;
	unsigned most = 0;

	list_for_each (item, &ep->file->watchers, watcher.node)
		most = MAX(most, 1 + nests_above(item->ep));
	return most;
}

/* May `ep` wait for `target`, an epoll file, too? */
static int check_nests(const struct epoll *ep, const struct epoll *target)
{
	return nests_above(ep) + nests_below(target, ep, 1) > MAX_NESTS ? -ELOOP : 0;
}

static int item_add(struct epoll *ep, struct file *file, int fd, const struct epoll_event *event)
{
	struct item *item;
	int err = epoll_of(file) ? check_nests(ep, epoll_of(file)) : 0;

	if (err)
		return err;
	if (nr_items >= vm_nr_frames())
		return -ENOSPC;
	item = kmalloc(sizeof(*item));
	if (!item)
		return -ENOMEM;
	nr_items++;
	item->watcher.closed = file_closed;
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->events = (unsigned)event->events | ALWAYS;
	item->data = event->data;
	item->table.add = item_add_watch;
	list_init(&item->ready);
	file_watch(file, &item->watcher);
	mutex_lock(&ep->lock);
	list_append(&ep->items, &item->node);
	ask_and_note(item, &item->table);
	mutex_unlock(&ep->lock);
	return 0;
}

static int item_change(struct item *item, const struct epoll_event *event)
{
	if (item->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	mutex_lock(&item->ep->lock);
	item->events = (unsigned)event->events | ALWAYS;
	item->data = event->data;
	ask_and_note(item, NULL);
	mutex_unlock(&item->ep->lock);
	return 0;
}

/* ---------------------------------------------------------------- epoll_ctl ----------------- */

/* EPOLLEXCLUSIVE, which wakes all of them here, goes with few other flags. */
static int check_events(const struct file *file, int op, unsigned events)
{
	if (!(events & EPOLLEXCLUSIVE) || op == EPOLL_CTL_DEL)
		return 0;
	return op == EPOLL_CTL_MOD || epoll_of(file) || (events & ~EXCLUSIVE) ? -EINVAL : 0;
}

static int control(struct file *ep_file, int op, struct file *file, int fd,
                   const struct epoll_event *event)
{
	struct epoll *ep = epoll_of(ep_file);
	struct item *item;
	int err;

	if (!file->ops->poll)
		return -EPERM;
	if (!ep || file == ep_file)
		return -EINVAL;
	err = check_events(file, op, (unsigned)event->events);
	if (err)
		return err;
	ep->file = ep_file;
	item = item_find(ep, file, fd);
	switch (op) {
	case EPOLL_CTL_ADD:
		return item ? -EEXIST : item_add(ep, file, fd, event);
	case EPOLL_CTL_DEL:
		if (item)
			item_remove(item);
		return item ? 0 : -ENOENT;
	case EPOLL_CTL_MOD:
		return item ? item_change(item, event) : -ENOENT;
	default:
		return -EINVAL;
	}
}

long sys_epoll_ctl(int epfd, int op, int fd, uintptr_t user_event)
{
	struct epoll_event event = {.events = 0};
	struct file *ep_file, *file;
	int err = -EBADF;

	if (op != EPOLL_CTL_DEL && user_get(event, user_event))
		return -EFAULT;
	ep_file = fd_get(epfd);
	file = fd_get(fd);
	if (ep_file && file && !(file->flags & O_PATH)) {
		mutex_lock(&watchers_lock);
		err = control(ep_file, op, file, fd, &event);
		mutex_unlock(&watchers_lock);
	}
	if (file)
		file_put(file);
	if (ep_file)
		file_put(ep_file);
	return err;
}

/* ---------------------------------------------------------------- epoll_create -------------- */

static void epoll_release(struct file *file)
{
	struct epoll *ep = file->data;

	mutex_lock(&watchers_lock);
	while (!list_empty(&ep->items))
		item_remove(list_first(&ep->items, struct item, node));
	mutex_unlock(&watchers_lock);
	kfree(ep);
}

static const struct file_ops epoll_fops = {.poll = epoll_poll, .release = epoll_release};

long sys_epoll_create1(unsigned flags)
{
	struct epoll *ep;
	int fd;

	if (flags & ~(unsigned)EPOLL_CLOEXEC)
		return -EINVAL;
	ep = kmalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock);
	list_init(&ep->items);
	list_init(&ep->ready);
	waitq_init(&ep->sleepers);
	waitq_init(&ep->pollers);
	fd = anon_open("[eventpoll]", &epoll_fops, ep, flags);
	if (fd < 0)
		kfree(ep);
	return fd;
}

long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}
