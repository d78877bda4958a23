/*
 * address_space.c: creating, emptying and destroying an address space. Fork, which copies one, is
 * in fork.c.
 */
#include "area/mm.h"
#include "page/table.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"

static bool may_be_heap(const struct om_layout *l, uintptr_t start)
{
	return !start || (start >= l->lowest && start < l->highest);
}

const char *om_check_layout(const struct om_layout *l)
{
	if ((l->lowest | l->highest | l->mmap_base | l->guard_gap) & ~OM_PAGE_MASK)
		return "lowest, highest, mmap_base and guard_gap are page aligned";
	if (l->lowest >= l->highest)
		return "lowest < highest";
	if (l->highest > OM_VA_LIMIT)
		return "highest <= OM_VA_LIMIT";
	if (l->mmap_base <= l->lowest || l->mmap_base > l->highest)
		return "lowest < mmap_base <= highest";
	if (!may_be_heap(l, l->brk_start))
		return "brk_start is 0, or lowest <= brk_start < highest";
	return NULL;
}

int om_mm_create(struct om_system *sys, const struct om_layout *layout, void *cookie,
                 struct om_mm **mm)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	if (om_check_layout(layout))
		return -OM_EINVAL;
	do
		err = om_mm_new(sys, layout, cookie, NULL, mm);
	while (om_try_again(sys, &tries, 2, &err));
	return err;
}

int om_set_brk_start(struct om_mm *mm, uintptr_t start)
{
	int err = 0;

	om_might_sleep(mm->sys);
	if (!may_be_heap(&mm->layout, start))
		return -OM_EINVAL;
	om_mm_write_lock(mm);
	if (mm->brk != mm->layout.brk_start)
		err = -OM_EBUSY;
	else
		mm->brk = mm->layout.brk_start = start;
	om_mm_write_unlock(mm);
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
