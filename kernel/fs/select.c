/*
 * select.c: select() and pselect6(): sets of descriptors as bits, translated to what poll() waits
 * for.
 */
#include <asm/poll.h>
#include <linux/time_types.h>

#include "fs.h"
#include "sys.h"

#define WORD_BITS 64u
#define NR_FDS    1024u /* FD_SETSIZE: those above are for poll() */
#define NR_WORDS  (NR_FDS / WORD_BITS)

/* What makes a descriptor ready in each of the three sets. */
static const unsigned wanted[3] = {POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM, POLLPRI};
static const unsigned counts[3] = {POLLIN | POLLRDNORM | POLLHUP | POLLERR,
                                   POLLOUT | POLLWRNORM | POLLERR, POLLPRI};

struct select {
	unsigned n;        /* descriptors below are looked at */
	uintptr_t user[3]; /* the sets for reading, writing, exceptions; 0: none */
	uint64_t bits[3][NR_WORDS];
	unsigned nr_items;
	struct poll_item *items;
};

static size_t set_bytes(const struct select *s)
{
	return ALIGN_UP(s->n, WORD_BITS) / 8;
}

static bool set_has(const struct select *s, unsigned set, unsigned fd)
{
	return s->bits[set][fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

static int read_sets(struct select *s)
{
	for (unsigned set = 0; set < 3; set++)
		if (s->user[set] && user_read(s->bits[set], s->user[set], set_bytes(s)))
			return -EFAULT;
	return 0;
}

/* One item for each descriptor that is in any set. -EBADF */
static int make_items(struct select *s)
{
	for (unsigned fd = 0; fd < s->n; fd++) {
		struct poll_item *item = &s->items[s->nr_items];
		unsigned events = 0;

		for (unsigned set = 0; set < 3; set++)
			events |= set_has(s, set, fd) ? wanted[set] : 0;
		if (!events)
			continue;
		*item = (struct poll_item){.fd = (int)fd, .events = events};
		item->file = fd_get((int)fd);
		if (!item->file)
			return -EBADF;
		s->nr_items++;
	}
	return 0;
}

/* Leave those bits that are ready; returns how many. */
static long keep_ready(struct select *s)
{
	uint64_t ready[3][NR_WORDS] = {{0}};
	long count = 0;

	for (unsigned i = 0; i < s->nr_items; i++) {
		const struct poll_item *item = &s->items[i];
		unsigned fd = (unsigned)item->fd;

		for (unsigned set = 0; set < 3; set++) {
			if (!set_has(s, set, fd) || !(item->ready & counts[set]))
				continue;
			ready[set][fd / WORD_BITS] |= 1ull << fd % WORD_BITS;
			count++;
		}
	}
	memcpy(s->bits, ready, sizeof(ready));
	return count;
}

static long select_sets(struct select *s, uint64_t deadline)
{
	long count = read_sets(s);

	if (!count)
		count = make_items(s);
	if (!count)
		count = poll_items(s->items, s->nr_items, deadline);
	poll_items_put(s->items, s->nr_items);
	if (count < 0)
		return count;
	count = keep_ready(s);
	for (unsigned set = 0; set < 3; set++)
		if (s->user[set] && user_write(s->user[set], s->bits[set], set_bytes(s)))
			return -EFAULT;
	return count;
}

static long do_select(int n, uintptr_t in, uintptr_t out, uintptr_t except, uint64_t deadline)
{
	struct select s = {.n = MIN((unsigned)n, NR_FDS), .user = {in, out, except}};
	size_t bytes = MAX(s.n, 1u) * sizeof(*s.items);
	long count;

	if (n < 0)
		return -EINVAL;
	s.items = big_alloc(bytes);
	if (!s.items)
		return -ENOMEM;
	count = select_sets(&s, deadline);
	big_free(s.items, bytes);
	return count == -EINTR ? restart_at(deadline) : count;
}

/* The old call has microseconds. */
static int read_timeval(uintptr_t from, uint64_t *deadline)
{
	struct __kernel_old_timeval tv;
	uint64_t ns;

	*deadline = UINT64_MAX;
	if (!from)
		return 0;
	if (user_get(tv, from))
		return -EFAULT;
	if (tv.tv_sec < 0 || tv.tv_usec < 0)
		return -EINVAL;
	if (tv.tv_sec > (long)(INT64_MAX / NSEC_PER_SEC / 4) ||
	    tv.tv_usec > (long)(INT64_MAX / NSEC_PER_SEC / 4))
		return 0;
	ns = (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * 1000;
	*deadline = ns ? restarted(now_ns() + ns) : 0;
	return 0;
}

static void put_timeval_left(uintptr_t to, uint64_t deadline)
{
	uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
	struct __kernel_old_timeval tv = {.tv_sec = (long)(left / NSEC_PER_SEC),
	                                  .tv_usec = (long)(left % NSEC_PER_SEC / 1000)};

	if (to && deadline != UINT64_MAX)
		(void)user_put(to, tv);
}

long sys_select(int n, uintptr_t in, uintptr_t out, uintptr_t except, uintptr_t timeout)
{
	uint64_t deadline;
	long result = read_timeval(timeout, &deadline);

	if (result)
		return result;
	result = do_select(n, in, out, except, deadline);
	put_timeval_left(timeout, deadline);
	return result;
}

/* The sixth argument is the address of two: the mask and its size. */
static int use_mask(uintptr_t from)
{
	struct {
		uintptr_t mask;
		size_t size;
	} arg = {.mask = 0};

	if (from && user_get(arg, from))
		return -EFAULT;
	return arg.mask ? signal_temp_mask(arg.mask, arg.size) : 0;
}

long sys_pselect6(int n, uintptr_t in, uintptr_t out, uintptr_t except, uintptr_t timeout,
                  uintptr_t mask)
{
	uint64_t deadline;
	long result = poll_deadline(timeout, &deadline);

	if (!result)
		result = use_mask(mask);
	if (result)
		return result;
	result = do_select(n, in, out, except, deadline);
	poll_put_left(timeout, deadline);
	return result;
}
