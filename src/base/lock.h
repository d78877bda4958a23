/*
 * lock.h: the four kinds of lock and their one order.
 *
 * A thread takes locks in the order of enum om_rank, lowest first:
 *
 *     MEMORY     sys->adding, sleeping: one om_add_memory() at a time; nothing else is held
 *     SIZE       mapping->size_lock, sleeping: read = write() at the end, write = truncate
 *     HOLE       mapping->hole_lock, sleeping: write = punch, while the store works; read = a page
 *                is wanted there
 *       PAGE       OM_PG_LOCKED, a sleeping bit; a store works while it is held, alone
 *       MMAP       mmap_lock of an mm, sleeping: read = fault, write = map, unmap, fork
 *                  or PART: that of a CPU's part of it, read = fault, write = below MMAP (part.h)
 *         SHAPE      mapping->shape, sleeping: read = areas or entries change their places,
 *                    write = somebody goes through all areas, in pieces, and must miss nothing
 *           ATOMIC     no lock, but a word in the record: the caller may not sleep
 *           MAPPING    mapping->lock, spinning rwlock: i_mmap tree and page index
 *             ANON       anon_vma->lock, spinning rwlock: the tree of VMAs
 *               TABLE      frame lock of a page-table page: every entry of it
 *                 TABLE2     a second table: the child's in fork, the higher pfn in mremap
 *                   FRAME      frame lock of a data page: object, index, mapcount, holds
 *                     SLOTS, SWAP, SLAB, LIST, CACHE, FREE, SUM, SLEEP   leaves; a CPU's cache of
 *                                free frames, or slots, gets and gives them with its lock held
 *
 * Page locks come first: whoever has an mmap_lock only tries them, as it must not wait for a
 * transfer. Two locks of one rank are never held together, except page locks taken by trylock
 * (reclaim's clusters). Sleeping needs that nothing from ATOMIC on is held. Debug builds
 * (OM_DEBUG) check all of this against the record that the port's `held` hook supplies.
 *
 * All of them are fair: nobody has to wait while others take the lock again and again. Taking and
 * releasing a lock that nobody waits for is done here or in a few steps; waiting for spinning locks
 * is in spin.c, for sleeping ones in sleep.c, where it is said who comes after whom.
 */
#ifndef OM_LOCK_H
#define OM_LOCK_H

#include <stdatomic.h>

#include "base/bug.h"
#include "om_arch.h"

enum om_rank {
	OM_RANK_MEMORY = 1,
	OM_RANK_SIZE,
	OM_RANK_HOLE,
	OM_RANK_PAGE,
	OM_RANK_MMAP,
	OM_RANK_MMAP2, /* the child's, in fork: nobody else wants it but by trywrite */
	OM_RANK_PART,  /* mmap_lock of a CPU's part: write = below that of the mm */
	OM_RANK_SHAPE,
	OM_RANK_ATOMIC,  /* not a lock: who has it in the record does not sleep */
	OM_RANK_MAPPING, /* from here on: spinning */
	OM_RANK_ANON,
	OM_RANK_TABLE,
	OM_RANK_TABLE2,
	OM_RANK_FRAME,
	OM_RANK_SLOTS,
	OM_RANK_SWAP,
	OM_RANK_SLAB,
	OM_RANK_LIST,
	OM_RANK_CACHE,
	OM_RANK_FREE,
	OM_RANK_SUM,
	OM_RANK_SLEEP,
	OM_NR_RANKS,
};

/* A spinning lock: OM_SPIN_LOCKED, and OM_SPIN_WAITED while somebody waits. */
struct om_spinlock {
	_Atomic uint8_t state;
};

#define OM_SPIN_LOCKED 1u
#define OM_SPIN_WAITED 2u

/* Spinning readers-writer lock: number of readers, OM_RW_WRITER, OM_RW_WAITED. */
struct om_rwspin {
	_Atomic uint32_t state;
};

/* Sleeping readers-writer lock: the same; here OM_RW_WAITED says that somebody sleeps. */
struct om_rwsem {
	_Atomic uint32_t state;
};

#define OM_RW_WRITER  0x80000000u
#define OM_RW_WAITED  0x40000000u
#define OM_RW_READERS 0x3fffffffu /* the number of readers */

/* ---- the record of held locks, in debug builds: held.c ------------------------------------ */

/* Push checks the rank, pop that the lock was held. `ordered` false for trylocks. */
void om_held_push(struct om_system *sys, const void *lock, enum om_rank rank, bool ordered);
void om_held_pop(struct om_system *sys, const void *lock);
/* Is the lock in this thread's record? Always true when nothing is recorded. */
bool om_held(struct om_system *sys, const void *lock);

/* First line of every function that may sleep: no spinning lock may be held. */
void om_assert_may_sleep(struct om_system *sys);
/* Before a store's hook is called, which may take for ever: nothing but page locks may be held. */
void om_assert_may_transfer(struct om_system *sys);

static inline void om_might_sleep(struct om_system *sys)
{
	if (OM_DEBUG)
		om_assert_may_sleep(sys);
}

static inline void om_might_transfer(struct om_system *sys)
{
	if (OM_DEBUG)
		om_assert_may_transfer(sys);
}

/* Between the two nothing may sleep, for a caller who could not: `who` is a name for the record. */
static inline void om_atomic_begin(struct om_system *sys, const void *who)
{
	if (OM_DEBUG)
		om_held_push(sys, who, OM_RANK_ATOMIC, false);
}

static inline void om_atomic_end(struct om_system *sys, const void *who)
{
	if (OM_DEBUG)
		om_held_pop(sys, who);
}

/*
 * Loops that may run with a spinning lock held tell how far they have come: `n` steps, each a look
 * at an entry, area, frame or node of a list. Debug builds report a lock that is held over more
 * steps than its rank may be (held.c). To copy or clear a page is OM_WORK_PAGE.
 */
#define om_work(sys, n)                                                                            \
	do {                                                                                       \
		if (OM_DEBUG)                                                                      \
			om_held_work(sys, (uint32_t)(n), __FILE__, __LINE__);                      \
	} while (0)

#define OM_WORK_PAGE 64u /* about as many cache lines */

void om_held_work(struct om_system *sys, uint32_t steps, const char *file, int line);

/* ---- spinning ----------------------------------------------------------------------------- */

OM_COLD void om_spin_wait(struct om_system *sys, struct om_spinlock *lock, uint8_t found);

static inline void om_spin_lock(struct om_system *sys, struct om_spinlock *lock, enum om_rank rank)
{
	uint8_t found;

	if (OM_DEBUG)
		om_held_push(sys, lock, rank, true);
	om_arch_spin_enter();
	found = atomic_exchange_explicit(&lock->state, OM_SPIN_LOCKED, memory_order_acquire);
	if (om_unlikely(found))
		om_spin_wait(sys, lock, found);
}

/* If nobody has it or waits for it; in any order. */
static inline bool om_spin_trylock(struct om_system *sys, struct om_spinlock *lock,
                                   enum om_rank rank)
{
	uint8_t free = 0;

	om_arch_spin_enter();
	if (atomic_compare_exchange_strong_explicit(&lock->state, &free, OM_SPIN_LOCKED,
	                                            memory_order_acquire, memory_order_relaxed)) {
		if (OM_DEBUG)
			om_held_push(sys, lock, rank, false);
		return true;
	}
	om_arch_spin_leave();
	return false;
}

/*
 * Takes OM_SPIN_LOCKED off and leaves OM_SPIN_WAITED, nearly always: spin.c says why that is
 * enough.
 */
static inline void om_spin_unlock(struct om_system *sys, struct om_spinlock *lock)
{
	if (OM_DEBUG)
		om_held_pop(sys, lock);
	om_arch_spin_release((uint8_t *)(uintptr_t)&lock->state);
	om_arch_spin_leave();
}

void om_read_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank);
void om_read_unlock(struct om_system *sys, struct om_rwspin *lock);
void om_write_lock(struct om_system *sys, struct om_rwspin *lock, enum om_rank rank);
void om_write_unlock(struct om_system *sys, struct om_rwspin *lock);

/* ---- sleeping ----------------------------------------------------------------------------- */

OM_COLD void om_rwsem_read_wait(struct om_system *sys, struct om_rwsem *sem);
OM_COLD void om_rwsem_read_wake(struct om_system *sys, struct om_rwsem *sem);

/*
 * May sleep. Readers share, but queue up behind a writer that sleeps. What is tried first is that
 * nobody has it: where many read at a time, each of them waits for the lock's line anyway.
 */
static inline void om_rwsem_read(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank)
{
	uint32_t free = 0;

	if (OM_DEBUG)
		om_held_push(sys, sem, rank, true);
	if (om_unlikely(!atomic_compare_exchange_strong_explicit(&sem->state, &free, 1,
	                                                         memory_order_acquire,
	                                                         memory_order_relaxed)))
		om_rwsem_read_wait(sys, sem);
}

/*
 * The last reader hands over to whoever sleeps. Where it was not alone, om_rwsem_read_wake() looks
 * whether it was the last: the caller knows that the lock stays, though it has it no longer.
 */
static inline void om_rwsem_read_done(struct om_system *sys, struct om_rwsem *sem)
{
	if (OM_DEBUG)
		om_held_pop(sys, sem);
	OM_ASSERT(sys, atomic_load(&sem->state) & OM_RW_READERS, "lock not held", sem);
	if (om_unlikely(atomic_fetch_sub_explicit(&sem->state, 1, memory_order_release) != 1))
		om_rwsem_read_wake(sys, sem);
}

/* om_rwsem_read() if no writer has it or waits for it; does not sleep, in any order. */
bool om_rwsem_tryread(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank);
void om_rwsem_write(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank);
/* om_rwsem_write() if nobody holds it or waits for it; does not sleep, in any order. */
bool om_rwsem_trywrite(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank);
/* As om_rwsem_trywrite(), but waits up to a tenth of a second until it is free. */
bool om_rwsem_write_briefly(struct om_system *sys, struct om_rwsem *sem, enum om_rank rank);
void om_rwsem_write_done(struct om_system *sys, struct om_rwsem *sem);
/*
 * A writer becomes a reader: no other writer comes in between. Readers that sleep come in at once,
 * those that come behind a sleeping writer wait for it as ever.
 */
void om_rwsem_downgrade(struct om_system *sys, struct om_rwsem *sem);
/* Does anybody hold it so? Acquire: if not, what the last writer did has happened. */
bool om_rwsem_is_write_locked(const struct om_rwsem *sem);
bool om_rwsem_is_locked(const struct om_rwsem *sem);

/*
 * A queue of sleepers for anything that has an address, for locks that have no room for one: the
 * page lock. `take` is called with the queue locked: true if the lock could be taken after all, or
 * else it has left a mark by which the holder knows that somebody sleeps.
 */
void om_sleep(struct om_system *sys, const void *key, bool (*take)(void *arg), void *arg);
/*
 * The holder hands over to the first sleeper, instead of releasing the lock. `last` is called with
 * the queue locked if nobody sleeps any more: to take the mark away.
 */
void om_hand_over(struct om_system *sys, const void *key, void (*last)(void *arg), void *arg);

/* Sleep on `key` through the port until blocked(arg) is false; wake all who sleep on it. */
void om_wait(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
             const void *arg);
/*
 * om_wait() for a tenth of a second at most, if the port can (`wait_briefly`): true. Otherwise it
 * was om_wait(): false.
 */
bool om_wait_briefly(struct om_system *sys, const void *key, bool (*blocked)(const void *arg),
                     const void *arg);
void om_wake(struct om_system *sys, const void *key);

#endif
