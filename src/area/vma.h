/*
 * vma.h: areas: finding, placing, splitting, merging, counting.
 *
 * An area (VMA) is a range of an address space with one set of flags and one backing object. All
 * calls need mm->mmap_lock, for writing unless the comment says "read".
 */
#ifndef OM_VMA_H
#define OM_VMA_H

#include "base/vma_fields.h"

/* The first area that ends above addr, or NULL. Read. O(log n). */
struct om_vma *om_vma_find(struct om_mm *mm, uintptr_t addr);
struct om_vma *om_vma_at_slow(struct om_mm *mm, struct om_mm_part *part, uintptr_t addr);

/*
 * The area that contains addr, or NULL; remembers it in the part in which the lock is held. Read.
 * O(1) if it was the last one found there.
 */
static inline struct om_vma *om_vma_at_in(struct om_mm *mm, struct om_mm_part *part, uintptr_t addr)
{
	struct om_vma *vma = atomic_load_explicit(&part->hint, memory_order_acquire);

	return om_likely(om_vma_covers(vma, addr)) ? vma : om_vma_at_slow(mm, part, addr);
}

static inline struct om_vma *om_vma_at(struct om_mm *mm, uintptr_t addr)
{
	return om_vma_at_in(mm, &mm->own, addr);
}

/* The last area that starts below addr, or NULL. Read. */
struct om_vma *om_vma_before(struct om_mm *mm, uintptr_t addr);
/* The next area, or NULL. Read. */
struct om_vma *om_vma_after(struct om_vma *vma);

/* The areas that meet [start, end), in order; the body must not remove later ones. */
#define om_for_each_vma(vma, mm, from, to)                                                         \
	for (struct om_vma *vma = om_vma_find(mm, from); vma && vma->start < (to);                 \
	     vma = om_vma_after(vma))

/*
 * Where a new area of len bytes would go: the highest free place below `limit`. 0 if there is
 * none, or page 0 alone.
 */
uintptr_t om_gap_find(struct om_mm *mm, size_t len, uintptr_t limit);

/* Lowest address an area claims: a stack keeps its guard gap free. */
uintptr_t om_vma_start_gap(const struct om_vma *vma);

/*
 * A new area, not linked anywhere; takes a reference to the mapping, and counts in its
 * i_mmap_writable: the caller sees to it that this is not denied. NULL if no frame is free.
 * om_vma_free() is for areas that are not linked.
 */
struct om_vma *om_vma_new(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t pgoff,
                          unsigned flags, struct om_mapping *mapping);
void om_vma_free(struct om_vma *vma);

/*
 * The last area of a file may have to write the file back, which must not happen under mmap_lock.
 * So om_vma_free() puts areas of files aside, in mm->gone; om_mm_write_unlock() takes them from
 * there, and frees them here when the lock is free. May sleep.
 */
void om_vma_free_gone(struct om_system *sys, struct om_node *gone);

/* Into the address space and the reverse map (I5), with all counters; and out again. */
void om_vma_link(struct om_vma *vma);
void om_vma_unlink(struct om_vma *vma);
/* Out of the address space alone: om_rmap_vma_unlink() is to follow. */
void om_vma_detach(struct om_vma *vma);

/*
 * Make [start, end) begin and end at area boundaries, to unmap it. -OM_ENOFRAME; -OM_ENOMEM
 * (OM_LIMIT_VMAS) if it is a hole in one area, which makes one more. What is cut at one end only
 * may pass the limit until something is unmapped, as on Linux. A failure has changed nothing.
 */
int om_vma_cut_out(struct om_mm *mm, uintptr_t start, uintptr_t end);

/*
 * As om_vma_cut_out(), for [start, end) inside vma, which then gets new flags: -OM_ENOMEM if that
 * leaves more areas than OM_LIMIT_VMAS allows. A part that joins a neighbour makes none more.
 */
int om_vma_cut_for(struct om_vma *vma, uintptr_t start, uintptr_t end, unsigned flags);

/* Join an area with its neighbours where that is possible; returns the area that now covers it. */
struct om_vma *om_vma_merge(struct om_vma *vma);
/* Join all areas that meet or touch [start, end) where that is possible. */
void om_vma_merge_range(struct om_mm *mm, uintptr_t start, uintptr_t end);

/* The area shows the file from page pgoff on. It has no entries. Cannot fail. */
void om_vma_renumber(struct om_vma *vma, uintptr_t pgoff);

/* Move an area's boundaries (stack growth, mremap in place), past no other area. Cannot fail. */
void om_vma_resize(struct om_vma *vma, uintptr_t start, uintptr_t end);

/*
 * Let a neighbour grow over [start, end), which is free, if a new area of these properties would
 * merge with it. False, and nothing done, if there is none. Cannot fail, allocates nothing.
 */
bool om_vma_extend(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t pgoff,
                   unsigned flags, struct om_mapping *mapping);

/* Change flags, with the counters that depend on them. */
void om_vma_change_flags(struct om_vma *vma, unsigned flags);

#endif
