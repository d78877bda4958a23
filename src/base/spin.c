/*
 * spin.c: waiting for spinning locks, in a fair order.
 *
 * Whoever finds a lock taken joins the queue of the lock; only the first of it looks at the lock,
 * each other one at a flag of its own, on its stack (Mellor-Crummey and Scott, 1991). So a released
 * lock costs its line one transfer, however many CPUs wait.
 *
 * A lock has no room for a queue, a frame lock none for more than a byte. So the last of each queue
 * is in a list, found by a hash of the lock's address; who joins takes its place there. Lists are
 * short, because a CPU waits for one lock at a time, and are closed to others for a few steps. No
 * queue is shared: behind somebody who waits for another lock one might wait for oneself.
 *
 * Newcomers are kept out by a mark in the lock, "waited for": the quick way in is for locks that
 * are free and not waited for. A newcomer looks by exchanging the byte of an om_spinlock, which is
 * cheap. If that has wiped the mark, it makes it again, since it is going to wait itself; if it has
 * taken a lock that was free but waited for, it gives it back.
 *
 * The release takes LOCKED off by load and store, and wipes a mark that is made just between the
 * two. Then, and between the two steps of a newcomer, the mark is missing, until the first of the
 * queue looks again. Only if another newcomer meets that very moment is anybody overtaken.
 */
#include "base/types.h"

/* One CPU in a queue. */
struct om_spinner {
	const void *lock;
	struct om_spinner *_Atomic behind;
	_Atomic bool first;
	struct om_spinner *other; /* of the last of a queue: the last of another one, in the list */
};

/* ---- the lists of queues ------------------------------------------------------------------ */

static struct om_spin_list *list_of(struct om_system *sys, const void *lock)
{
	uintptr_t hash = (uintptr_t)lock * sys->hooks.seed;

	return &sys->spin_list[hash >> (sizeof(hash) * 8 - OM_SPIN_LIST_SHIFT)];
}

static void close_list(struct om_spin_list *list)
{
	while (atomic_exchange_explicit(&list->closed, true, memory_order_acquire))
		om_arch_pause();
}

static void open_list(struct om_spin_list *list)
{
	atomic_store_explicit(&list->closed, false, memory_order_release);
}

/* The link to the last of a lock's queue; to NULL if nobody waits. The list is closed. */
static struct om_spinner **find(struct om_spin_list *list, const void *lock)
{
	struct om_spinner **link = &list->last;

	while (*link && (*link)->lock != lock)
		link = &(*link)->other;
	return link;
}

/* Become the last; returns who was it before. */
static struct om_spinner *append(struct om_spin_list *list, struct om_spinner *me)
{
	struct om_spinner **link, *before;

	close_list(list);
	link = find(list, me->lock);
	before = *link;
	if (before) {
		*link = before->other;
		atomic_store_explicit(&before->behind, me, memory_order_release);
	}
	me->other = list->last;
	list->last = me;
	open_list(list);
	return before;
}

/* Who is behind me, if I am not the last; otherwise the queue ends. */
static struct om_spinner *detach(struct om_spin_list *list, struct om_spinner *me)
{
	struct om_spinner *behind;

	close_list(list);
	behind = atomic_load_explicit(&me->behind, memory_order_relaxed);
	if (!behind)
		*find(list, me->lock) = me->other;
	open_list(list);
	return behind;
}

/* Returns when `me` is the first of the lock's queue. */
static void join(struct om_spin_list *list, const void *lock, struct om_spinner *me)
{
	me->lock = lock;
	atomic_init(&me->behind, NULL);
	atomic_init(&me->first, false);
	if (!append(list, me))
		return;
	while (!atomic_load_explicit(&me->first, memory_order_acquire))
		om_arch_pause();
}

static void leave(struct om_spin_list *list, struct om_spinner *me)
{
	struct om_spinner *behind = atomic_load_explicit(&me->behind, memory_order_acquire);

	if (!behind)
		behind = detach(list, me);
	if (behind)
		atomic_store_explicit(&behind->first, true, memory_order_release);
}

/* ---- om_spinlock -------------------------------------------------------------------------- */

/* `found` is what we have replaced by LOCKED: something, or there would be no need to wait. */
void om_spin_wait(struct om_system *sys, struct om_spinlock *lock, uint8_t found)
{
	struct om_spin_list *list = list_of(sys, lock);
	struct om_spinner me;
	uint8_t v;

	if (found & OM_SPIN_LOCKED)
		atomic_fetch_or_explicit(&lock->state, OM_SPIN_WAITED, memory_order_relaxed);
	else
		atomic_store_explicit(&lock->state, OM_SPIN_WAITED, memory_order_release);
	join(list, lock, &me);
	for (;;) {
		v = atomic_load_explicit(&lock->state, memory_order_relaxed);
		if (!(v & OM_SPIN_LOCKED)) {
			if (atomic_compare_exchange_strong_explicit(&lock->state, &v,
			                                            OM_SPIN_LOCKED,
			                                            memory_order_acquire,
			                                            memory_order_relaxed))
				break;
			continue;
		}
		if (!(v & OM_SPIN_WAITED))
			atomic_compare_exchange_strong_explicit(&lock->state, &v,
			                                        OM_SPIN_LOCKED | OM_SPIN_WAITED,
			                                        memory_order_relaxed,
			                                        memory_order_relaxed);
		om_arch_pause();
	}
	leave(list, &me);
}

/* ---- om_rwspin ---------------------------------------------------------------------------- */

static inline uint32_t rw_load(const struct om_rwspin *lock, memory_order order)
{
	return atomic_load_explicit(&lock->state, order);
}

/*
 * As the first of the queue a reader counts at once, so that no writer can come in between, and
 * waits for the one that is inside. If there are readers behind it, they follow at once.
 */
static OM_COLD void read_wait(struct om_system *sys, struct om_rwspin *lock)
{
	struct om_spin_list *list = list_of(sys, lock);
	struct om_spinner me;

	atomic_fetch_sub_explicit(&lock->state, 1, memory_order_relaxed);
	join(list, lock, &me);
	atomic_fetch_add_explicit(&lock->state, 1, memory_order_relaxed);
	while (rw_load(lock, memory_order_acquire) & OM_RW_WRITER)
		om_arch_pause();
	leave(list, &me);
}

/* A reader counts first and looks then, which needs one access to the line however many come. */
void om_read_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	old = atomic_fetch_add_explicit(&lock->state, 1, memory_order_acquire);
	if (om_unlikely(old & ~OM_RW_READERS))
		read_wait(sys, lock);
}

void om_read_unlock(struct om_system *sys, struct om_rwspin *lock)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_pop(sys, lock);
	old = atomic_fetch_sub_explicit(&lock->state, 1, memory_order_release);
	OM_ASSERT(sys, old & OM_RW_READERS, "lock not held", lock);
	om_arch_spin_leave();
}

/* With the mark, readers that come join the queue instead of the readers that are inside. */
static OM_COLD void write_wait(struct om_system *sys, struct om_rwspin *lock)
{
	struct om_spin_list *list = list_of(sys, lock);
	struct om_spinner me;
	uint32_t v;

	join(list, lock, &me);
	atomic_fetch_or_explicit(&lock->state, OM_RW_WAITED, memory_order_relaxed);
	do {
		while ((v = rw_load(lock, memory_order_relaxed)) != OM_RW_WAITED)
			om_arch_pause();
	} while (!atomic_compare_exchange_strong_explicit(&lock->state, &v, OM_RW_WRITER,
	                                                  memory_order_acquire,
	                                                  memory_order_relaxed));
	leave(list, &me);
}

void om_write_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	uint32_t free = 0;

	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	if (om_unlikely(!atomic_compare_exchange_strong_explicit(&lock->state, &free, OM_RW_WRITER,
	                                                         memory_order_acquire,
	                                                         memory_order_relaxed)))
		write_wait(sys, lock);
}

void om_write_unlock(struct om_system *sys, struct om_rwspin *lock)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_pop(sys, lock);
	old = atomic_fetch_sub_explicit(&lock->state, OM_RW_WRITER, memory_order_release);
	OM_ASSERT(sys, old & OM_RW_WRITER, "lock not held", lock);
	om_arch_spin_leave();
}
