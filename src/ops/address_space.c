/*
 * address_space.c: creating, emptying and destroying an address space. Fork, which copies one, is
 * in fork.c.
 */
#include "area/mm.h"
#include "page/table.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"

static bool layout_is_sane(const struct om_layout *l)
{
	uintptr_t all = l->lowest | l->highest | l->mmap_base | l->guard_gap;

	return !(all & ~OM_PAGE_MASK) && l->lowest >= OM_PAGE_SIZE && l->lowest < l->highest &&
	       l->highest <= OM_VA_LIMIT && l->mmap_base > l->lowest &&
	       l->mmap_base <= l->highest &&
	       (!l->brk_start || (l->brk_start >= l->lowest && l->brk_start < l->highest));
}

int om_mm_create(struct om_system *sys, const struct om_layout *layout, void *cookie,
                 struct om_mm **mm)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	if (!layout_is_sane(layout))
		return -OM_EINVAL;
	do
		err = om_mm_new(sys, layout, cookie, NULL, mm);
	while (om_try_again(sys, &tries, 2, &err));
	return err;
}

/* All areas, and the tables with them, in one go. */
static void empty(struct om_mm *mm)
{
	if (!mm->vmas)
		return; /* nor a table (I5) */
	om_unmap_areas(mm, 0, OM_VA_LIMIT, true);
	om_mm_free_tables(mm, 0, OM_VA_LIMIT, 0, OM_VA_LIMIT);
}

void om_mm_empty(struct om_mm *mm)
{
	om_might_sleep(mm->sys);
	om_mm_write_lock(mm);
	empty(mm);
	om_rmap_mm_emptied(mm);
	mm->brk = mm->layout.brk_start;
	mm->def_flags = 0;
	om_mm_write_unlock(mm);
}

void om_mm_destroy(struct om_mm *mm)
{
	om_might_sleep(mm->sys);
	om_mm_write_lock(mm);
	empty(mm);
	om_mm_write_unlock(mm);
	om_mm_put(mm);
}
