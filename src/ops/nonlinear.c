/*
 * nonlinear.c: remap_file_pages: pages of a file in any order.
 *
 * For shared memory, as the RFC means it: one area whose entries say which page they show. The area
 * is marked nonlinear, and from then on is queued in i_mmap behind all others, as one that can show
 * any page. Each remapped page gets a file-offset entry; the fault decodes it, and when reclaim
 * takes the page away it puts the entry back.
 *
 * A file that has a store is written back, and for that each entry that lets a program write to a
 * page must be found: not among all entries of an area of any size, for each page, again. So there
 * the range becomes areas of its own, as in Linux since 2.6.23.
 */
#include "area/limits.h"
#include "area/mm.h"
#include "area/zap.h"
#include "ops/fault.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"

/* All frames first, so that nothing has changed when they run out (I10). */
static int make_tables(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	struct om_table_stock stock;

	om_table_stock_init(&stock);
	for (uintptr_t a = start & ~(OM_TABLE_SPAN - 1); a < end; a += OM_TABLE_SPAN) {
		int err = om_table_reserve(mm, a, 1, &stock);

		if (err) {
			om_table_unreserve(mm, &stock);
			return err;
		}
	}
	for (uintptr_t a = start & ~(OM_TABLE_SPAN - 1); a < end; a += OM_TABLE_SPAN)
		om_table_make_reserved(mm, a, &stock);
	return 0;
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

static int make_nonlinear(struct om_vma *vma, uintptr_t start, uintptr_t end, uintptr_t index)
{
	unsigned flags = om_vma_flags(vma);
	struct om_mm *mm = vma->mm;
	uintptr_t page[OM_GATHER_PAGES];
	struct om_gather g;
	int err;

	if (end > vma->end)
		return -OM_EINVAL;
	err = make_tables(mm, start, end);
	if (err)
		return err;
	if (!(flags & OM_VM_NONLINEAR))
		om_vma_change_flags(vma, flags | OM_VM_NONLINEAR);
	om_gather_init(&g, mm, page, OM_GATHER_PAGES);
	om_zap(&g, vma, start, end, NULL);
	om_gather_finish(&g);
	set_entries(mm, start, end, index);
	return 0;
}

/* Do areas of one kind follow each other up to `end`? Earlier calls may have cut it up. */
static bool is_one_kind(struct om_vma *vma, uintptr_t end)
{
	struct om_vma *next;

	for (; vma->end < end; vma = next) {
		next = om_vma_after(vma);
		if (!next || next->start != vma->end || next->mapping != vma->mapping ||
		    om_vma_flags(next) != om_vma_flags(vma))
			return false;
	}
	return true;
}

/* The limit of areas is asked as for a new mapping in this place. */
static int make_linear(struct om_vma *vma, uintptr_t start, uintptr_t end, uintptr_t index)
{
	struct om_mm *mm = vma->mm;
	int err;

	if (!is_one_kind(vma, end))
		return -OM_EINVAL;
	if (mm->nr_vmas > om_mm_limit(mm, OM_LIMIT_VMAS))
		return -OM_ENOMEM;
	err = om_vma_cut_out(mm, start, end);
	if (err)
		return err;
	om_zap_areas(mm, start, end);
	om_for_each_vma (part, mm, start, end) {
		om_vma_renumber(part, index);
		index += om_vma_pages(part);
	}
	om_vma_merge_range(mm, start, end);
	return 0;
}

static int remap_pages_locked(struct om_mm *mm, uintptr_t start, uintptr_t end, uintptr_t index)
{
	struct om_vma *vma = om_vma_at(mm, start);

	if (!vma || !vma->mapping || !(om_vma_flags(vma) & OM_VM_SHARED))
		return -OM_EINVAL;
	return om_mapping_is_shmem(vma->mapping) ? make_nonlinear(vma, start, end, index)
	                                         : make_linear(vma, start, end, index);
}

/* Locked memory stays present, whatever it shows. */
static void fill_locked(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	uintptr_t stop = end;
	unsigned flags;

	if (om_populate_area(mm, start, &stop, &flags) &&
	    (flags & (OM_VM_LOCKED | OM_VM_LOCKONFAULT)) == OM_VM_LOCKED)
		(void)om_populate(mm, start, end);
}

static OM_NOINLINE int remap_pages_once(struct om_mm *mm, uintptr_t start, uintptr_t end,
                                        uintptr_t index)
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
