/*
 * vma.c: areas.
 *
 * The areas of an mm hang in a tree by address. The augmented word of a node is the largest gap
 * strictly inside its subtree, from which a place for a new area is found without looking at
 * every area.
 *
 * Neighbours that agree in flags, object and numbering are always joined. Pages of an area
 * that was never forked know nothing of its numbers, so such an area takes whatever numbers make it
 * fit: it always merges (design.md, section 2; om_rmap_has_numbers()).
 */
#include "area/vma.h"

#include "area/mm.h"

#include "area/limits.h"
#include "area/unshare.h"
#include "area/vma_place.h"
#include "page/slab.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

static struct om_vma *of_addr(const struct om_node *n)
{
	return n ? om_container(n, struct om_vma, by_addr) : NULL;
}

/* ---------------------------------------------------------------- finding ------------------- */

struct om_vma *om_vma_find(struct om_mm *mm, uintptr_t addr)
{
	struct om_node *n = mm->vmas;
	struct om_vma *best = NULL;

	while (n) {
		struct om_vma *vma = of_addr(n);

		if (vma->end > addr) {
			best = vma;
			if (vma->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct om_vma *om_vma_at_slow(struct om_mm *mm, struct om_mm_part *part, uintptr_t addr)
{
	struct om_vma *vma = om_vma_find(mm, addr);

	if (!vma || vma->start > addr)
		return NULL;
	atomic_store_explicit(&part->hint, vma, memory_order_release);
	return vma;
}

struct om_vma *om_vma_before(struct om_mm *mm, uintptr_t addr)
{
	struct om_node *n = mm->vmas;
	struct om_vma *best = NULL;

	while (n) {
		struct om_vma *vma = of_addr(n);

		if (vma->start < addr) {
			best = vma;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}

struct om_vma *om_vma_after(struct om_vma *vma)
{
	return om_vma_find(vma->mm, vma->end);
}

/* The areas on either side of a place that is free; NULL if there is none. */
static void neighbours(struct om_mm *mm, uintptr_t addr, struct om_vma **prev, struct om_vma **next)
{
	struct om_node *n = mm->vmas;

	*prev = *next = NULL;
	while (n) {
		struct om_vma *vma = of_addr(n);

		if (vma->start < addr) {
			*prev = vma;
			n = n->right;
		} else {
			*next = vma;
			n = n->left;
		}
	}
}

/* ---------------------------------------------------------------- life ---------------------- */

/* Shared, and mprotect() could let it be written. */
static bool maps_writable(unsigned flags)
{
	return (flags & (OM_VM_SHARED | OM_VM_MAYWRITE)) == (OM_VM_SHARED | OM_VM_MAYWRITE);
}

struct om_vma *om_vma_new(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t pgoff,
                          unsigned flags, struct om_mapping *mapping)
{
	struct om_vma *vma = om_object_alloc(mm->sys, OM_CACHE_VMA);

	if (!vma)
		return NULL;
	if (maps_writable(flags) && !om_mapping_map_writable(mapping)) {
		om_object_free(mm->sys, OM_CACHE_VMA, vma);
		return NULL;
	}
	vma->mm = mm;
	vma->start = start;
	vma->end = end;
	vma->pgoff = pgoff;
	om_vma_set_flags(vma, flags);
	vma->mapping = mapping;
	if (mapping)
		om_mapping_get(mapping);
	return vma;
}

void om_vma_free(struct om_vma *vma)
{
	struct om_mm *mm = vma->mm;

	OM_ASSERT(mm->sys, om_mm_is_changing(mm), "mmap_lock", vma);
	if (maps_writable(om_vma_flags(vma)))
		om_mapping_unmap_writable(vma->mapping);
	if (!vma->mapping) {
		om_object_free(mm->sys, OM_CACHE_VMA, vma);
		return;
	}
	vma->by_addr.left = mm->gone;
	mm->gone = &vma->by_addr;
}

void om_vma_free_gone(struct om_system *sys, struct om_node *gone)
{
	while (gone) {
		struct om_vma *vma = of_addr(gone);
		struct om_mapping *mapping = vma->mapping;

		gone = gone->left;
		om_object_free(sys, OM_CACHE_VMA, vma);
		om_mapping_put(mapping);
	}
}

/* Pages that this area adds to (sign 1) or takes from (sign -1) the mm's counters. */
static void account_pages(struct om_mm *mm, size_t pages, unsigned flags, int sign)
{
	size_t n = sign > 0 ? pages : (size_t)0 - pages;

	mm->total_vm += n;
	if (om_flags_are_data(flags))
		mm->data_vm += n;
	if (flags & OM_VM_LOCKED)
		mm->locked_vm += n;
}

/* om_mm_usage() reads it without mmap_lock. */
static void set_nr_vmas(struct om_mm *mm, unsigned n)
{
	__atomic_store_n(&mm->nr_vmas, n, __ATOMIC_RELAXED);
}

static void tree_insert(struct om_vma *vma)
{
	om_tree_insert(vma->mm->sys, &vma->mm->vmas, &vma->by_addr, &om_vma_tree);
	set_nr_vmas(vma->mm, vma->mm->nr_vmas + 1);
}

static void tree_remove(struct om_vma *vma)
{
	om_tree_remove(vma->mm->sys, &vma->mm->vmas, &vma->by_addr, &om_vma_tree);
	set_nr_vmas(vma->mm, vma->mm->nr_vmas - 1);
	atomic_store_explicit(&vma->mm->own.hint, &vma->mm->sys->no_area, memory_order_relaxed);
}

void om_vma_link(struct om_vma *vma)
{
	struct om_mm *mm = vma->mm;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", vma);
	tree_insert(vma);
	account_pages(mm, om_vma_pages(vma), om_vma_flags(vma), 1);
	om_rmap_vma_link(vma);
}

void om_vma_detach(struct om_vma *vma)
{
	struct om_mm *mm = vma->mm;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", vma);
	tree_remove(vma);
	account_pages(mm, om_vma_pages(vma), om_vma_flags(vma), -1);
}

void om_vma_unlink(struct om_vma *vma)
{
	om_rmap_vma_unlink(vma);
	om_vma_detach(vma);
}

/* ---------------------------------------------------------------- splitting ----------------- */

static int split(struct om_vma *vma, uintptr_t addr)
{
	struct om_mm *mm = vma->mm;
	uintptr_t end = vma->end;
	struct om_vma *new;
	int err = om_unshare_at(vma, addr);

	if (err)
		return err;
	/* Empty at first, so that the change below does not take it out of trees it is not in. */
	new = om_vma_new(mm, addr, addr, om_vma_index(vma, addr), om_vma_flags(vma), vma->mapping);
	if (!new)
		return -OM_ENOFRAME;
	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", vma);
	if (om_rmap_vma_copy(new, vma)) {
		om_vma_free(new);
		return -OM_ENOFRAME;
	}
	om_rmap_change_begin(vma, new);
	vma->end = addr;
	new->end = end;
	om_rmap_change_end(vma, new);
	om_tree_update(mm->sys, &mm->vmas, &vma->by_addr, &om_vma_tree);
	tree_insert(new);
	return 0;
}

/* Split what reaches over either end. A failure has changed nothing. */
static int cut(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vma *first = om_vma_find(mm, start), *last = om_vma_before(mm, end);
	bool head = first && first->start < start;
	bool tail = last && last->start < end && last->end > end;
	int err = 0;

	if (head)
		err = split(first, start);
	if (!err && tail) {
		err = split(om_vma_before(mm, end), end);
		if (err && head)
			om_vma_merge(first);
	}
	return err;
}

int om_vma_cut_out(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	const struct om_vma *vma = om_vma_find(mm, start);
	bool hole = vma && vma->start < start && vma->end > end;

	if (hole && mm->nr_vmas >= om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	return cut(mm, start, end);
}

/* ---------------------------------------------------------------- merging ------------------- */

/* Could the pages of `a` and `b`, neighbours in this order, be numbered through? */
static bool numbers_fit(const struct om_vma *a, const struct om_vma *b)
{
	if (a->pgoff + om_vma_pages(a) == b->pgoff)
		return true;
	if (a->mapping)
		return false;
	/* Renumber the one whose pages need none; numbers must not wrap below zero. */
	return !om_rmap_has_numbers(b) || (!om_rmap_has_numbers(a) && b->pgoff >= om_vma_pages(a));
}

static bool can_merge(const struct om_vma *a, const struct om_vma *b)
{
	if (a->end != b->start || om_vma_flags(a) != om_vma_flags(b) || a->mapping != b->mapping)
		return false;
	if (om_likely(om_rmap_can_merge(a, b) && numbers_fit(a, b)))
		return true;
	if (!a->mapping)
		om_count(a->mm->sys, OM_EV_MERGE_REFUSED, 1);
	return false;
}

/* Neighbour `b` becomes part of `a`. Changes no counter but the number of areas. */
static void absorb(struct om_vma *a, struct om_vma *b)
{
	struct om_mm *mm = a->mm;
	uintptr_t end = b->end;

	tree_remove(b);
	om_rmap_change_begin(a, b);
	if (!a->mapping && !om_rmap_has_numbers(a) && om_rmap_has_numbers(b))
		a->pgoff = b->pgoff - om_vma_pages(a);
	om_rmap_vma_absorb(a, b);
	a->end = end;
	b->end = b->start;
	om_rmap_change_end(a, b);
	om_tree_update(mm->sys, &mm->vmas, &a->by_addr, &om_vma_tree);
	om_vma_free(b);
}

struct om_vma *om_vma_merge(struct om_vma *vma)
{
	struct om_vma *prev = om_vma_before(vma->mm, vma->start), *next;

	if (prev && can_merge(prev, vma)) {
		absorb(prev, vma);
		vma = prev;
	}
	next = om_vma_after(vma);
	if (next && can_merge(vma, next))
		absorb(vma, next);
	return vma;
}

void om_vma_merge_range(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vma *vma = om_vma_find(mm, start ? start - 1 : 0);

	while (vma && vma->start <= end) {
		vma = om_vma_merge(vma);
		vma = om_vma_after(vma);
	}
}

/* ---------------------------------------------------------------- changing ------------------ */

/* Will [start, end), cut off one end of vma, with these flags be part of the neighbour there? */
static bool joins_neighbour(struct om_vma *vma, uintptr_t start, uintptr_t end, unsigned flags)
{
	struct om_mm *mm = vma->mm;
	const struct om_vma *other =
	    start == vma->start ? om_vma_before(mm, start) : om_vma_after(vma);
	struct om_vma part = {.mm = mm,
	                      .start = start,
	                      .end = end,
	                      .pgoff = om_vma_index(vma, start),
	                      .flags = flags,
	                      .mapping = vma->mapping};

	if (!other)
		return false;
	om_rmap_vma_pretend(&part, vma);
	return start == vma->start ? can_merge(other, &part) : can_merge(&part, other);
}

int om_vma_cut_for(struct om_vma *vma, uintptr_t start, uintptr_t end, unsigned flags)
{
	unsigned cuts = (vma->start < start) + (vma->end > end);
	bool more = cuts && vma->mm->nr_vmas + cuts > om_mm_limit(vma->mm, OM_LIMIT_VMAS);

	if (more && (cuts == 2 || !joins_neighbour(vma, start, end, flags)))
		return -OM_ENOMEM;
	return cut(vma->mm, start, end);
}

void om_vma_resize(struct om_vma *vma, uintptr_t start, uintptr_t end)
{
	struct om_mm *mm = vma->mm;
	unsigned flags = om_vma_flags(vma);
	uintptr_t pgoff = vma->pgoff - ((vma->start - start) >> OM_PAGE_SHIFT);

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", vma);
	account_pages(mm, om_vma_pages(vma), flags, -1);
	om_rmap_change_begin(vma, NULL);
	vma->pgoff = start > vma->start ? om_vma_index(vma, start) : pgoff;
	vma->start = start;
	vma->end = end;
	om_rmap_change_end(vma, NULL);
	/* No area lies in between, so the order is as before. */
	om_tree_update(mm->sys, &mm->vmas, &vma->by_addr, &om_vma_tree);
	account_pages(mm, om_vma_pages(vma), flags, 1);
}

void om_vma_renumber(struct om_vma *vma, uintptr_t pgoff)
{
	OM_ASSERT(vma->mm->sys, om_rwsem_is_write_locked(&vma->mm->own.mmap_lock), "mmap_lock",
	          vma);
	om_rmap_change_begin(vma, NULL);
	vma->pgoff = pgoff;
	om_rmap_change_end(vma, NULL);
}

bool om_vma_extend(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t pgoff,
                   unsigned flags, struct om_mapping *mapping)
{
	struct om_vma *prev, *next;
	struct om_vma area = {.mm = mm,
	                      .start = start,
	                      .end = end,
	                      .pgoff = pgoff,
	                      .flags = flags,
	                      .mapping = mapping};

	neighbours(mm, start, &prev, &next);
	if (prev && can_merge(prev, &area)) {
		om_vma_resize(prev, prev->start, end);
		if (next && can_merge(prev, next))
			absorb(prev, next);
		return true;
	}
	if (!next || !can_merge(&area, next))
		return false;
	/*
	 * No numbers left below it: then it is in no tree of the reverse map, and takes new ones.
	 */
	if (next->pgoff < om_vma_pages(&area))
		next->pgoff = pgoff + om_vma_pages(&area);
	om_vma_resize(next, start, next->end);
	return true;
}

void om_vma_change_flags(struct om_vma *vma, unsigned flags)
{
	struct om_mm *mm = vma->mm;
	size_t pages = om_vma_pages(vma);
	bool renumber = (om_vma_flags(vma) ^ flags) & OM_VM_NONLINEAR;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", vma);
	account_pages(mm, pages, om_vma_flags(vma), -1);
	if (renumber)
		om_rmap_change_begin(vma, NULL);
	om_vma_set_flags(vma, flags);
	if (renumber)
		om_rmap_change_end(vma, NULL);
	account_pages(mm, pages, flags, 1);
}

/* ---------------------------------------------------------------- limits -------------------- */
