/*
 * futex.c: waiting for a word of user memory to change, and waking those that wait.
 *
 * A futex is named by a key: private memory by address space and address, shared memory by mapping
 * and offset, so that processes meet on one word wherever they have mapped it. Waiters hang in a
 * hash of queues.
 *
 * No wake-up may be lost between looking at the word and falling asleep. Reading user memory may
 * sleep, so it cannot be done under the queue's lock; instead a waiter first joins the queue, and
 * then looks. Whoever changes the word afterwards finds it there. A waiter that is woken before it
 * has looked counts as woken, or the wake-up of another would be lost.
 */
#include <linux/futex.h>
#include <linux/time_types.h>

#include "futex.h"
#include "internal.h"
#include "sys.h"

#define BUCKETS 256

struct key {
	const void *object;
	uint64_t offset;
};

struct bucket {
	struct spin lock;
	struct list waiters; /* in the order in which they came */
};

/* On the stack of the sleeper. */
struct futex_waiter {
	struct list node;
	struct key key;
	struct bucket *_Atomic bucket; /* changed under its lock, when requeued */
	uint32_t bits;
	bool woken;
	struct waitq q;
};

static struct bucket buckets[BUCKETS];

/* ---------------------------------------------------------------- keys ---------------------- */

static struct bucket *bucket_of(const struct key *key)
{
	uint64_t h = ((uintptr_t)key->object >> 4) * 0x9e3779b97f4a7c15ull;

	h = (h ^ key->offset >> 2) * 0x9e3779b97f4a7c15ull;
	return &buckets[h >> 56];
}

/* All start empty: a list of zeros is set up when it is first locked. */
static void bucket_lock(struct bucket *b)
{
	spin_lock(&b->lock);
	if (!b->waiters.next)
		list_init(&b->waiters);
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

static int get_key(uintptr_t addr, bool private, struct key *key)
{
	struct space *space = current->space;
	struct om_vmainfo area;

	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (addr >= USER_LIMIT)
		return -EFAULT;
	key->object = space;
	key->offset = addr;
	if (private)
		return 0;
	if (!om_vma_next(space->mm, addr, &area) || area.start > addr)
		return -EFAULT;
	if (area.mapping && (area.flags & OM_VM_SHARED)) {
		key->object = area.mapping;
		key->offset = (area.pgoff << PAGE_SHIFT) + (addr - area.start);
	}
	return 0;
}

/* ---------------------------------------------------------------- queues -------------------- */

static void futex_enqueue(struct futex_waiter *w)
{
	struct bucket *b = bucket_of(&w->key);

	waitq_init(&w->q);
	w->woken = false;
	w->bucket = b;
	bucket_lock(b);
	list_append(&b->waiters, &w->node);
	spin_unlock(&b->lock);
}

/* Leave the queue; true if somebody has woken us. Afterwards nobody else knows the waiter. */
static bool futex_dequeue(struct futex_waiter *w)
{
	for (;;) {
		struct bucket *b = w->bucket;
		bool woken;

		spin_lock(&b->lock);
		if (b != w->bucket) { /* requeued meanwhile */
			spin_unlock(&b->lock);
			continue;
		}
		woken = w->woken;
		list_remove(&w->node);
		spin_unlock(&b->lock);
		return woken;
	}
}

/* Bucket locked. */
static void wake_waiter(struct futex_waiter *w)
{
	list_remove(&w->node);
	w->woken = true;
	wake_all(&w->q);
}

static int futex_wake(const struct key *key, int n, uint32_t bits)
{
	struct bucket *b = bucket_of(key);
	struct futex_waiter *w, *next;
	int woken = 0;

	bucket_lock(b);
	list_for_each_safe (w, next, &b->waiters, node) {
		if (woken >= n)
			break;
		if (!same_key(&w->key, key) || !(w->bits & bits))
			continue;
		wake_waiter(w);
		woken++;
	}
	spin_unlock(&b->lock);
	return woken;
}

int futex_wake_addr(uintptr_t addr, int n)
{
	struct key key;
	int err = get_key(addr, false, &key);

	return err ? err : futex_wake(&key, n, FUTEX_BITSET_MATCH_ANY);
}

/* ---------------------------------------------------------------- waiting ------------------- */

/* 0: woken, or a signal, or the deadline has passed. */
static void sleep_on(struct futex_waiter *w, uint64_t deadline)
{
	struct waiter waiter;

	while (!w->woken && !signal_pending() && now_ns() < deadline) {
		wait_begin(&w->q, &waiter, THREAD_INTERRUPTIBLE);
		if (!w->woken && !signal_pending())
			schedule_until(deadline);
		wait_end(&waiter);
	}
}

static long futex_wait(uintptr_t addr, const struct key *key, uint32_t expect, uint64_t deadline,
                       uint32_t bits)
{
	struct futex_waiter w = {.key = *key, .bits = bits};
	uint32_t value;
	int err;

	if (!bits)
		return -EINVAL;
	futex_enqueue(&w);
	err = user_get(value, addr);
	if (!err && value != expect)
		err = -EAGAIN;
	if (!err)
		sleep_on(&w, deadline);
	if (futex_dequeue(&w))
		return 0;
	if (err)
		return err;
	return now_ns() >= deadline ? -ETIMEDOUT : -ERESTARTSYS;
}

/* ---------------------------------------------------------------- two futexes --------------- */

/* Both locks, in the order of their addresses. */
static void buckets_lock(struct bucket *a, struct bucket *b)
{
	bucket_lock(a < b ? a : b);
	if (a != b)
		bucket_lock(a < b ? b : a);
}

static void buckets_unlock(struct bucket *a, struct bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* Wake up to `nr_wake`, let up to `nr_move` of the rest wait for the other futex. */
static long requeue_waiters(const struct key *from, const struct key *to, int nr_wake, int nr_move)
{
	struct bucket *a = bucket_of(from), *b = bucket_of(to);
	struct futex_waiter *w, *next;
	int woken = 0, moved = 0;

	buckets_lock(a, b);
	list_for_each_safe (w, next, &a->waiters, node) {
		if (!same_key(&w->key, from))
			continue;
		if (woken < nr_wake) {
			wake_waiter(w);
			woken++;
		} else if (moved < nr_move) {
			list_remove(&w->node);
			w->key = *to;
			w->bucket = b;
			list_append(&b->waiters, &w->node);
			moved++;
		}
	}
	buckets_unlock(a, b);
	return woken + moved;
}

static long futex_requeue(const struct key *key, uintptr_t addr2, bool private, int nr_wake,
                          int nr_move)
{
	struct key to;
	int err = get_key(addr2, private, &to);

	if (err)
		return err;
	if (nr_wake < 0 || nr_move < 0)
		return -EINVAL;
	/* A waiter moved to the queue it is on would be met again and again. */
	if (same_key(key, &to))
		return futex_wake(key, nr_wake, FUTEX_BITSET_MATCH_ANY);
	return requeue_waiters(key, &to, nr_wake, nr_move);
}

/* FUTEX_WAKE_OP: what is done to the second word, and the comparison of what was there. */
struct wake_op {
	unsigned op, cmp;
	int arg, cmp_arg;
};

static int sign_extend12(uint32_t v)
{
	return (int)(v << 20) >> 20;
}

static int decode_op(uint32_t code, struct wake_op *o)
{
	o->op = code >> 28 & 7;
	o->cmp = code >> 24 & 15;
	o->arg = sign_extend12(code >> 12);
	o->cmp_arg = sign_extend12(code);
	if ((code >> 28) & FUTEX_OP_OPARG_SHIFT)
		o->arg = (int)(1u << (o->arg & 31));
	return o->op > FUTEX_OP_XOR || o->cmp > FUTEX_OP_CMP_GE ? -ENOSYS : 0;
}

static uint32_t apply_op(const struct wake_op *o, uint32_t value)
{
	switch (o->op) {
	case FUTEX_OP_SET:
		return (uint32_t)o->arg;
	case FUTEX_OP_ADD:
		return value + (uint32_t)o->arg;
	case FUTEX_OP_OR:
		return value | (uint32_t)o->arg;
	case FUTEX_OP_ANDN:
		return value & ~(uint32_t)o->arg;
	default:
		return value ^ (uint32_t)o->arg;
	}
}

static bool compare_op(const struct wake_op *o, int old)
{
	switch (o->cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == o->cmp_arg;
	case FUTEX_OP_CMP_NE:
		return old != o->cmp_arg;
	case FUTEX_OP_CMP_LT:
		return old < o->cmp_arg;
	case FUTEX_OP_CMP_LE:
		return old <= o->cmp_arg;
	case FUTEX_OP_CMP_GT:
		return old > o->cmp_arg;
	default:
		return old >= o->cmp_arg;
	}
}

static long futex_wake_op(const struct key *key, uintptr_t addr2, bool private, int n, int n2,
                          uint32_t code)
{
	struct wake_op o;
	struct key key2;
	uint32_t seen, old;
	int err = get_key(addr2, private, &key2);
	long woken;

	if (!err)
		err = decode_op(code, &o);
	if (!err)
		err = user_get(seen, addr2);
	while (!err) {
		err = user_cmpxchg(addr2, seen, apply_op(&o, seen), &old);
		if (old == seen)
			break;
		seen = old;
	}
	if (err)
		return err;
	woken = futex_wake(key, n, FUTEX_BITSET_MATCH_ANY);
	if (compare_op(&o, (int)old))
		woken += futex_wake(&key2, n2, FUTEX_BITSET_MATCH_ANY);
	return woken;
}

/* ---------------------------------------------------------------- the system call ----------- */

/* WAIT has a relative timeout, the others the time at which to wake. */
static int read_deadline(unsigned cmd, bool realtime, uintptr_t timeout, uint64_t *deadline)
{
	struct __kernel_timespec ts;
	uint64_t ns, boot = boot_time_ns();

	*deadline = UINT64_MAX;
	if (!timeout)
		return 0;
	if (cmd == FUTEX_WAIT) {
		int err = read_timeout(timeout, deadline);

		*deadline = restarted(*deadline);
		return err;
	}
	if (user_get(ts, timeout))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	ns = timespec_ns(&ts);
	if (realtime && ns != UINT64_MAX)
		ns = ns > boot ? ns - boot : 0;
	*deadline = ns;
	return 0;
}

static long wait_call(uintptr_t addr, const struct key *key, unsigned cmd, bool realtime,
                      uint32_t val, uintptr_t timeout, uint32_t bits)
{
	uint64_t deadline;
	long err = read_deadline(cmd, realtime, timeout, &deadline);

	if (!err)
		err = futex_wait(addr, key, val, deadline, bits);
	/* A relative timeout would begin anew. */
	if (err == -ERESTARTSYS && timeout && cmd == FUTEX_WAIT)
		return restart_at(deadline);
	return err;
}

/* The fourth argument is a timeout or a number, by command. */
long sys_futex(uintptr_t addr, int op, uint32_t val, uintptr_t arg, uintptr_t addr2, uint32_t val3)
{
	unsigned cmd = (unsigned)op & FUTEX_CMD_MASK;
	bool private = op & FUTEX_PRIVATE_FLAG, realtime = op & FUTEX_CLOCK_REALTIME;
	uint32_t value;
	struct key key;
	int err;

	if (realtime && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	err = get_key(addr, private, &key);
	if (err)
		return err;
	switch (cmd) {
	case FUTEX_WAIT:
		return wait_call(addr, &key, cmd, realtime, val, arg, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return wait_call(addr, &key, cmd, realtime, val, arg, val3);
	case FUTEX_WAKE:
		return futex_wake(&key, MAX((int)val, 1), FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return val3 ? futex_wake(&key, MAX((int)val, 1), val3) : -EINVAL;
	case FUTEX_CMP_REQUEUE:
		err = user_get(value, addr);
		if (!err && value != val3)
			err = -EAGAIN;
		if (err)
			return err;
		return futex_requeue(&key, addr2, private, (int)val, (int)arg);
	case FUTEX_REQUEUE:
		return futex_requeue(&key, addr2, private, (int)val, (int)arg);
	case FUTEX_WAKE_OP:
		return futex_wake_op(&key, addr2, private, (int)val, (int)arg, val3);
	default:
		return -ENOSYS;
	}
}
