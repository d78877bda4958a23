/*
 * part.h: the CPUs' parts of an address space, in which threads fault without a line in common.
 *
 * A fault holds mmap_lock for reading, remembers what it has found, and counts. In an address space
 * that is used on one CPU it does so in the mm itself, mm->own. When threads on several CPUs take
 * the lock from each other, each CPU gets a part of the mm: a struct om_mm_part in its shard, that
 * names the mm. From then on a fault on this CPU takes the lock in the part, and writes nothing
 * else.
 *
 *   - A part gets its name with mm->own.mmap_lock held for reading, that is, while there is no
 *     writer, and with its own mmap_lock held for writing.
 *   - A writer takes mm->own.mmap_lock and then recalls the parts: of each that names the mm it
 *     takes the lock for writing, once, adds the counts to mm->own, and takes the name away.
 *
 * So who holds the lock of a part that names the mm, for reading, excludes writers as who holds
 * mm->own.mmap_lock does, and hints in a part that names the mm are as good as those in mm->own: no
 * area or table has gone since. Several threads may be in one part, if the CPU has changed
 * threads; that a thread goes on on another CPU does not matter, for it knows in which part it is.
 *
 * A part is another mm's when that wants it on this CPU: this happens when a CPU changes from one
 * program with threads to another. An mm does not go before it has recalled its parts.
 */
#ifndef OM_PART_H
#define OM_PART_H

#include "base/types.h"

/*
 * CPUs get parts when the lock has come from another CPU so often since the last writer, and once
 * more for each part that writer had to recall: so there are no parts where writers are frequent,
 * and recalling costs no more than what has been waited for before.
 */
#define OM_PART_MOVES 4

/* A system that is all zeros gets what hints name when there is nothing to be remembered. */
static inline void om_parts_init(struct om_system *sys)
{
	sys->no_table.index = UINTPTR_MAX / 2 + 1; /* no address has such a page */
}

/* om_part_enter(), unless the last fault was on this shard, too, and it has no part. */
struct om_mm_part *om_part_enter_slow(struct om_mm *mm, struct om_shard *shard);

/*
 * Lock the address space for a fault, as om_mm_read_lock(); may sleep. Returns the part in which
 * the lock is held, for om_part_leave(). In it the fault finds hints, and counts.
 *
 * `last` is read without a lock: it only says where to try first. With one CPU it is always this
 * shard, but for an mm's first fault.
 */
OM_INLINE struct om_mm_part *om_part_enter(struct om_mm *mm, struct om_shard *shard)
{
	if (om_unlikely(atomic_load_explicit(&mm->last, memory_order_relaxed) != shard))
		return om_part_enter_slow(mm, shard);
	om_rwsem_read(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP);
	return &mm->own;
}

OM_INLINE void om_part_leave(struct om_system *sys, struct om_mm_part *part)
{
	om_rwsem_read_done(sys, &part->mmap_lock);
}

/* Does anybody hold the address space, so that no writer is in it? For assertions. */
bool om_mm_is_locked(const struct om_mm *mm);

/*
 * mm->own.mmap_lock has just been taken for writing. May CPUs have parts? None gets one before the
 * lock is released.
 */
OM_INLINE bool om_parts_exist(const struct om_mm *mm)
{
	return mm->moves;
}

/* Then: wait for those who fault in them, and take them back. May sleep. */
OM_COLD void om_parts_recall(struct om_mm *mm);

/*
 * As om_parts_recall(), but false where somebody is in a part; `briefly`: still after a tenth of a
 * second. Otherwise does not sleep, in any order. What has been taken back stays so.
 */
OM_COLD bool om_parts_try_recall(struct om_mm *mm, bool briefly);

/* Entries of an address space: of anonymous pages, of files' pages, of swap slots. */
struct om_mm_sums {
	size_t anon, file, swap;
};

/*
 * Exact at rest. While other CPUs fault what these do may be in it or not, and a sum may be a few
 * below 0: numbers wrap. Takes SUM. Cost: linear in the CPUs that have parts.
 */
struct om_mm_sums om_mm_sums(const struct om_mm *mm);

#endif
