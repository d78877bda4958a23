/*
 * own.c: see own.h.
 */
#include "ops/own.h"

#include "area/mm.h"
#include "area/unshare.h"
#include "area/zap.h"

static void discard_whole(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	om_for_each_table (part, mm, start, end)
		if (part.end - part.start == OM_TABLE_SPAN)
			om_zap_shared(mm, part.table);
}

static int own_part(struct om_vma *vma, uintptr_t start, uintptr_t end, bool discard)
{
	om_clip(&start, &end, vma->start, vma->end);
	if (discard)
		discard_whole(vma->mm, start, end);
	return om_unshare(vma, start, end);
}

int om_own_tables_locked(struct om_mm *mm, uintptr_t start, uintptr_t end, bool discard)
{
	OM_ASSERT(mm->sys, om_rwsem_is_write_locked(&mm->own.mmap_lock), "mmap_lock", mm);
	om_for_each_vma (vma, mm, start, end) {
		int err = own_part(vma, start, end, discard);

		if (err)
			return err;
	}
	return 0;
}

int om_own_tables(struct om_mm *mm, uintptr_t start, uintptr_t end, bool discard)
{
	int err;

	om_mm_write_lock(mm);
	err = om_own_tables_locked(mm, start, end, discard);
	om_mm_write_unlock(mm);
	return err;
}
