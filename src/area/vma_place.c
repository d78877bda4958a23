/*
 * vma_place.c: where a new area goes.
 *
 * Each node of the address-space tree knows what its subtree claims, [low, high), and the largest
 * gap between two areas in it. So a place is found in O(log n), highest first, without a second
 * tree of gaps.
 */
#include "area/vma_place.h"

#include "area/vma.h"

static struct om_vma *of(const struct om_node *n)
{
	return om_container(n, struct om_vma, by_addr);
}

uintptr_t om_vma_start_gap(const struct om_vma *vma)
{
	size_t gap = vma->mm->layout.guard_gap;

	if (!(om_vma_flags(vma) & OM_VM_GROWSDOWN))
		return vma->start;
	return vma->start > gap ? vma->start - gap : 0;
}

/* Bytes between `end` of one area and the start of the next, less a guard gap; 0 if none. */
static uintptr_t gap(uintptr_t end, uintptr_t start)
{
	return start > end ? start - end : 0;
}

static uintptr_t max(uintptr_t a, uintptr_t b)
{
	return a > b ? a : b;
}

static uintptr_t vma_key(const struct om_node *n)
{
	return of(n)->start;
}

static uintptr_t vma_aug(struct om_node *n)
{
	struct om_vma *vma = of(n);
	uintptr_t start = om_vma_start_gap(vma), largest = 0;

	vma->low = start;
	vma->high = vma->end;
	if (n->left) {
		vma->low = of(n->left)->low;
		largest = max(n->left->aug, gap(of(n->left)->high, start));
	}
	if (n->right) {
		vma->high = of(n->right)->high;
		largest = max(largest, max(n->right->aug, gap(vma->end, of(n->right)->low)));
	}
	return largest;
}

const struct om_tree_ops om_vma_tree = {vma_key, vma_aug};

/* Does the region [lo, hi), in which exactly the areas of subtree n lie, have a gap of len? */
OM_INLINE bool fits(const struct om_node *n, uintptr_t lo, uintptr_t hi, size_t len)
{
	if (!n)
		return gap(lo, hi) >= len;
	return n->aug >= len || gap(lo, of(n)->low) >= len || gap(of(n)->high, hi) >= len;
}

/* The highest place in a region of which fits() is true. */
static uintptr_t descend_to_gap(const struct om_node *n, uintptr_t hi, size_t len)
{
	while (n) {
		if (fits(n->right, of(n)->end, hi, len)) {
			n = n->right;
		} else {
			hi = om_vma_start_gap(of(n));
			n = n->left;
		}
	}
	return hi - len;
}

/*
 * Go down along the limit. Left of the path, subtrees lie wholly below it, and fits() is exact
 * for them: remember the last one that fits, which is the highest.
 */
uintptr_t om_gap_find(struct om_mm *mm, size_t len, uintptr_t limit)
{
	const struct om_node *n = mm->vmas, *best = NULL;
	uintptr_t lo = mm->layout.lowest, hi = limit, best_hi = 0;
	bool found = false;

	while (n) {
		const struct om_vma *vma = of(n);
		uintptr_t start = om_vma_start_gap(vma);

		if (vma->start >= limit) {
			hi = start < limit ? start : limit; /* the nearest one decides */
			n = n->left;
			continue;
		}
		if (fits(n->left, lo, start, len)) {
			found = true;
			best = n->left;
			best_hi = start;
		}
		lo = vma->end;
		n = n->right;
	}
	if (gap(lo, hi) >= len)
		return hi - len;
	return found ? descend_to_gap(best, best_hi, len) : 0;
}
