/*
 * mm.h: address spaces: making, emptying, ending them.
 *
 * All are on lists, for those who go through them: swapoff, reclaim of tables, om_verify(). There
 * is one for each shard, with those that were made there, so CPUs that fork and end programs do not
 * write a line in common. Each has a lock of its own, in which references to its address spaces are
 * taken and dropped: so whoever finds one there may have it, wherever it ends.
 */
#ifndef OM_MM_H
#define OM_MM_H

#include "area/vma.h"
#include "base/part.h"
#include "base/range.h"
#include "page/table.h"

/*
 * `parent`: fork's, locked for writing, or NULL. -OM_ENOFRAME; on success *mm has one reference
 * and is on this CPU's list.
 */
int om_mm_new(struct om_system *sys, const struct om_layout *layout, void *cookie,
              struct om_mm *parent, struct om_mm **mm);

/* One more reference to an mm that is on its list. The list's lock is held. */
static inline void om_mm_get(struct om_mm *mm)
{
	OM_ASSERT(mm->sys, om_held(mm->sys, &mm->home->lock), "list lock", mm);
	mm->refs++;
}

/* The last reference frees root and object; all areas are gone. Takes LIST. */
void om_mm_put(struct om_mm *mm);

/*
 * The mm after `mm`, list by list (NULL: the first), referenced; drops the reference on `mm`. Who
 * is there all the time is met once; who comes or goes meanwhile may be. Takes LIST. Cost: linear
 * in the lists that are empty.
 */
struct om_mm *om_mm_iterate(struct om_system *sys, struct om_mm *mm);

/* At rest, when nobody comes or goes: the mm after `mm`, without references and locks. */
struct om_mm *om_mm_after(struct om_system *sys, const struct om_mm *mm);

#define om_for_each_mm(mm, sys)                                                                    \
	for (struct om_mm *mm = om_mm_after(sys, NULL); mm; mm = om_mm_after(sys, mm))

/*
 * Remove the areas of [start, end), which begin and end at its edges: pages, then areas, then
 * tables (I5). `keep_tables`: something will be mapped there at once. mmap_lock held for writing.
 * Cannot fail.
 */
void om_unmap_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, bool keep_tables);

/*
 * As om_unmap_areas(), with tables, and mmap_lock has been released when it returns. The areas
 * leave the address space at once; then the lock is held for reading only, so that faults need not
 * wait for the pages, however many there are.
 */
void om_unmap_areas_and_unlock(struct om_mm *mm, uintptr_t start, uintptr_t end);

/*
 * Its two steps: the pages of the areas, from `start` on, which may be inside the first; the
 * areas, empty now.
 */
void om_zap_areas(struct om_mm *mm, uintptr_t start, uintptr_t end);
void om_free_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, bool keep_tables);

/*
 * Unmap a range at one end of `vma`, which just becomes smaller: 1. 0, and nothing done, if the
 * range is no such. Fails as om_unshare() does. mmap_lock held for writing.
 */
int om_unmap_edge(struct om_vma *vma, uintptr_t start, uintptr_t end);

/* Excludes writers, for those who look at the address spaces of others. May sleep. */
static inline void om_mm_read_lock(struct om_mm *mm)
{
	om_rwsem_read(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP);
}

/* Does not sleep, in any order: false if a writer has the lock, or waits for it. */
static inline bool om_mm_try_read_lock(struct om_mm *mm)
{
	return om_rwsem_tryread(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP);
}

static inline void om_mm_read_unlock(struct om_mm *mm)
{
	om_rwsem_read_done(mm->sys, &mm->own.mmap_lock);
}

/*
 * As om_mm_read_lock(), for the calls of a program's own threads: as a fault does, in their CPU's
 * part of the address space, if it has one. Returns the part in which the lock is held, for
 * om_part_leave(). May sleep.
 */
struct om_mm_part *om_mm_enter(struct om_mm *mm);

static inline void om_mm_write_lock(struct om_mm *mm)
{
	om_rwsem_write(mm->sys, &mm->own.mmap_lock, OM_RANK_MMAP);
	if (om_unlikely(om_parts_exist(mm)))
		om_parts_recall(mm);
}

/* Does not sleep, in any order: false if anybody holds the lock, or waits for it. */
bool om_mm_try_write_lock(struct om_mm *mm);

/* om_mm_write_lock(), which gives up after a tenth of a second, or one more for a CPU's part. */
bool om_mm_write_lock_briefly(struct om_mm *mm);

/*
 * That an entry is gone, or forbids something, does not mean that no CPU can use the page: whoever
 * changed it may still owe the flush. Flushes are put off by who changes the address space, with
 * mmap_lock held for writing until he has paid, or emptying areas that nobody finds any more; and
 * by truncation, which holds the mapping's lock instead and counts itself in flush_pending. So if
 * two of them meet (hazards 9, 10, 75),
 *   - who changes the address space pays for truncation, before he unlocks it;
 *   - truncation pays for who changes the address space: om_mm_is_changing();
 *   - a fault that finds no entry for a page of a file asks, with the table locked, whether
 *     truncation owes something; then it takes the mapping's lock to fill it (filefault.c).
 * Everybody else flushes before releasing the table's lock (I9).
 */
static inline bool om_mm_is_changing(const struct om_mm *mm)
{
	return om_rwsem_is_write_locked(&mm->own.mmap_lock) ||
	       atomic_load_explicit(&mm->emptying, memory_order_acquire);
}

static inline bool om_mm_flush_pending(const struct om_mm *mm)
{
	return atomic_load_explicit(&mm->flush_pending, memory_order_acquire);
}

/*
 * Areas in [start, end) are gone, and none is left between `floor` <= start and `ceiling` >= end:
 * free the tables that map any of [start, end) and nothing outside [floor, ceiling) (I5).
 */
void om_mm_free_tables(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t floor,
                       uintptr_t ceiling);

/* May sleep: see om_vma_free_gone(). */
void om_mm_write_unlock(struct om_mm *mm);
/* As om_mm_write_unlock(), of who has removed no area. Does not sleep. */
void om_mm_write_unlock_all(struct om_mm *mm);
/* As om_mm_write_unlock(), after om_unmap_areas_and_unlock(): the lock is held for reading. */
void om_mm_emptied_unlock(struct om_mm *mm);

#endif
