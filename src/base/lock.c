/*
 * lock.c: the record of held locks, the spinning and the sleeping readers-writer lock, and waiting.
 *
 * Both readers-writer locks are one word: the number of readers and flag bits.
 *
 *   WRITER     a writer is inside
 *   WAITING    a writer wants in, so no new readers; a writer that takes the lock clears it, and
 *              the others that still want in set it again
 *   SLEEPERS   (rwsem alone) somebody, reader or writer, sleeps or is about to
 *
 * Why no wake-up of an rwsem is lost: `blocked` runs under the port's bucket lock and sets SLEEPERS
 * in the same atomic step that finds the lock taken. So the release that would let the sleeper in
 * comes later in the order of the word and sees the bit. It clears the bit before it calls
 * om_wake(), which takes the bucket lock: a thread that still relied on the old bit is in the
 * bucket by then and is woken, any later one sets the bit anew. The uncontended release sees no bit
 * and calls nobody.
 */
#include "base/lock.h"

#include "base/hooks.h"

#define HELD_MAX (sizeof(((struct om_held *)0)->entry) / sizeof(((struct om_held *)0)->entry[0]))

/* ---- the record of held locks ------------------------------------------------------------- */

static struct om_held *held_record(struct om_system *sys)
{
	const struct om_hooks *h = om_hooks(sys);

	return OM_DEBUG && h->ops->held ? h->ops->held(h->ctx) : NULL;
}

void om_held_push(struct om_system *sys, const void *lock, enum om_rank rank, bool ordered)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	OM_BUG_ON(sys, held->depth >= HELD_MAX, "lock rank", lock, rank, held->depth);
	for (unsigned i = 0; i < held->depth; i++) {
		unsigned other = held->entry[i].rank;

		OM_BUG_ON(sys, held->entry[i].lock == lock, "lock rank", lock, rank, other);
		OM_BUG_ON(sys, ordered && other >= rank, "lock rank", lock, rank, other);
	}
	held->entry[held->depth].lock = lock;
	held->entry[held->depth].rank = (uint8_t)rank;
	held->depth++;
}

void om_held_pop(struct om_system *sys, const void *lock)
{
	struct om_held *held = held_record(sys);
	unsigned i;

	if (!held)
		return;
	for (i = held->depth; i > 0 && held->entry[i - 1].lock != lock; i--)
		;
	OM_BUG_ON(sys, i == 0, "lock not held", lock, held->depth, 0);
	for (; i < held->depth; i++)
		held->entry[i - 1] = held->entry[i];
	held->depth--;
}

bool om_held(struct om_system *sys, const void *lock)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return true;
	for (unsigned i = 0; i < held->depth; i++)
		if (held->entry[i].lock == lock)
			return true;
	return false;
}

void om_assert_may_sleep(struct om_system *sys)
{
	struct om_held *held = held_record(sys);

	if (!held)
		return;
	for (unsigned i = 0; i < held->depth; i++) {
		unsigned rank = held->entry[i].rank;

		OM_BUG_ON(sys, rank >= OM_RANK_MAPPING, "lock rank", held->entry[i].lock, rank, 0);
	}
}

/* ---- waiting ------------------------------------------------------------------------------ */

void om_wait(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
             const void *arg)
{
	const struct om_hooks *h = om_hooks(sys);

	om_might_sleep(sys);
	if (h->ops->wait) {
		h->ops->wait(h->ctx, key, blocked, arg);
		return;
	}
	while (blocked(arg))
		om_arch_pause();
}

void om_wake(struct om_system *sys, const void *key)
{
	const struct om_hooks *h = om_hooks(sys);

	if (h->ops->wake)
		h->ops->wake(h->ctx, key);
}

/* ---- spinning ----------------------------------------------------------------------------- */

void om_spin_contended(struct om_spinlock *lock)
{
	do {
		while (atomic_load_explicit(&lock->locked, memory_order_relaxed))
			om_arch_pause();
	} while (atomic_exchange_explicit(&lock->locked, 1, memory_order_acquire));
}

static inline uint32_t rw_load(const _Atomic uint32_t *state)
{
	return atomic_load_explicit(state, memory_order_relaxed);
}

static inline bool rw_cas(_Atomic uint32_t *state, uint32_t *old, uint32_t now)
{
	return atomic_compare_exchange_weak_explicit(state, old, now, memory_order_acquire,
	                                             memory_order_relaxed);
}

void om_read_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	uint32_t v;

	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	v = rw_load(&lock->state);
	for (;;) {
		if (om_likely(!(v & OM_RW_CLOSED))) {
			if (om_likely(rw_cas(&lock->state, &v, v + 1)))
				return;
		} else {
			om_arch_pause();
			v = rw_load(&lock->state);
		}
	}
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

void om_write_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank)
{
	uint32_t v = 0;

	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	for (;;) {
		if (om_likely(!(v & ~OM_RW_WAITING))) {
			if (om_likely(rw_cas(&lock->state, &v, OM_RW_WRITER)))
				return;
			continue;
		}
		if (!(v & OM_RW_WAITING))
			atomic_fetch_or_explicit(&lock->state, OM_RW_WAITING, memory_order_relaxed);
		om_arch_pause();
		v = rw_load(&lock->state);
	}
}

void om_write_unlock(struct om_system *sys, struct om_rwspin *lock)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_pop(sys, lock);
	old = atomic_fetch_and_explicit(&lock->state, ~OM_RW_WRITER, memory_order_release);
	OM_ASSERT(sys, old & OM_RW_WRITER, "lock not held", lock);
	om_arch_spin_leave();
}

/* ---- sleeping ----------------------------------------------------------------------------- */

/* The predicates are handed a const pointer, but belong to the lock and leave their mark in it. */
static struct om_rwsem *rwsem_of(const void *arg)
{
	return (struct om_rwsem *)(uintptr_t)arg;
}

/* Under the port's bucket lock: sleep unless none of `busy` is set; `mark` tells that we do. */
static bool rwsem_blocked(struct om_rwsem *sem, uint32_t busy, uint32_t mark)
{
	uint32_t v = rw_load(&sem->state);

	while (v & busy)
		if ((v & mark) == mark || rw_cas(&sem->state, &v, v | mark))
			return true;
	return false;
}

static bool read_blocked(const void *arg)
{
	return rwsem_blocked(rwsem_of(arg), OM_RW_CLOSED, OM_RW_SLEEPERS);
}

static bool write_blocked(const void *arg)
{
	return rwsem_blocked(rwsem_of(arg), OM_RW_WRITER | OM_RW_READERS,
	                     OM_RW_SLEEPERS | OM_RW_WAITING);
}

void om_rwsem_read_slow(struct om_system *sys, struct om_rwsem *sem)
{
	for (;;) {
		uint32_t v = rw_load(&sem->state);

		while (!(v & OM_RW_CLOSED))
			if (rw_cas(&sem->state, &v, v + 1))
				return;
		om_wait(sys, sem, read_blocked, sem);
	}
}

static void rwsem_write_slow(struct om_system *sys, struct om_rwsem *sem)
{
	for (;;) {
		uint32_t v = rw_load(&sem->state);

		while (!(v & (OM_RW_WRITER | OM_RW_READERS)))
			if (rw_cas(&sem->state, &v, OM_RW_WRITER | (v & OM_RW_SLEEPERS)))
				return;
		om_wait(sys, sem, write_blocked, sem);
	}
}

void om_rwsem_read_wake(struct om_system *sys, struct om_rwsem *sem)
{
	atomic_fetch_and_explicit(&sem->state, ~OM_RW_SLEEPERS, memory_order_relaxed);
	om_wake(sys, sem);
}

void om_rwsem_write(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t v = 0;

	if (OM_DEBUG)
		om_held_push(sys, sem, rank, true);
	if (om_likely(rw_cas(&sem->state, &v, OM_RW_WRITER)))
		return;
	rwsem_write_slow(sys, sem);
}

void om_rwsem_write_done(struct om_system *sys, struct om_rwsem *sem)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_pop(sys, sem);
	old = atomic_fetch_and_explicit(&sem->state, ~(OM_RW_WRITER | OM_RW_SLEEPERS),
	                                memory_order_release);
	OM_ASSERT(sys, old & OM_RW_WRITER, "lock not held", sem);
	if (om_unlikely(old & OM_RW_SLEEPERS))
		om_wake(sys, sem);
}

bool om_rwsem_is_write_locked(const struct om_rwsem *sem)
{
	return atomic_load_explicit(&sem->state, memory_order_acquire) & OM_RW_WRITER;
}

bool om_rwsem_is_locked(const struct om_rwsem *sem)
{
	return rw_load(&sem->state) & (OM_RW_WRITER | OM_RW_READERS);
}
