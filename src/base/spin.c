/*
 * spin.c: waiting for spinning locks, in a fair order.
 *
 * Whoever finds a lock taken joins a queue; only the first of the queue looks at the lock, each
 * other one at a flag of its own, on its stack (Mellor-Crummey and Scott, 1991). So a released
 * lock costs its line one transfer, however many CPUs wait. A frame lock has one byte, and its
 * queue does not fit in: queues are in a table of the system, chosen by the lock's rank and
 * address. Locks of one rank may share a queue, which can cost time and no more: who holds one of
 * them waits, if at all, in the queue of a later rank. Locks of different ranks must not share
 * one, or two orders of locks that are right would make a ring.
 *
 * Newcomers are kept out by a mark in the lock, "waited for": the quick way in is for locks that
 * are free and not waited for. A newcomer looks by exchanging the byte of an om_spinlock, which
 * is cheap. If that has wiped the mark, it makes it again, since it is going to wait itself; if
 * it has taken a lock that was free but waited for, it gives it back.
 *
 * The release takes LOCKED off by load and store, and wipes a mark that is made just between the
 * two. Then, and between the two steps of a newcomer, the mark is missing, until the first of the
 * queue looks again. Only if another newcomer meets that very moment is anybody overtaken.
 */
#include "base/types.h"

/* One CPU in a queue. */
struct om_spinner {
	struct om_spinner *_Atomic next;
	_Atomic bool first;
};

typedef struct om_spinner *_Atomic queue;

static queue *queue_of(struct om_system *sys, const void *lock, enum om_rank rank)
{
	uintptr_t hash = (uintptr_t)lock * sys->hooks.seed;

	return &sys->spin_queue[rank - OM_RANK_MAPPING]
	                       [hash >> (sizeof(hash) * 8 - OM_SPIN_QUEUE_SHIFT)];
}

/* Returns when `me` is the first of the queue. */
static void join(queue *q, struct om_spinner *me)
{
	struct om_spinner *before;

	atomic_init(&me->next, NULL);
	atomic_init(&me->first, false);
	before = atomic_exchange_explicit(q, me, memory_order_acq_rel);
	if (!before)
		return;
	atomic_store_explicit(&before->next, me, memory_order_release);
	while (!atomic_load_explicit(&me->first, memory_order_acquire))
		om_arch_pause();
}

static void leave(queue *q, struct om_spinner *me)
{
	struct om_spinner *next = atomic_load_explicit(&me->next, memory_order_acquire), *last = me;

	if (!next && atomic_compare_exchange_strong_explicit(q, &last, NULL, memory_order_release,
	                                                     memory_order_relaxed))
		return;
	/* Somebody has joined behind us, and is about to say so. */
	while (!next) {
		om_arch_pause();
		next = atomic_load_explicit(&me->next, memory_order_acquire);
	}
	atomic_store_explicit(&next->first, true, memory_order_release);
}

/* ---- om_spinlock -------------------------------------------------------------------------- */

/* `found` is what we have replaced by LOCKED: something, or there would be no need to wait. */
void om_spin_wait(struct om_system *sys, struct om_spinlock *lock, enum om_rank rank, uint8_t found)
{
	queue *q = queue_of(sys, lock, rank);
	struct om_spinner me;
	uint8_t v;

	if (found & OM_SPIN_LOCKED)
		atomic_fetch_or_explicit(&lock->state, OM_SPIN_WAITED, memory_order_relaxed);
	else
		atomic_store_explicit(&lock->state, OM_SPIN_WAITED, memory_order_release);
	join(q, &me);
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
	leave(q, &me);
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
static OM_COLD void read_wait(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	queue *q = queue_of(sys, lock, rank);
	struct om_spinner me;

	atomic_fetch_sub_explicit(&lock->state, 1, memory_order_relaxed);
	join(q, &me);
	atomic_fetch_add_explicit(&lock->state, 1, memory_order_relaxed);
	while (rw_load(lock, memory_order_acquire) & OM_RW_WRITER)
		om_arch_pause();
	leave(q, &me);
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
		read_wait(sys, lock, rank);
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
static OM_COLD void write_wait(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	queue *q = queue_of(sys, lock, rank);
	struct om_spinner me;
	uint32_t v;

	join(q, &me);
	atomic_fetch_or_explicit(&lock->state, OM_RW_WAITED, memory_order_relaxed);
	do {
		while ((v = rw_load(lock, memory_order_relaxed)) != OM_RW_WAITED)
			om_arch_pause();
	} while (!atomic_compare_exchange_strong_explicit(&lock->state, &v, OM_RW_WRITER,
	                                                  memory_order_acquire,
	                                                  memory_order_relaxed));
	leave(q, &me);
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
		write_wait(sys, lock, rank);
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
