/*
 * anon_vma.h: what the designs of Linux have in common: an area gets an anon_vma in its first
 * anonymous fault, and each of its pages names an anon_vma and a linear index, from that fault on.
 *
 * So an entry that moves with its number, or goes, is nothing to the page, and the functions for
 * that are empty. Two areas that differ only in what mprotect() can change may be one some day, if
 * they have one anon_vma: so the first fault looks whether a neighbour can share its own.
 */
#ifndef OM_RMAP_ANON_VMA_H
#define OM_RMAP_ANON_VMA_H

#include "rmap/design.h"

/* What this design has to do where others are idle: idle.h. */
#define om_anon_prepare om_anon_prepare

/* ------- an area's anon_vma ------- */

/* The area has none: share a neighbour's, or make one. False: no frame is free. */
OM_COLD bool om_anon_vma_make(struct om_vma *vma);

/* Another thread's fault may set it, or try to, at any time. mmap_lock held for reading. */
static inline struct om_anon_vma *om_anon_vma_of(const struct om_vma *vma)
{
	return __atomic_load_n(&vma->anon_vma, __ATOMIC_ACQUIRE);
}

/*
 * Set it, unless another thread was faster: false. The lock under which the area is queued is held,
 * and not let go before it is: who finds the area to have an anon_vma sets entries, and a walk to
 * these waits for the lock.
 */
static inline bool om_anon_vma_publish(struct om_vma *vma, struct om_anon_vma *av)
{
	struct om_anon_vma *none = NULL;

	return __atomic_compare_exchange_n(&vma->anon_vma, &none, av, false, __ATOMIC_ACQ_REL,
	                                   __ATOMIC_ACQUIRE);
}

OM_INLINE bool om_anon_prepare(struct om_vma *vma)
{
	return om_likely(om_anon_vma_of(vma)) || om_anon_vma_make(vma);
}

/* An anonymous page has a number, and the area an anon_vma. */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	return vma->anon_vma;
}

/* ------- neighbours; mmap_lock held, for reading or writing ------- */

/* The areas on either side, whether they touch it or not; NULL: none. O(log areas). */
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

/* Could two, in this order, be one area if mprotect() made their flags equal? */
static inline bool om_could_be_one(const struct om_vma *a, const struct om_vma *b)
{
	const unsigned access = OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC;

	return a && b && a->end == b->start && a->mapping == b->mapping &&
	       !((om_vma_flags(a) ^ om_vma_flags(b)) & ~access) &&
	       a->pgoff + om_vma_pages(a) == b->pgoff;
}

#endif
