/*
 * unmap.c: areas, and their pages and tables, leave an address space.
 *
 * The order is that of I5: pages, then areas, then tables; so whoever walks from a page through the
 * areas finds an area as long as it has entries, and a table as long as an area lies over it.
 *
 * That takes as long as there are pages. A large range leaves in two steps, so that no fault waits
 * for it: with mmap_lock held for writing its areas leave the tree of the address space, where
 * faults look for them; then the lock is held for reading. Walks still find the areas through their
 * objects. Nothing can be mapped there before the tables are gone, since that takes the lock for
 * writing. Whoever has it for reading looks into tables under areas that he has found, and meets
 * none of these.
 */
#include "area/mm.h"
#include "area/unshare.h"
#include "area/zap.h"
#include "page/table.h"
#include "rmap/rmap.h"

void om_mm_free_tables(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t floor,
                       uintptr_t ceiling)
{
	struct om_table_list list = om_table_unlink_range(mm, start, end, floor, ceiling);

	if (list.first == OM_NO_PFN)
		return;
	om_rmap_tables_unlinked(mm);
	om_table_free_list(mm, &list);
}

/* `next`: the first area above the range. */
static void free_tables(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_vma *next)
{
	struct om_vma *prev = om_vma_before(mm, start);
	uintptr_t floor = prev ? prev->end : 0, ceiling = next ? next->start : OM_VA_LIMIT;
	uintptr_t span = start & ~(OM_TABLE_SPAN - 1);

	/* Mostly the range shares its only table with a neighbour. */
	if (end - span <= OM_TABLE_SPAN && (span < floor || span + OM_TABLE_SPAN > ceiling))
		return;
	om_mm_free_tables(mm, start, end, floor, ceiling);
}

static OM_NOINLINE void zap_part(struct om_vma *vma, uintptr_t start, uintptr_t end)
{
	uintptr_t page[OM_GATHER_PAGES];
	struct om_gather g;

	om_gather_init(&g, vma->mm, page, OM_GATHER_PAGES);
	om_zap(&g, vma, start, end, NULL);
	om_gather_finish(&g);
}

int om_unmap_edge(struct om_vma *vma, uintptr_t start, uintptr_t end)
{
	struct om_mm *mm = vma->mm;
	int err;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	if (start < vma->start || end > vma->end || (start == vma->start) == (end == vma->end))
		return 0;
	err = om_unshare_at(vma, start == vma->start ? end : start);
	if (err)
		return err;
	zap_part(vma, start, end);
	if (start == vma->start)
		om_vma_resize(vma, end, vma->end);
	else
		om_vma_resize(vma, vma->start, start);
	free_tables(mm, start, end, om_vma_find(mm, end));
	return 1;
}

void om_zap_areas(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	uintptr_t page[OM_GATHER_PAGES];
	struct om_gather g;

	om_gather_init(&g, mm, page, OM_GATHER_PAGES);
	om_for_each_vma (vma, mm, start, end)
		om_zap(&g, vma, vma->start > start ? vma->start : start, vma->end, NULL);
	om_gather_finish(&g);
}

void om_free_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, bool keep_tables)
{
	struct om_vma *vma = om_vma_find(mm, start), *next;
	bool any = vma && vma->start < end;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	for (; vma && vma->start < end; vma = next) {
		OM_BUG_ON(mm->sys, vma->start < start || vma->end > end, "I5", vma, start, end);
		next = om_vma_after(vma);
		om_vma_unlink(vma);
		om_vma_free(vma);
	}
	if (any && !keep_tables)
		free_tables(mm, start, end, vma);
}

void om_unmap_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, bool keep_tables)
{
	om_zap_areas(mm, start, end);
	om_free_areas(mm, start, end, keep_tables);
}

/* ---------------------------------------------------------------- with readers -------------- */

/* Areas that have left the tree, by `by_addr.left`, in order; and what is free around them. */
struct leaving {
	struct om_node *first;
	uintptr_t floor, ceiling;
};

static struct om_vma *of_addr(struct om_node *n)
{
	return om_container(n, struct om_vma, by_addr);
}

static void detach_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, struct leaving *l)
{
	struct om_vma *vma = om_vma_find(mm, start), *prev = om_vma_before(mm, start), *next;
	struct om_node **link = &l->first;

	for (; vma && vma->start < end; vma = next) {
		OM_BUG_ON(mm->sys, vma->start < start || vma->end > end, "I5", vma, start, end);
		next = om_vma_after(vma);
		om_vma_detach(vma);
		*link = &vma->by_addr;
		link = &vma->by_addr.left;
	}
	*link = NULL;
	l->floor = prev ? prev->end : 0;
	l->ceiling = vma ? vma->start : OM_VA_LIMIT;
}

static void free_detached(struct om_mm *mm, struct om_node *first)
{
	uintptr_t page[OM_GATHER_PAGES];
	struct om_gather g;

	om_gather_init(&g, mm, page, OM_GATHER_PAGES);
	for (struct om_node *n = first; n; n = n->left)
		om_zap(&g, of_addr(n), of_addr(n)->start, of_addr(n)->end, NULL);
	om_gather_finish(&g);
	while (first) {
		struct om_vma *vma = of_addr(first);

		first = first->left;
		om_rmap_vma_unlink(vma);
		om_vma_free(vma);
	}
}

void om_unmap_areas_and_unlock(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct leaving l;

	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	detach_areas(mm, start, end, &l);
	/* Faults that come now find other tables; of one that goes nobody may read `index`. */
	atomic_store_explicit(&mm->own.table_hint, &mm->sys->no_table, memory_order_relaxed);
	/* Before any entry is cleared, so whoever sees one gone sees this (truncate.c). */
	atomic_store_explicit(&mm->emptying, true, memory_order_relaxed);
	om_rwsem_downgrade(mm->sys, &mm->own.mmap_lock);
	free_detached(mm, l.first);
	om_mm_free_tables(mm, start, end, l.floor, l.ceiling);
	om_mm_emptied_unlock(mm);
}
