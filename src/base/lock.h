/*
 * lock.h: the four kinds of lock and their one order.
 *
 * A thread takes locks in the order of enum om_rank, lowest first:
 *
 *     MMAP       mm->mmap_lock, sleeping: read = fault, write = map, unmap, fork
 *     SIZE       mapping->size_lock, sleeping: read = write() at the end, write = truncate
 *       PAGE       OM_PG_LOCKED, a sleeping bit; reclaim starts here, without mmap_lock
 *         MAPPING    mapping->lock, spinning rwlock: i_mmap tree and page index
 *           ANON       anon_vma->lock, spinning rwlock: the tree of VMAs
 *             TABLE      frame lock of a page-table page: every entry of it
 *               TABLE2     a second table: the child's in fork, the higher pfn in mremap
 *                 FRAME      frame lock of a data page: object, index, mapcount, refs, pins
 *                   LRU, SWAP, SLAB, LIST, FREE   leaves
 *
 * Two locks of one rank are never held together, except page locks taken by trylock (reclaim's
 * clusters). Sleeping needs that nothing from MAPPING on is held. Debug builds (OM_DEBUG) check
 * all of this against the record that the port's `held` hook supplies.
 */
#ifndef OM_LOCK_H
#define OM_LOCK_H

#include <stdatomic.h>

#include "base/bug.h"
#include "om_arch.h"

enum om_rank {
	OM_RANK_MMAP = 1,
	OM_RANK_MMAP2, /* the child's, in fork: nobody else can hold it */
	OM_RANK_SIZE,
	OM_RANK_PAGE,
	OM_RANK_MAPPING,
	OM_RANK_ANON,
	OM_RANK_TABLE,
	OM_RANK_TABLE2,
	OM_RANK_FRAME,
	OM_RANK_LRU,
	OM_RANK_SWAP,
	OM_RANK_SLAB,
	OM_RANK_LIST,
	OM_RANK_FREE,
};

struct om_spinlock {
	_Atomic uint8_t locked;
};

/* Spinning readers-writer lock: number of readers, OM_RW_WRITER, OM_RW_WAITING. */
struct om_rwspin {
	_Atomic uint32_t state;
};

/* Sleeping readers-writer lock: the same and OM_RW_SLEEPERS. */
struct om_rwsem {
	_Atomic uint32_t state;
};

#define OM_RW_WRITER   0x80000000u
#define OM_RW_WAITING  0x40000000u /* a writer waits: no new readers */
#define OM_RW_SLEEPERS 0x20000000u /* somebody sleeps: the release must wake */
#define OM_RW_READERS  0x1fffffffu /* the number of readers */

/* Debug record: push checks the rank, pop that the lock was held. `ordered` false for trylocks. */
void om_held_push(struct om_system *sys, const void *lock, enum om_rank rank, bool ordered);
void om_held_pop(struct om_system *sys, const void *lock);
/* Is the lock in this thread's record? Always true when nothing is recorded. */
bool om_held(struct om_system *sys, const void *lock);

/* First line of every function that may sleep: no spinning lock may be held. */
void om_assert_may_sleep(struct om_system *sys);

static inline void om_might_sleep(struct om_system *sys)
{
	if (OM_DEBUG)
		om_assert_may_sleep(sys);
}

void om_spin_contended(struct om_spinlock *lock);

static inline void om_spin_lock(struct om_system *sys, struct om_spinlock *lock, enum om_rank rank)
{
	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	if (om_unlikely(atomic_exchange_explicit(&lock->locked, 1, memory_order_acquire)))
		om_spin_contended(lock);
}

static inline void om_spin_unlock(struct om_system *sys, struct om_spinlock *lock)
{
	if (OM_DEBUG)
		om_held_pop(sys, lock);
	atomic_store_explicit(&lock->locked, 0, memory_order_release);
	om_arch_spin_leave();
}

void om_read_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank);
void om_read_unlock(struct om_system *sys, struct om_rwspin *lock);
void om_write_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank);
void om_write_unlock(struct om_system *sys, struct om_rwspin *lock);

#define OM_RW_CLOSED (OM_RW_WRITER | OM_RW_WAITING) /* to readers */

void om_rwsem_read_slow(struct om_system *sys, struct om_rwsem *sem);
void om_rwsem_read_wake(struct om_system *sys, struct om_rwsem *sem);

/* May sleep. A waiting writer keeps new readers out, so writers do not starve. */
static inline void om_rwsem_read(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t v = atomic_load_explicit(&sem->state, memory_order_relaxed);

	if (OM_DEBUG)
		om_held_push(sys, sem, rank, true);
	if (om_unlikely(v & OM_RW_CLOSED) ||
	    om_unlikely(!atomic_compare_exchange_strong_explicit(&sem->state, &v, v + 1,
	                                                         memory_order_acquire,
	                                                         memory_order_relaxed)))
		om_rwsem_read_slow(sys, sem);
}

/* The last reader wakes whoever waits for it. */
static inline void om_rwsem_read_done(struct om_system *sys, struct om_rwsem *sem)
{
	uint32_t old;

	if (OM_DEBUG)
		om_held_pop(sys, sem);
	old = atomic_fetch_sub_explicit(&sem->state, 1, memory_order_release);
	OM_ASSERT(sys, old & OM_RW_READERS, "lock not held", sem);
	if (om_unlikely((old & (OM_RW_SLEEPERS | OM_RW_READERS)) == (OM_RW_SLEEPERS | 1)))
		om_rwsem_read_wake(sys, sem);
}

void om_rwsem_write(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank);
void om_rwsem_write_done(struct om_system *sys, struct om_rwsem *sem);
/* For assertions. */
bool om_rwsem_is_write_locked(const struct om_rwsem *sem);
bool om_rwsem_is_locked(const struct om_rwsem *sem);

/* Sleep on `key` through the port until blocked(arg) is false. */
void om_wait(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
             const void *arg);
void om_wake(struct om_system *sys, const void *key);

#endif
