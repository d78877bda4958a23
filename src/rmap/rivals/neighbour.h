/*
 * neighbour.h: for designs in which an area gets its anon_vma in a fault: the areas beside it, one
 * of which may share its own.
 *
 * Two areas that differ only in what mprotect() can change may be one some day. They can be if they
 * share an anon_vma, so the first fault looks for that.
 */
#ifndef OM_RMAP_NEIGHBOUR_H
#define OM_RMAP_NEIGHBOUR_H

#include "base/vma_fields.h"

/* The areas on either side, whether they touch it or not; NULL: none. mmap_lock held. O(log n). */
static inline struct om_vma *om_area_before(const struct om_vma *vma)
{
	struct om_vma *best = NULL;

	for (struct om_node *n = vma->mm->vmas; n;) {
		struct om_vma *other = om_container(n, struct om_vma, by_addr);
		bool before = other->start < vma->start;

		best = before ? other : best;
		n = before ? n->right : n->left;
	}
	return best;
}

static inline struct om_vma *om_area_behind(const struct om_vma *vma)
{
	struct om_vma *best = NULL;

	for (struct om_node *n = vma->mm->vmas; n;) {
		struct om_vma *other = om_container(n, struct om_vma, by_addr);
		bool behind = other->start > vma->start;

		best = behind ? other : best;
		n = behind ? n->left : n->right;
	}
	return best;
}

/* Could two neighbours, in this order, be one area if mprotect() made their flags equal? */
static inline bool om_could_be_one(const struct om_vma *a, const struct om_vma *b)
{
	const unsigned access = OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC;

	return a && b && a->end == b->start && a->mapping == b->mapping &&
	       !((om_vma_flags(a) ^ om_vma_flags(b)) & ~access) &&
	       a->pgoff + om_vma_pages(a) == b->pgoff;
}

/* An area's anon_vma, which another thread's fault may be about to set. mmap_lock held. */
static inline struct om_anon_vma *om_anon_vma_of(const struct om_vma *vma)
{
	return __atomic_load_n(&vma->anon_vma, __ATOMIC_ACQUIRE);
}

/*
 * Give it to the area, unless another thread was faster: false. The lock under which the area is
 * queued in it is held and not let go before it is: who finds the area to have one sets entries,
 * and a walk to these waits for the lock.
 */
static inline bool om_anon_vma_publish(struct om_vma *vma, struct om_anon_vma *av)
{
	struct om_anon_vma *none = NULL;

	return __atomic_compare_exchange_n(&vma->anon_vma, &none, av, false, __ATOMIC_ACQ_REL,
	                                   __ATOMIC_ACQUIRE);
}

#endif
