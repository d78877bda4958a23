/*
 * nonlinear.c: remap_file_pages, as the RFC means it: one area whose entries show pages of the
 * file in any order.
 *
 * The area is marked nonlinear, and from then on is queued in i_mmap as covering the whole file:
 * the reverse map scans its tables. Each remapped page gets a file-offset entry; the fault
 * decodes it, and when reclaim takes the page away it puts the entry back.
 */
#include "area/mm.h"
#include "area/zap.h"
#include "ops/fault.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* All frames first, so that nothing has changed when they run out (I10). */
static bool make_tables(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_table_stock stock;

	om_table_stock_init(&stock);
	for (uintptr_t a = start & ~(OM_TABLE_SPAN - 1); a < end; a += OM_TABLE_SPAN)
		if (!om_table_reserve(mm, a, 1, &stock)) {
			om_table_unreserve(mm->sys, &stock);
			return false;
		}
	for (uintptr_t a = start & ~(OM_TABLE_SPAN - 1); a < end; a += OM_TABLE_SPAN)
		om_table_make_reserved(mm, a, &stock);
	return true;
}

static void set_entries(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t index)
{
	struct om_system *sys = mm->sys;

	for (uintptr_t a = start; a < end; a += OM_PAGE_SIZE, index++) {
		struct om_page *table = om_table_find(mm, a);

		om_table_lock(sys, table);
		om_entry_install(sys, table, om_table_pos(a), om_pte_mkfile(index));
		om_table_unlock(sys, table);
	}
}

static int remap_pages_locked(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t index)
{
	struct om_vma *vma = om_vma_at(mm, start);
	struct om_gather g;
	unsigned flags;

	if (!vma || end > vma->end || !vma->mapping)
		return -OM_EINVAL;
	flags = om_vma_flags(vma);
	if (!(flags & OM_VM_SHARED))
		return -OM_EINVAL;
	if (!make_tables(mm, start, end))
		return -OM_ENOFRAME;
	if (!(flags & OM_VM_NONLINEAR))
		om_vma_change_flags(vma, flags | OM_VM_NONLINEAR);
	om_gather_init(&g, mm);
	om_zap(&g, vma, start, end, NULL);
	om_gather_finish(&g);
	set_entries(mm, start, end, index);
	return 0;
}

/* Locked memory stays present, whatever it shows. */
static void fill_locked(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_vmainfo info;

	if (om_vma_next(mm, start, &info) &&
	    (info.flags & (OM_VM_LOCKED | OM_VM_LOCKONFAULT)) == OM_VM_LOCKED)
		(void)om_populate(mm, start, end);
}

static int remap_pages_once(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t index)
{
	int err;

	om_mm_write_lock(mm);
	err = remap_pages_locked(mm, start, end, index);
	om_mm_write_unlock(mm);
	return err;
}

int om_remap_file_pages(struct om_mm *mm, uintptr_t addr, size_t len, int prot, size_t pgoff,
                        int flags)
{
	uintptr_t start = addr & OM_PAGE_MASK, end = start + (len & OM_PAGE_MASK);
	size_t pages = (end - start) >> OM_PAGE_SHIFT;
	unsigned tries = 0;
	int err;

	(void)flags; /* MAP_NONBLOCK: entries are left to faults anyway */
	om_might_sleep(mm->sys);
	if (prot || end <= start || pgoff + pages < pgoff)
		return -OM_EINVAL;
	if ((uint64_t)(pgoff + pages - 1) >> (OM_FILE_BITS - 1) > 1)
		return -OM_EINVAL;
	do
		err = remap_pages_once(mm, start, end, pgoff);
	while (om_try_again(mm->sys, &tries, pages / OM_TABLE_ENTRIES + 4, &err));
	if (!err)
		fill_locked(mm, start, end);
	return err;
}
